//! What a model is shown of a star when it is asked for a label.

use std::{fmt, str::FromStr};

use crate::{
    error::{Error, ErrorKind},
    schema::{COLOURS, TokenId, Vocabulary, XpBand, nearest},
};

/// A set of inputs; the first four are those of the paper's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSet {
    /// The first 30 coefficients of each band, J - H, J - Ks and BP - RP.
    Xp30Colours,
    /// The first 5 coefficients of each band and the colours.
    Xp5Colours,
    /// As many coefficients and colours as the context has slots, drawn anew for each star.
    Random,
    /// The first 32 coefficients of each band.
    Xp32,
    /// Every other label and colour, and no coefficient.
    Labels,
    /// All BP coefficients; asked for are the RP coefficients.
    BpToRp,
    /// All RP coefficients; asked for are the BP coefficients.
    RpToBp,
}

impl InputSet {
    /// Every set.
    pub const ALL: [Self; 7] =
        [Self::Xp30Colours, Self::Xp5Colours, Self::Random, Self::Xp32, Self::Labels, Self::BpToRp, Self::RpToBp];

    /// Its name in commands and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xp30Colours => "xp30-colours",
            Self::Xp5Colours => "xp5-colours",
            Self::Random => "random",
            Self::Xp32 => "xp32",
            Self::Labels => "labels",
            Self::BpToRp => "bp-to-rp",
            Self::RpToBp => "rp-to-bp",
        }
    }

    /// What it holds, in words.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Xp30Colours => "bp/rp 0-29, J-H, J-Ks, BP-RP",
            Self::Xp5Colours => "bp/rp 0-4, J-H, J-Ks, BP-RP",
            Self::Random => "random coefficients and colours, as many as the context holds",
            Self::Xp32 => "bp/rp 0-31",
            Self::Labels => "every other label and colour",
            Self::BpToRp => "all of BP",
            Self::RpToBp => "all of RP",
        }
    }

    /// The band that is asked for, of a set that inpaints.
    #[must_use]
    pub fn inpaints(self) -> Option<XpBand> {
        match self {
            Self::BpToRp => Some(XpBand::Rp),
            Self::RpToBp => Some(XpBand::Bp),
            _ => None,
        }
    }

    /// The tokens shown when `asked` is asked for, `held` being those that the query gives; or why the set cannot be.
    pub(super) fn tokens(
        self,
        vocabulary: &Vocabulary,
        held: &[TokenId],
        asked: Option<TokenId>,
        slots: usize,
    ) -> Result<Vec<TokenId>, String> {
        let colours = COLOURS.map(str::to_owned).into_iter();
        let lowest =
            |n: usize| ["bp", "rp"].into_iter().flat_map(move |band| (0..n).map(move |i| format!("{band}{i}")));
        let spectrum: Vec<TokenId> = vocabulary.xp_tokens().collect();
        let of_star = |id: &TokenId| spectrum.contains(id) || COLOURS.contains(&vocabulary.token(*id).name.as_str());
        let of_query = |wanted: &dyn Fn(&TokenId) -> bool| -> Vec<TokenId> {
            held.iter().copied().filter(|id| Some(*id) != asked && wanted(id)).collect()
        };
        let names: Vec<String> = match self {
            Self::Xp30Colours => lowest(30).chain(colours).collect(),
            Self::Xp5Colours => lowest(5).chain(colours).collect(),
            Self::Xp32 => lowest(32).collect(),
            Self::Random if held.iter().all(|id| !spectrum.contains(id)) => {
                return Err("the query gives no coefficient".to_owned());
            }
            Self::Random => return fit(of_query(&of_star), usize::MAX),
            Self::Labels => return fit(of_query(&|id| !spectrum.contains(id)), slots),
            Self::BpToRp => return fit(of_query(&|id| vocabulary.coefficients(XpBand::Bp).contains(id)), slots),
            Self::RpToBp => return fit(of_query(&|id| vocabulary.coefficients(XpBand::Rp).contains(id)), slots),
        };
        let mut tokens = Vec::with_capacity(names.len());
        for name in names {
            let id = vocabulary.id(&name).ok_or_else(|| format!("the model has no token '{name}'"))?;
            if !held.contains(&id) {
                return Err(format!("the query gives no '{name}'"));
            }
            tokens.push(id);
        }
        tokens.retain(|id| Some(*id) != asked);
        fit(tokens, slots)
    }
}

fn fit(tokens: Vec<TokenId>, slots: usize) -> Result<Vec<TokenId>, String> {
    match tokens.len() {
        0 => Err("the query gives none of its tokens".to_owned()),
        n if n > slots => Err(format!("its {n} tokens do not fit the model's context of {slots}")),
        _ => Ok(tokens),
    }
}

impl fmt::Display for InputSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InputSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let names = Self::ALL.map(Self::name);
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| {
            let near = nearest(name, &names).map(|n| format!("did you mean '{n}'? ")).unwrap_or_default();
            Error::new(ErrorKind::Config, format!("unknown input set '{name}'"))
                .hint(format!("{near}input sets: all, {}", names.join(", ")))
        })
    }
}
