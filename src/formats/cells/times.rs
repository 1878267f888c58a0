//! Parses text cells as dates and times.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, PrimitiveBuilder},
    compute::kernels::cast_utils::Parser,
};

use super::{CellBuilder, Malformed, null_word};

/// A builder of dates or times in ISO 8601 notation, `2016-01-01` or `2016-01-01T12:00:00.25`.
pub(super) struct Times<T: ArrowPrimitiveType> {
    builder: PrimitiveBuilder<T>,
    /// Whether a text has the right form, so that numbers and words are not taken for dates.
    fits: fn(&[u8]) -> bool,
}

impl<T: ArrowPrimitiveType> Times<T> {
    pub(super) fn new(fits: fn(&[u8]) -> bool) -> Self {
        // There may be as many builders as columns, none of which has a value.
        Self { builder: PrimitiveBuilder::with_capacity(0), fits }
    }
}

/// Whether a text begins like a date: `2016-01-01`.
fn begins_as_date(text: &[u8]) -> bool {
    let pattern = b"dddd-dd-dd";
    text.len() >= pattern.len()
        && text.iter().zip(pattern).all(|(b, p)| if *p == b'd' { b.is_ascii_digit() } else { b == p })
}

/// Whether a text has the form of a date.
pub(super) fn is_date(text: &[u8]) -> bool {
    text.len() == b"2016-01-01".len() && begins_as_date(text)
}

/// Whether a text has the form of a date, or of a date and a time with at most `DIGITS` digits after the decimal point
/// of the seconds.
pub(super) fn is_time<const DIGITS: usize>(text: &[u8]) -> bool {
    if is_date(text) {
        return true;
    }
    let Some((b'T' | b' ', time)) = text.get(10..).and_then(<[u8]>::split_first) else { return false };
    let clock = time.len() >= 8
        && time[..8].iter().enumerate().all(|(i, b)| if i % 3 == 2 { *b == b':' } else { b.is_ascii_digit() });
    let fraction = time.get(8..).and_then(|rest| rest.strip_prefix(b".")).unwrap_or_default();
    begins_as_date(text) && clock && fraction.iter().take_while(|b| b.is_ascii_digit()).count() <= DIGITS
}

impl<T: ArrowPrimitiveType + Parser> CellBuilder for Times<T> {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let cell = cell.trim_ascii();
        if cell.is_empty() || null_word(cell) == Some(cell.len()) {
            self.builder.append_null();
            return Ok(());
        }
        let text = std::str::from_utf8(cell).ok().filter(|text| (self.fits)(text.as_bytes()));
        self.builder.append_value(text.and_then(T::parse).ok_or(Malformed)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}
