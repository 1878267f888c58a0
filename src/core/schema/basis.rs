//! The basis functions of the spectra's coefficients, and the blocks of tokens that the coefficients form. Coefficients
//! have no meaning on another basis: the result would be a plausible but wrong number.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A basis of functions, and the layout of spectra on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Its name, e.g. `gaia-dr3-xp`; a name always means the same functions.
    pub name: String,
    /// Name of the list that holds all coefficients of a star, block after block, e.g. `xp`.
    pub list: String,
    /// The blocks, in the order of the list.
    pub blocks: Vec<Block>,
}

/// Tokens that one instrument measures together, so that they are missing together, such as the coefficients of a
/// spectrograph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The prefix of its tokens' names, before the number: `bp` in `bp0`, `bp1`, ….
    pub name: String,
    /// Number of its coefficients in the list.
    pub length: usize,
    /// The bit of `lam_flags` that is set if all of them are missing; one of [`Block::FLAGS`].
    pub missing_flag: i32,
    /// UCD1+ of a coefficient.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ucd: String,
    /// One sentence about a coefficient for a reader of a catalogue.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Block {
    /// The bits of `lam_flags` for a missing block, for the first, the second, … block of a basis.
    pub const FLAGS: [i32; 4] = [1 << 1, 1 << 2, 1 << 10, 1 << 11];

    /// Returns the name of its coefficient number `order`.
    #[must_use]
    pub fn token(&self, order: usize) -> String {
        format!("{}{order}", self.name)
    }

    /// Returns the number of the coefficient with this token name, if it belongs to this block.
    #[must_use]
    pub fn order(&self, token: &str) -> Option<usize> {
        let digits = token.strip_prefix(&self.name)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    }
}

impl Basis {
    /// The basis of models whose file does not name one because it was written before files had a basis. It is that of
    /// Leung & Bovy (2023): spectra of Gaia DR3.
    #[must_use]
    pub fn unsaid() -> Self {
        let block = |name: &str, missing_flag, band| Block {
            name: name.to_owned(),
            length: 55,
            missing_flag,
            ucd: format!("stat.fit.param;em.opt.{band}"),
            description: format!("G-normalised {} spectrum coefficient", name.to_uppercase()),
        };
        let blocks = vec![block("bp", Block::FLAGS[0], "B"), block("rp", Block::FLAGS[1], "R")];
        Self { name: "gaia-dr3-xp".to_owned(), list: "xp".to_owned(), blocks }
    }

    /// Number of coefficients in all blocks: the length of a complete list.
    #[must_use]
    pub fn length(&self) -> usize {
        self.blocks.iter().map(|block| block.length).sum()
    }

    /// Describes the blocks and their lengths: `55 bp and 55 rp`.
    #[must_use]
    pub fn shape(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(|block| format!("{} {}", block.length, block.name)).collect();
        blocks.join(" and ")
    }

    /// Returns the block of the coefficient with this token name.
    #[must_use]
    pub fn block_of(&self, token: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.order(token).is_some())
    }

    /// Checks that coefficients on a basis called `name` are on this basis.
    ///
    /// # Errors
    /// If they are not; the message names both.
    pub fn check_name(&self, name: &str) -> Result<()> {
        if name == self.name { Ok(()) } else { Err(self.mismatch(name)) }
    }

    /// The error for coefficients on another basis; it names both.
    pub(crate) fn mismatch(&self, other: &str) -> Error {
        let shape = self.shape();
        Error::new(
            ErrorKind::Plan,
            format!("the {} list is on the basis {other}, and the model reads spectra on {}", self.list, self.name),
        )
        .hint(format!(
            "coefficients on one basis mean nothing on another, and are not cut or filled up: give spectra on {} \
             ({shape} coefficients), or a model for {other}",
            self.name
        ))
    }

    /// Checks a basis read from a file.
    ///
    /// # Errors
    /// If it has no block, a block is empty, or two blocks share a name or a flag.
    pub fn validate(&self) -> Result<()> {
        let bad =
            |what: String| Err(Error::new(ErrorKind::Model, format!("the basis {} is unusable: {what}", self.name)));
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if self.name.is_empty() || !is_name(&self.list) || self.blocks.is_empty() {
            return bad("it needs a name, a list and a block".to_owned());
        }
        for (i, block) in self.blocks.iter().enumerate() {
            let before = &self.blocks[..i];
            if !is_name(&block.name) || block.name.ends_with(|c: char| c.is_ascii_digit()) {
                return bad(format!("a block cannot be called '{}'", block.name));
            }
            if before.iter().any(|b| b.name == block.name || b.missing_flag == block.missing_flag) {
                return bad(format!("the name or the flag of its block {} occurs twice", block.name));
            }
            if !(1..=4096).contains(&block.length) || !Block::FLAGS.contains(&block.missing_flag) {
                return bad(format!("the length or the flag of its block {} is out of range", block.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_the_block_whose_name_and_number_it_has() {
        let basis = Basis::unsaid();
        assert_eq!(basis.block_of("rp54").unwrap().name, "rp");
        assert!(["bprp", "bp", "teff", "bp1x"].iter().all(|name| basis.block_of(name).is_none()));
        assert_eq!(basis.blocks[0].order("bp12"), Some(12));
    }

    #[test]
    fn bases_of_files_are_checked() {
        let good = Basis::unsaid();
        good.validate().unwrap();
        assert!(Basis { blocks: vec![], ..good.clone() }.validate().is_err());
        let with = |change: fn(&mut Block)| {
            let mut basis = good.clone();
            change(&mut basis.blocks[1]);
            basis.validate()
        };
        assert!(with(|b| b.name = "bp".to_owned()).is_err());
        assert!(with(|b| b.name = "w1".to_owned()).is_err());
        assert!(with(|b| b.length = 0).is_err());
        assert!(with(|b| b.missing_flag = 1).is_err());
    }
}
