//! Which token stands in which slot of the context.

use arrow::datatypes::{DataType, Fields};

use crate::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary, XpBand, check_length},
};

/// Name of the struct field that holds an `xp` list.
pub const XP_FIELD: &str = "xp";

/// Where the value of a slot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Element of the `xp` list.
    Xp(usize),
    /// Field of the context struct.
    Field(usize),
}

/// One filled slot of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) token: TokenId,
    pub(super) source: Source,
    pub(super) band: Option<XpBand>,
}

/// The slots of a context column, decided from its type, the vocabulary and the context length.
///
/// Of an `xp` list the lowest orders are used, as many of BP as of RP, as fit beside the other tokens: 32 each for
/// a context of 64 and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) slots: Vec<Slot>,
    /// Which struct field is the `xp` list; `None` when the column itself is the list or there is none.
    pub(super) xp_field: Option<usize>,
    pub(super) has_xp: bool,
    pub(super) xp_len: usize,
    pub(super) context_length: usize,
}

impl Layout {
    /// Decides the slots for a context column of `data_type`.
    ///
    /// # Errors
    /// If the type is neither an `xp` list nor a struct of tokens, names an unknown token, holds more tokens than
    /// the context has slots, or is a fixed-size list of the wrong length.
    pub fn new(data_type: &DataType, vocabulary: &Vocabulary, context_length: usize) -> Result<Self> {
        let mut layout =
            Self { slots: Vec::new(), xp_field: None, has_xp: false, xp_len: vocabulary.xp_len(), context_length };
        match data_type {
            DataType::Struct(fields) => layout.add_fields(fields, vocabulary)?,
            other => {
                check_xp(other, vocabulary)?;
                layout.has_xp = true;
                layout.add_xp(vocabulary, context_length);
            }
        }
        Ok(layout)
    }

    /// Whether the context holds an `xp` list.
    #[must_use]
    pub fn has_xp(&self) -> bool {
        self.has_xp
    }

    fn add_fields(&mut self, fields: &Fields, vocabulary: &Vocabulary) -> Result<()> {
        let scalars = fields.iter().filter(|f| f.name() != XP_FIELD).count();
        if scalars > self.context_length || fields.is_empty() {
            return Err(Error::new(ErrorKind::Plan, format!("a context of {scalars} tokens does not fit the model"))
                .hint(format!("give between 1 and {} tokens", self.context_length)));
        }
        for (i, field) in fields.iter().enumerate() {
            if field.name() == XP_FIELD {
                check_xp(field.data_type(), vocabulary)?;
                self.xp_field = Some(i);
                self.has_xp = true;
                self.add_xp(vocabulary, self.context_length - scalars);
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
                    .hint("name each token once; an xp list already holds its coefficients"));
            }
            self.slots.push(Slot { token, source: Source::Field(i), band: None });
        }
        Ok(())
    }

    fn add_xp(&mut self, vocabulary: &Vocabulary, room: usize) {
        let mut start = 0;
        for band in [XpBand::Bp, XpBand::Rp] {
            let ids = vocabulary.coefficients(band);
            for (i, &token) in ids.iter().take(room / 2).enumerate() {
                if !self.slots.iter().any(|s| s.token == token) {
                    self.slots.push(Slot { token, source: Source::Xp(start + i), band: Some(band) });
                }
            }
            start += ids.len();
        }
    }
}

/// Checks that a type can be an `xp` list of this vocabulary.
fn check_xp(data_type: &DataType, vocabulary: &Vocabulary) -> Result<()> {
    let xp_len = vocabulary.xp_len();
    let hint = format!(
        "a context is an xp list of {xp_len} numbers (see xp(bp, rp)), or a struct whose fields are tokens, \
         e.g. named_struct('teff', 4700, 'logg', 2.5)"
    );
    let (item, length) = match data_type {
        DataType::List(f) | DataType::LargeList(f) => (f.data_type(), None),
        DataType::FixedSizeList(f, n) => (f.data_type(), Some(*n as usize)),
        other => {
            return Err(Error::new(ErrorKind::Plan, format!("{other} is not a context")).hint(hint));
        }
    };
    if !item.is_numeric() && !item.is_null() {
        return Err(Error::new(ErrorKind::Plan, format!("an xp list must hold numbers, not {item}")).hint(hint));
    }
    match length {
        Some(n) if n != xp_len => {
            check_length("an xp list", n)?;
            Err(Error::new(ErrorKind::Plan, format!("an xp list of {n} coefficients has the wrong length")).hint(hint))
        }
        _ => Ok(()),
    }
}
