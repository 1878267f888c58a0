//! The model's vocabulary: which quantities it reads and predicts, and how each is standardised.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Index of a token in the vocabulary; [`PADDING`] stands for "nothing here".
pub type TokenId = u32;

/// The id that marks an empty slot of the context.
pub const PADDING: TokenId = 0;

/// Tokens of the colours, which are measured of a star besides its spectrum: J - H, J - Ks and BP - RP.
pub const COLOURS: [&str; 3] = ["jh", "jk", "bprp"];

/// One quantity the model knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Name as used in SQL, e.g. `teff`, `bp0`.
    pub name: String,
    /// Median over the training set, in the token's physical unit.
    pub median: f64,
    /// Robust standard deviation (MAD-based) over the training set, in the token's physical unit.
    pub scale: f64,
}

/// Which of the two XP spectrographs a coefficient belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XpBand {
    /// The blue photometer.
    Bp,
    /// The red photometer.
    Rp,
}

impl XpBand {
    fn prefix(self) -> &'static str {
        match self {
            Self::Bp => "bp",
            Self::Rp => "rp",
        }
    }
}

/// The ordered tokens of a model; ids start at 1, id 0 is padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Token>", into = "Vec<Token>")]
pub struct Vocabulary {
    tokens: Vec<Token>,
    bp: Vec<TokenId>,
    rp: Vec<TokenId>,
}

impl Vocabulary {
    /// Builds a vocabulary; the ids are the positions plus one.
    ///
    /// # Errors
    /// If it is empty, a name occurs twice, or a median or scale is not finite or not positive.
    pub fn new(tokens: Vec<Token>) -> Result<Self> {
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
        let series = |band: XpBand| -> Vec<TokenId> {
            (0..).map_while(|i| position(&tokens, &format!("{}{i}", band.prefix()))).collect()
        };
        Ok(Self { bp: series(XpBand::Bp), rp: series(XpBand::Rp), tokens })
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
        Self::new(tokens).expect("the embedded table is a valid vocabulary")
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

    /// The id of `name`, if the model knows it.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TokenId> {
        position(&self.tokens, name)
    }

    /// The id of `name`.
    ///
    /// # Errors
    /// If the vocabulary lacks it; the hint names the nearest and lists the allowed ones.
    pub fn require(&self, name: &str) -> Result<TokenId> {
        self.id(name)
            .ok_or_else(|| Error::new(ErrorKind::Plan, format!("unknown token '{name}'")).hint(self.suggest(name)))
    }

    /// The token with this id.
    ///
    /// # Panics
    /// If `id` is padding or beyond the vocabulary.
    #[must_use]
    pub fn token(&self, id: TokenId) -> &Token {
        &self.tokens[id as usize - 1]
    }

    /// The ids of a band's coefficients in order: `bp0, bp1, …`.
    #[must_use]
    pub fn coefficients(&self, band: XpBand) -> &[TokenId] {
        match band {
            XpBand::Bp => &self.bp,
            XpBand::Rp => &self.rp,
        }
    }

    /// Length of an `xp` list for this vocabulary: all BP then all RP coefficients.
    #[must_use]
    pub fn xp_len(&self) -> usize {
        self.bp.len() + self.rp.len()
    }

    /// All XP tokens in the order of an `xp` list.
    pub fn xp_tokens(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.bp.iter().chain(&self.rp).copied()
    }

    /// Physical value -> standardised value.
    #[must_use]
    pub fn standardise(&self, id: TokenId, value: f64) -> f32 {
        let t = self.token(id);
        ((value - t.median) / t.scale) as f32
    }

    /// Standardised value -> physical value.
    #[must_use]
    pub fn destandardise(&self, id: TokenId, value: f32) -> f32 {
        let t = self.token(id);
        (f64::from(value) * t.scale + t.median) as f32
    }

    fn suggest(&self, name: &str) -> String {
        let others: Vec<&str> = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(i, _)| !self.bp.contains(&(*i as u32 + 1)) && !self.rp.contains(&(*i as u32 + 1)))
            .map(|(_, t)| t.name.as_str())
            .collect();
        let mut text = String::new();
        if let Some(near) = nearest(name, &others) {
            text = format!("did you mean '{near}'? ");
        }
        let mut allowed = Vec::new();
        for (band, ids) in [(XpBand::Bp, &self.bp), (XpBand::Rp, &self.rp)] {
            if let Some(last) = ids.len().checked_sub(1) {
                allowed.push(format!("{0}0..{0}{last}", band.prefix()));
            }
        }
        allowed.extend(others.iter().map(|s| (*s).to_owned()));
        text + "allowed tokens: " + &allowed.join(", ")
    }
}

impl TryFrom<Vec<Token>> for Vocabulary {
    type Error = Error;

    fn try_from(tokens: Vec<Token>) -> Result<Self> {
        Self::new(tokens)
    }
}

impl From<Vocabulary> for Vec<Token> {
    fn from(v: Vocabulary) -> Self {
        v.tokens
    }
}

fn position(tokens: &[Token], name: &str) -> Option<TokenId> {
    tokens.iter().position(|t| t.name == name).map(|i| i as TokenId + 1)
}

fn parse_row(line: &str) -> Option<Token> {
    let mut fields = line.split(',');
    Some(Token {
        name: fields.next()?.to_owned(),
        median: fields.next()?.parse().ok()?,
        scale: fields.next()?.parse().ok()?,
    })
}

/// The candidate closest to `name`, when it is close enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    use strsim::levenshtein;
    candidates
        .iter()
        .map(|c| (levenshtein(&name.to_lowercase(), &c.to_lowercase()), *c))
        .filter(|(distance, c)| *distance <= 2 && *distance < c.len())
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_vocabulary_has_118_tokens_in_the_paper_order() {
        let v = Vocabulary::leung_bovy_2023();
        assert_eq!(v.len(), 118);
        assert_eq!(v.xp_len(), 110);
        assert_eq!(v.id("bp0"), Some(1));
        assert_eq!(v.id("rp0"), Some(56));
        assert_eq!(v.id("g_fakemag"), Some(118));
        let teff = v.require("teff").unwrap();
        assert!((v.destandardise(teff, 0.0) - v.token(teff).median as f32).abs() < 1e-3);
        assert!((v.standardise(teff, v.token(teff).median + v.token(teff).scale) - 1.0).abs() < 1e-6);
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
        let token = |name: &str, scale| Token { name: name.into(), median: 0.0, scale };
        assert!(Vocabulary::new(vec![token("a", 1.0), token("a", 1.0)]).is_err());
        assert!(Vocabulary::new(vec![token("a", 0.0)]).is_err());
        assert!(Vocabulary::new(vec![]).is_err());
    }
}
