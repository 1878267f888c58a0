//! The model's vocabulary: the quantities that it reads and predicts, and their standardisation.

use serde::{Deserialize, Serialize};

use super::{
    basis::{Basis, Block},
    column::Described,
    nearest::nearest,
};
use crate::error::{Error, ErrorKind, Result};

/// Index of a token in the vocabulary; [`PADDING`] marks an empty slot.
pub type TokenId = u32;

/// The id that marks an empty slot of the context.
pub const PADDING: TokenId = 0;

/// One quantity that the model knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Name as used in SQL, e.g. `teff`, `bp0`.
    pub name: String,
    /// Median over the training set, in the token's physical unit.
    pub median: f64,
    /// Robust standard deviation (MAD-based) over the training set, in the token's physical unit.
    pub scale: f64,
    /// The description in a catalogue, for a quantity that [`Described::of`] does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Described>,
}

impl Token {
    /// Returns a quantity whose unit, UCD and description are those of [`Described::of`].
    #[must_use]
    pub fn new(name: impl Into<String>, median: f64, scale: f64) -> Self {
        Self { name: name.into(), median, scale, described: None }
    }
}

/// The ordered tokens of a model; ids start at 1, and id 0 is padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    tokens: Vec<Token>,
    basis: Basis,
    /// The coefficients of each block of the basis.
    blocks: Vec<Vec<TokenId>>,
}

impl Vocabulary {
    /// Builds a vocabulary; the ids are the positions plus one. It holds the lowest coefficients of each block of
    /// `basis` that are among the tokens, which may be all or none of them.
    ///
    /// # Errors
    /// If it is empty, a name occurs twice, a median or scale is not finite, a scale is not positive, or the basis is
    /// unusable.
    pub fn new(tokens: Vec<Token>, basis: Basis) -> Result<Self> {
        basis.validate()?;
        if tokens.is_empty() {
            return Err(Error::new(ErrorKind::Model, "the vocabulary is empty"));
        }
        for (i, t) in tokens.iter().enumerate() {
            if !t.median.is_finite() || !t.scale.is_finite() || t.scale <= 0.0 {
                return Err(Error::new(ErrorKind::Model, "the normalisation of a token is unusable")
                    .at("token", &t.name)
                    .at("median", t.median)
                    .at("scale", t.scale));
            }
            if tokens[..i].iter().any(|u| u.name == t.name) {
                return Err(Error::new(ErrorKind::Model, "a token occurs twice in the vocabulary").at("token", &t.name));
            }
        }
        let coefficients =
            |block: &Block| (0..block.length).map_while(|i| position(&tokens, &block.token(i))).collect();
        let blocks = basis.blocks.iter().map(coefficients).collect();
        Ok(Self { tokens, basis, blocks })
    }

    /// The vocabulary and normalisation of Leung & Bovy (2023): 118 tokens.
    ///
    /// # Panics
    /// Never: the table is part of the crate and covered by a test.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the embedded table is checked by a test")]
    pub fn leung_bovy_2023() -> Self {
        let tokens = include_str!("leung_bovy_2023.csv")
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("token,"))
            .map(parse_row)
            .collect::<Option<Vec<_>>>()
            .expect("every row of the embedded table has three fields");
        Self::new(tokens, Basis::unsaid()).expect("the embedded table is a valid vocabulary")
    }

    /// Returns the vocabulary of a model for spectra on `basis`: these tokens without the coefficients that the basis
    /// lacks.
    ///
    /// # Errors
    /// If the basis is unusable or no token is left.
    pub fn on(&self, basis: Basis) -> Result<Self> {
        let is_left = |name: &str| match (self.basis.block_of(name), basis.block_of(name)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(block)) => block.order(name).is_some_and(|order| order < block.length),
        };
        Self::new(self.tokens.iter().filter(|t| is_left(&t.name)).cloned().collect(), basis)
    }

    /// Returns the same tokens, with the same ids, followed by more.
    ///
    /// # Errors
    /// If a name occurs twice, or a median or scale is unusable.
    pub fn with(&self, more: impl IntoIterator<Item = Token>) -> Result<Self> {
        Self::new(self.tokens.iter().cloned().chain(more).collect(), self.basis.clone())
    }

    /// Number of tokens, padding not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Never true: a vocabulary has at least one token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens in the order of their ids.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Returns the id of `name`, if the model knows it.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TokenId> {
        position(&self.tokens, name)
    }

    /// Returns the id of `name`.
    ///
    /// # Errors
    /// If the vocabulary lacks it; the hint names the nearest token and lists the allowed ones.
    pub fn require(&self, name: &str) -> Result<TokenId> {
        self.id(name)
            .ok_or_else(|| Error::new(ErrorKind::Plan, format!("unknown token '{name}'")).hint(self.suggest(name)))
    }

    /// Returns the token with this id.
    ///
    /// # Panics
    /// If `id` is padding or beyond the vocabulary.
    #[must_use]
    pub fn token(&self, id: TokenId) -> &Token {
        &self.tokens[id as usize - 1]
    }

    /// The basis of its spectra.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The blocks of its basis, each with the ids of the coefficients that it holds, in order.
    pub fn blocks(&self) -> impl Iterator<Item = (&Block, &[TokenId])> {
        self.basis.blocks.iter().zip(self.blocks.iter().map(Vec::as_slice))
    }

    /// Returns the ids of the coefficients of the block called `name`, in order; empty if there is no such block.
    #[must_use]
    pub fn block(&self, name: &str) -> &[TokenId] {
        self.blocks().find(|(block, _)| block.name == name).map_or(&[], |(_, ids)| ids)
    }

    /// Length of a star's list of coefficients for this vocabulary: all blocks, one after the other.
    #[must_use]
    pub fn coefficient_count(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// The coefficients of all blocks, in the order of that list.
    pub fn coefficients(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.blocks.iter().flatten().copied()
    }

    /// Whether a token is a colour, which is measured separately from the spectrum; its UCD tells.
    #[must_use]
    pub fn is_colour(&self, id: TokenId) -> bool {
        self.described(id).ucd.starts_with("phot.color")
    }

    /// Returns unit, UCD and description of a token.
    #[must_use]
    pub fn described(&self, id: TokenId) -> Described {
        let token = self.token(id);
        token.described.clone().unwrap_or_else(|| Described::of(&token.name, &self.basis))
    }

    /// Converts a physical value to a standardised value.
    #[must_use]
    pub fn standardise(&self, id: TokenId, value: f64) -> f32 {
        let t = self.token(id);
        ((value - t.median) / t.scale) as f32
    }

    /// Converts a standardised value to a physical value.
    #[must_use]
    pub fn destandardise(&self, id: TokenId, value: f32) -> f32 {
        let t = self.token(id);
        (f64::from(value) * t.scale + t.median) as f32
    }

    fn suggest(&self, name: &str) -> String {
        let is_coefficient = |i: usize| self.blocks.iter().flatten().any(|id| *id as usize == i + 1);
        let others: Vec<&str> =
            self.tokens.iter().enumerate().filter(|(i, _)| !is_coefficient(*i)).map(|(_, t)| t.name.as_str()).collect();
        let mut text = String::new();
        if let Some(near) = nearest(name, &others) {
            text = format!("did you mean '{near}'? ");
        }
        let mut allowed = Vec::new();
        for (block, ids) in self.blocks() {
            if let Some(last) = ids.len().checked_sub(1) {
                allowed.push(format!("{}..{}", block.token(0), block.token(last)));
            }
        }
        allowed.extend(others.iter().map(|s| (*s).to_owned()));
        text + "allowed tokens: " + &allowed.join(", ")
    }
}

/// The serialised form of a vocabulary. Files written before files had a basis contain only a list of tokens.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Tokens(Vec<Token>),
    OnBasis { tokens: Vec<Token>, basis: Basis },
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        match stored {
            Stored::Tokens(tokens) => Self::new(tokens, Basis::unsaid()),
            Stored::OnBasis { tokens, basis } => Self::new(tokens, basis),
        }
    }
}

impl From<Vocabulary> for Stored {
    fn from(v: Vocabulary) -> Self {
        Self::OnBasis { tokens: v.tokens, basis: v.basis }
    }
}

fn position(tokens: &[Token], name: &str) -> Option<TokenId> {
    tokens.iter().position(|t| t.name == name).map(|i| i as TokenId + 1)
}

fn parse_row(line: &str) -> Option<Token> {
    let mut fields = line.split(',');
    Some(Token::new(fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_vocabulary_has_118_tokens_in_the_paper_order() {
        let v = Vocabulary::leung_bovy_2023();
        assert_eq!(v.len(), 118);
        assert_eq!(v.coefficient_count(), 110);
        assert_eq!(v.id("bp0"), Some(1));
        assert_eq!(v.id("rp0"), Some(56));
        assert_eq!(v.id("g_fakemag"), Some(118));
        let teff = v.require("teff").unwrap();
        assert!((v.destandardise(teff, 0.0) - v.token(teff).median as f32).abs() < 1e-3);
        assert!((v.standardise(teff, v.token(teff).median + v.token(teff).scale) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn colours_are_told_from_labels_and_coefficients_by_their_ucd() {
        let v = Vocabulary::leung_bovy_2023();
        let colours: Vec<&str> = (1..=118).filter(|id| v.is_colour(*id)).map(|id| v.token(id).name.as_str()).collect();
        assert_eq!(colours, ["bprp", "jh", "jk"]);
    }

    #[test]
    fn every_token_of_the_paper_is_described() {
        let v = Vocabulary::leung_bovy_2023();
        assert!((1..=118).all(|id| !v.described(id).description.is_empty()));
        assert_eq!(v.described(1).ucd, "stat.fit.param;em.opt.B");
    }

    #[test]
    fn an_unknown_token_names_the_nearest_and_the_allowed() {
        let e = Vocabulary::leung_bovy_2023().require("tefff").unwrap_err();
        let text = e.to_string();
        assert!(text.contains("did you mean 'teff'?"), "{text}");
        assert!(text.contains("bp0..bp54, rp0..rp54, bprp, jh, jk, teff"), "{text}");
    }

    #[test]
    fn duplicates_and_zero_scales_are_refused() {
        let new = |tokens: &[(&str, f64)]| {
            Vocabulary::new(
                tokens.iter().map(|(name, scale)| Token::new(*name, 0.0, *scale)).collect(),
                Basis::unsaid(),
            )
        };
        assert!(new(&[("a", 1.0)]).is_ok());
        assert!(new(&[("a", 1.0), ("a", 1.0)]).is_err());
        assert!(new(&[("a", 0.0)]).is_err());
        assert!(new(&[]).is_err());
    }
}
