//! The position that is encoded in Gaia's source identifiers.

/// Level of the HEALPix pixel with which a `source_id` starts.
pub const SOURCE_ID_LEVEL: u8 = 12;

/// Number of bits of a `source_id` below those of its pixel.
const BITS_BELOW_PIXEL: u8 = 35;
/// The first number that is not a `source_id`: the pixels of [`SOURCE_ID_LEVEL`] end there.
const END_OF_SOURCE_IDS: i64 = 12 << (2 * SOURCE_ID_LEVEL + BITS_BELOW_PIXEL);

/// Returns the pixel at `level` (0 to [`SOURCE_ID_LEVEL`]) that a `source_id` encodes in its upper bits; `None` if the
/// number is not an identifier because it is negative or at least 12 · 2^59.
#[must_use]
pub fn source_id_pixel(source_id: i64, level: u8) -> Option<i64> {
    let is_id = (0..END_OF_SOURCE_IDS).contains(&source_id);
    (is_id && level <= SOURCE_ID_LEVEL).then(|| source_id >> (BITS_BELOW_PIXEL + 2 * (SOURCE_ID_LEVEL - level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_identifier_has_no_pixel() {
        assert_eq!(source_id_pixel(-1, 5), None);
        assert_eq!(source_id_pixel(i64::MAX, 13), None);
        assert_eq!(source_id_pixel(i64::MAX, 12), None);
        assert_eq!(source_id_pixel(12 << 59, 0), None);
        assert_eq!(source_id_pixel((12 << 59) - 1, 12), Some((12 << 24) - 1));
    }
}
