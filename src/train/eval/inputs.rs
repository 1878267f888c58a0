//! The inputs that a model is shown of a star when a label is requested.

use std::{fmt, str::FromStr};

use lamcat_core::{
    error::{Error, ErrorKind},
    schema::{Basis, TokenId, Vocabulary, nearest},
};

/// Separator of the block names in the name of an inpainting set.
const TO: &str = "-to-";
/// The colours of the input sets in the paper.
const COLOURS: [&str; 3] = ["jh", "jk", "bprp"];

/// A set of inputs; the first four are those of the paper's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSet {
    /// The first 30 coefficients of each block, and the colours (J - H, J - Ks and BP - RP).
    Xp30Colours,
    /// The first 5 coefficients of each block and the colours.
    Xp5Colours,
    /// Random coefficients and colours, as many as the context has slots, drawn separately for each star.
    Random,
    /// The first 32 coefficients of each block, without colours.
    Xp32,
    /// All other labels and colours, and no coefficients.
    Labels,
    /// All coefficients of one block, to predict those of another.
    Inpaint {
        /// Name of the shown block.
        shown: String,
        /// Name of the requested block.
        asked: String,
    },
}

impl InputSet {
    /// The sets from which labels are predicted.
    const OF_LABELS: [Self; 5] = [Self::Xp30Colours, Self::Xp5Colours, Self::Random, Self::Xp32, Self::Labels];

    /// Returns every set that can be shown to models with these blocks.
    #[must_use]
    pub fn all(basis: &Basis) -> Vec<Self> {
        let pairs = basis.blocks.iter().flat_map(|shown| basis.blocks.iter().map(move |asked| (shown, asked)));
        let pairs = pairs.filter(|(shown, asked)| shown != asked);
        let inpaint = pairs.map(|(shown, asked)| Self::inpaint(&shown.name, &asked.name));
        Self::OF_LABELS.into_iter().chain(inpaint).collect()
    }

    /// Returns the set of all coefficients of the block `shown`, to predict those of `asked`.
    #[must_use]
    pub fn inpaint(shown: &str, asked: &str) -> Self {
        Self::Inpaint { shown: shown.to_owned(), asked: asked.to_owned() }
    }

    /// Its name in commands and files.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Xp30Colours => "xp30-colours".to_owned(),
            Self::Xp5Colours => "xp5-colours".to_owned(),
            Self::Random => "random".to_owned(),
            Self::Xp32 => "xp32".to_owned(),
            Self::Labels => "labels".to_owned(),
            Self::Inpaint { shown, asked } => format!("{shown}{TO}{asked}"),
        }
    }

    /// Describes the content of the set for a model with `basis`.
    #[must_use]
    pub fn description(&self, basis: &Basis) -> String {
        let names: Vec<&str> = basis.blocks.iter().map(|block| block.name.as_str()).collect();
        let blocks = names.join("/");
        match self {
            Self::Xp30Colours => format!("{blocks} 0-29, J-H, J-Ks, BP-RP"),
            Self::Xp5Colours => format!("{blocks} 0-4, J-H, J-Ks, BP-RP"),
            Self::Random => "random coefficients and colours, as many as the context holds".to_owned(),
            Self::Xp32 => format!("{blocks} 0-31"),
            Self::Labels => "every other label and colour".to_owned(),
            Self::Inpaint { shown, .. } => format!("all of {}", shown.to_uppercase()),
        }
    }

    /// The name of the block that an inpainting set requests.
    #[must_use]
    pub fn inpaints(&self) -> Option<&str> {
        match self {
            Self::Inpaint { asked, .. } => Some(asked),
            _ => None,
        }
    }

    /// Returns the tokens shown when `asked` is requested, where `held` are those in the query; or the reason why the
    /// set is impossible.
    pub(super) fn tokens(
        &self,
        vocabulary: &Vocabulary,
        held: &[TokenId],
        asked: Option<TokenId>,
        slots: usize,
    ) -> Result<Vec<TokenId>, String> {
        let colours = COLOURS.map(str::to_owned).into_iter();
        let lowest = |n: usize| vocabulary.basis().blocks.iter().flat_map(move |block| (0..n).map(|i| block.token(i)));
        let spectrum: Vec<TokenId> = vocabulary.coefficients().collect();
        let of_star = |id: &TokenId| spectrum.contains(id) || vocabulary.is_colour(*id);
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
            Self::Inpaint { shown, asked } => {
                let block = |name: &String| {
                    let found = vocabulary.blocks().find(|(block, _)| block.name == *name);
                    found.map(|(_, ids)| ids).ok_or_else(|| format!("the model has no block '{name}'"))
                };
                block(asked)?;
                let shown = block(shown)?;
                return fit(of_query(&|id| shown.contains(id)), slots);
            }
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
        f.write_str(&self.name())
    }
}

impl FromStr for InputSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if let Some(set) = Self::OF_LABELS.into_iter().find(|set| set.name() == name) {
            return Ok(set);
        }
        let inpaint = name.split_once(TO).filter(|(shown, asked)| ![*shown, *asked].contains(&""));
        let (shown, asked) = inpaint.ok_or_else(|| {
            let names = Self::all(&Basis::unsaid()).iter().map(Self::name).collect::<Vec<_>>();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = nearest(name, &names).map(|n| format!("did you mean '{n}'? ")).unwrap_or_default();
            Error::new(ErrorKind::Config, format!("unknown input set '{name}'"))
                .hint(format!("{near}input sets: all, {}", names.join(", ")))
        })?;
        Ok(Self::inpaint(shown, asked))
    }
}
