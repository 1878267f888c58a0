#![doc = include_str!("default/CARD.md")]

use lamcat_core::error::Result;

use super::Model;

/// Name of the model that lamcat carries.
pub const NAME: &str = "lam-sim";

/// The bytes of its file.
const FILE: &[u8] = include_bytes!("default/model.safetensors");

/// The model that lamcat carries.
///
/// # Errors
/// Never, as long as the file is the one that was released.
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
