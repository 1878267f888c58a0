#![doc = include_str!("default/CARD.md")]

use lamcat_core::error::Result;

use super::Model;

/// Name of the embedded model.
pub const NAME: &str = "lam-sim";

/// The content of its model file.
const FILE: &[u8] = include_bytes!("default/model.safetensors");

/// Returns the embedded model.
///
/// # Errors
/// Never, as long as the file is the released one.
pub fn model() -> Result<Model> {
    Model::from_bytes(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_trained_small_and_says_where_it_comes_from() {
        let model = model().unwrap();
        assert_eq!(model.name(), NAME);
        assert!(model.provenance().trained && model.provenance().origin.contains("validation loss"));
        assert!(FILE.len() < 8_000_000, "{} bytes", FILE.len());
    }
}
