//! The assignment of tokens to the slots of the context.

use arrow::datatypes::{DataType, Fields};

use crate::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary},
    survey,
};

/// Name of the struct field that holds an `xp` list, the list used by the bases of Gaia's spectra.
pub const XP_FIELD: &str = "xp";

/// The source of a slot's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Element of the list of coefficients.
    List(usize),
    /// Field of the context struct.
    Field(usize),
}

/// One filled slot of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) token: TokenId,
    pub(super) source: Source,
    /// The index of the block that contains the list's element; `None` for a field.
    pub(super) block: Option<usize>,
}

/// The slots of a context column, decided from its type, the vocabulary and the context length.
///
/// A list contributes its lowest orders, the same number from each block, as many as fit beside the other tokens: 32 of
/// BP and 32 of RP for a context of 64 slots with no other tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) slots: Vec<Slot>,
    /// The index of the struct field that is the list; `None` if the column itself is the list or if there is no list.
    pub(super) list_field: Option<usize>,
    pub(super) has_list: bool,
    pub(super) list_length: usize,
    /// For each block the flag that marks it as missing.
    pub(super) missing_flags: Vec<i32>,
    pub(super) context_length: usize,
}

impl Layout {
    /// Decides the slots for a context column of `data_type`.
    ///
    /// # Errors
    /// If the type is neither a list of coefficients nor a struct of tokens, names an unknown token, holds more tokens than
    /// the context has slots, or is a fixed-size list of the wrong length.
    pub fn new(data_type: &DataType, vocabulary: &Vocabulary, context_length: usize) -> Result<Self> {
        let mut layout = Self {
            slots: Vec::new(),
            list_field: None,
            has_list: false,
            list_length: vocabulary.coefficient_count(),
            missing_flags: vocabulary.blocks().map(|(block, _)| block.missing_flag).collect(),
            context_length,
        };
        match data_type {
            DataType::Struct(fields) => layout.add_fields(fields, vocabulary)?,
            other => {
                check_list(other, vocabulary)?;
                layout.has_list = true;
                layout.add_list(vocabulary, context_length);
            }
        }
        Ok(layout)
    }

    /// Whether the context holds a list of coefficients.
    #[must_use]
    pub fn has_list(&self) -> bool {
        self.has_list
    }

    fn add_fields(&mut self, fields: &Fields, vocabulary: &Vocabulary) -> Result<()> {
        let list = &vocabulary.basis().list;
        let scalars = fields.iter().filter(|f| f.name() != list).count();
        if scalars > self.context_length || fields.is_empty() {
            return Err(Error::new(ErrorKind::Plan, format!("a context of {scalars} tokens does not fit the model"))
                .hint(format!("give between 1 and {} tokens", self.context_length)));
        }
        for (i, field) in fields.iter().enumerate() {
            if field.name() == list {
                check_list(field.data_type(), vocabulary)?;
                self.list_field = Some(i);
                self.has_list = true;
                self.add_list(vocabulary, self.context_length - scalars);
                continue;
            }
            let token = vocabulary.require(field.name())?;
            if !field.data_type().is_numeric() && !field.data_type().is_null() {
                return Err(Error::new(
                    ErrorKind::Plan,
                    format!("token '{}' must be a number, not {}", field.name(), field.data_type()),
                ));
            }
            if self.slots.iter().any(|s| s.token == token) {
                return Err(Error::new(ErrorKind::Plan, format!("token '{}' is given twice", field.name()))
                    .hint(format!("name each token once; an {list} list already holds its coefficients")));
            }
            self.slots.push(Slot { token, source: Source::Field(i), block: None });
        }
        Ok(())
    }

    fn add_list(&mut self, vocabulary: &Vocabulary, room: usize) {
        let mut start = 0;
        let share = room / self.missing_flags.len();
        for (block, (_, ids)) in vocabulary.blocks().enumerate() {
            for (i, &token) in ids.iter().take(share).enumerate() {
                if !self.slots.iter().any(|s| s.token == token) {
                    self.slots.push(Slot { token, source: Source::List(start + i), block: Some(block) });
                }
            }
            start += ids.len();
        }
    }
}

/// Checks that a type can be a list of this vocabulary's coefficients.
fn check_list(data_type: &DataType, vocabulary: &Vocabulary) -> Result<()> {
    let (list, length) = (&vocabulary.basis().list, vocabulary.coefficient_count());
    let hint = format!(
        "a context is an {list} list of {length} numbers (see xp(bp, rp)), or a struct whose fields are tokens, \
         e.g. named_struct('teff', 4700, 'logg', 2.5)"
    );
    let (item, given) = match data_type {
        DataType::List(f) | DataType::LargeList(f) => (f.data_type(), None),
        DataType::FixedSizeList(f, n) => (f.data_type(), Some(*n as usize)),
        other => {
            return Err(Error::new(ErrorKind::Plan, format!("{other} is not a context")).hint(hint));
        }
    };
    if !item.is_numeric() && !item.is_null() {
        return Err(Error::new(ErrorKind::Plan, format!("an {list} list must hold numbers, not {item}")).hint(hint));
    }
    match given {
        Some(n) if n != length => {
            survey::check_length(vocabulary.basis(), n)?;
            let message = format!("an {list} list of {n} coefficients has the wrong length");
            Err(Error::new(ErrorKind::Plan, message).hint(hint))
        }
        _ => Ok(()),
    }
}
