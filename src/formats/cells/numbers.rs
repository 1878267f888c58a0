//! Parses text cells as numbers.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, NullBufferBuilder, PrimitiveArray},
    datatypes::Float64Type,
};

use super::{CellBuilder, Malformed, null_word};

/// A number type that can be parsed from the beginning of a text.
pub(super) trait TextNumber: Copy + Default + Send {
    /// Returns the number, or `None` if it is NaN, and the number of bytes that it took.
    fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed>;
}

macro_rules! text_float {
    ($($t:ty),*) => {$(
        impl TextNumber for $t {
            fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed> {
                let (value, used) = fast_float2::parse_partial::<$t, _>(text).map_err(|_| Malformed)?;
                Ok(((!value.is_nan()).then_some(value), used))
            }
        }
    )*};
}
text_float!(f32, f64);

macro_rules! text_integer {
    ($($t:ty),*) => {$(
        impl TextNumber for $t {
            fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed> {
                let used = text.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+')).count();
                let digits = std::str::from_utf8(&text[..used]).map_err(|_| Malformed)?;
                Ok((Some(digits.parse().map_err(|_| Malformed)?), used))
            }
        }
    )*};
}
text_integer!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Values, some of which may be missing. Without missing values only the values themselves take memory.
pub(super) struct Numbers<T: ArrowPrimitiveType> {
    pub(super) values: Vec<T::Native>,
    /// Which values are present, up to the last missing one.
    valid: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Self { values: Vec::new(), valid: NullBufferBuilder::new(0) }
    }
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    pub(super) fn push(&mut self, value: Option<T::Native>) {
        match value {
            Some(value) => self.values.push(value),
            None => self.push_nulls(1),
        }
    }

    /// Appends `count` missing values.
    pub(super) fn push_nulls(&mut self, count: usize) {
        self.valid.append_n_non_nulls(self.values.len() - self.valid.len());
        self.valid.append_n_nulls(count);
        self.values.resize(self.values.len() + count, T::Native::default());
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.values.truncate(length);
        if self.valid.len() > length {
            self.valid.truncate(length);
        }
    }

    pub(super) fn take(&mut self) -> PrimitiveArray<T> {
        let values = std::mem::take(&mut self.values);
        self.valid.append_n_non_nulls(values.len() - self.valid.len());
        let valid = std::mem::replace(&mut self.valid, NullBufferBuilder::new(0)).finish();
        PrimitiveArray::new(values.into(), valid)
    }
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> CellBuilder for Numbers<T> {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let cell = cell.trim_ascii();
        if cell.is_empty() || null_word(cell) == Some(cell.len()) {
            self.push(None);
            return Ok(());
        }
        let (value, used) = T::Native::parse(cell)?;
        if used < cell.len() {
            return Err(Malformed);
        }
        self.push(value);
        Ok(())
    }

    fn append_null(&mut self) {
        self.push(None);
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.take())
    }
}

/// Number of digits that a 64-bit float always represents.
const CERTAIN_DIGITS: usize = 15;

/// Floats of a column whose type was guessed: an integer that a float cannot represent exactly, such as an identifier,
/// is refused.
#[derive(Default)]
pub(super) struct ExactFloats(Numbers<Float64Type>);

/// Whether a 64-bit float represents an integer exactly; true if the cell is not an integer.
pub(super) fn exact_in_float(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    if digits.len() <= CERTAIN_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let (whole, float) = (text.parse::<u128>(), text.parse::<f64>());
    matches!((whole, float), (Ok(whole), Ok(float)) if float as u128 == whole)
}

impl CellBuilder for ExactFloats {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        if exact_in_float(cell.trim_ascii()) { self.0.append(cell) } else { Err(Malformed) }
    }

    fn append_null(&mut self) {
        self.0.push(None);
    }

    fn finish(&mut self) -> ArrayRef {
        self.0.finish()
    }
}
