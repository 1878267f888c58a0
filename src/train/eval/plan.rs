//! Decides which stars are shown which inputs, and which labels are requested.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary},
};
use lamcat_model::Model;

use super::{derived::Derived, inpainting::LEAST_STARS, inputs::InputSet, predictions::Predictions, stars::Stars};

/// The settings of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Input sets, without regard to repetitions; if `None`, all that the model and the query allow.
    pub inputs: Option<Vec<InputSet>>,
    /// Labels, without regard to repetitions; if `None`, all that the model and the query have.
    pub labels: Option<Vec<String>>,
    /// Maximum number of stars whose spectra are inpainted, because every coefficient of a block is requested for each
    /// of them; none if 0.
    pub inpaint_stars: usize,
    /// Seed of the random inputs.
    pub seed: u64,
    /// Maximum size in bytes of the stars and the stored answers together; no limit if `None`.
    pub memory: Option<usize>,
}

/// A part that is not evaluated, and the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The inputs.
    pub inputs: InputSet,
    /// The labels; for a block its coefficients, empty if the whole block is left out.
    pub labels: Vec<String>,
    /// The reason.
    pub why: String,
}

/// A token, and its index among those in the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) token: TokenId,
    pub(super) place: usize,
}

/// Stars for which the same tokens are shown and requested.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) inputs: InputSet,
    pub(super) shown: Vec<Given>,
    pub(super) asked: Vec<Given>,
    pub(super) stars: Vec<u32>,
}

/// An evaluation that is planned but not yet done.
#[derive(Debug)]
pub struct Plan {
    pub(super) passes: Vec<Pass>,
    pub(super) seed: u64,
    left_out: Vec<LeftOut>,
    /// Numbers of stored answers: those of all labels and of the quantities derived from them, and those of the largest
    /// block.
    kept: (usize, usize),
}

impl Plan {
    /// Plans an evaluation.
    ///
    /// # Errors
    /// If the settings name a label or an input set that is impossible, nothing at all can be evaluated, or the answers
    /// would not fit into the memory.
    pub fn new(model: &Model, stars: &Stars, settings: &Settings) -> Result<Self> {
        let vocabulary = model.vocabulary();
        let given = given(vocabulary, stars)?;
        let labels = labels(vocabulary, &given, settings.labels.as_deref())?;
        let mut plan = Self { passes: Vec::new(), seed: settings.seed, left_out: Vec::new(), kept: (0, 0) };
        let all = InputSet::all(vocabulary.basis());
        for inputs in &once(settings.inputs.as_deref().unwrap_or(&all)) {
            let before = plan.passes.len();
            let first_left_out = plan.left_out.len();
            match inputs.inpaints() {
                Some(block) => {
                    let block = vocabulary.block(block);
                    let asked: Vec<Given> = given.iter().copied().filter(|g| block.contains(&g.token)).collect();
                    plan.add(model, stars, &given, inputs, &asked, settings.inpaint_stars);
                }
                None => labels.iter().for_each(|label| plan.add(model, stars, &given, inputs, &[*label], usize::MAX)),
            }
            if settings.inputs.is_some() && plan.passes.len() == before {
                let why = plan.left_out.get(first_left_out).map_or("the query has no label", |l| &l.why);
                return Err(Error::new(ErrorKind::Input, format!("the inputs cannot be evaluated: {why}"))
                    .at("inputs", inputs)
                    .at("model", model.name()));
            }
        }
        if plan.passes.is_empty() {
            return Err(nothing(&plan.left_out, labels.is_empty()));
        }
        plan.check_memory(stars, settings.memory)?;
        Ok(plan)
    }

    fn check_memory(&self, stars: &Stars, memory: Option<usize>) -> Result<()> {
        let answers = (self.kept.0 + self.kept.1) * Predictions::BYTES_PER_STAR;
        match memory.filter(|limit| stars.bytes() + answers > *limit) {
            None => Ok(()),
            Some(limit) => Err(Error::new(ErrorKind::Input, "the predictions do not fit the memory")
                .at("bytes of the stars", stars.bytes())
                .at("bytes of the predictions", answers)
                .at("limit", limit)
                .hint("give more --memory, fewer --inputs or --labels, or fewer rows")),
        }
    }

    /// The parts that are not evaluated.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The work of encoding and answering, in arbitrary units that are about proportional to the time.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.passes.iter().map(Pass::work).sum()
    }

    /// Returns, for each step, the inputs, the names of the requested tokens, and the number of stars.
    #[must_use]
    pub fn steps(&self, model: &Model) -> Vec<(InputSet, Vec<String>, usize)> {
        let name = |g: &Given| model.vocabulary().token(g.token).name.clone();
        self.passes.iter().map(|p| (p.inputs.clone(), p.asked.iter().map(name).collect(), p.stars.len())).collect()
    }

    fn add(&mut self, model: &Model, stars: &Stars, given: &[Given], inputs: &InputSet, asked: &[Given], most: usize) {
        let vocabulary = model.vocabulary();
        let label = match asked {
            [one] if inputs.inpaints().is_none() => Some(*one),
            _ => None,
        };
        let held: Vec<TokenId> = given.iter().map(|g| g.token).collect();
        let slots = model.architecture().context_length;
        let tokens = match inputs.tokens(vocabulary, &held, label.map(|l| l.token), slots) {
            Ok(_) if asked.is_empty() => Err("the query gives no coefficient to compare with".to_owned()),
            Ok(_) if most == 0 => Err("no star is to be inpainted".to_owned()),
            other => other,
        };
        let shown: Vec<Given> = match tokens {
            Ok(tokens) => tokens.iter().filter_map(|t| given.iter().copied().find(|g| g.token == *t)).collect(),
            Err(why) => return self.leave_out(vocabulary, inputs, label, why),
        };
        let needs = Needs::new(vocabulary, inputs, &shown);
        let known = |star: u32, g: &Given| !stars.value(star, g.place).is_nan();
        let usable = |star: &u32| asked.iter().any(|g| known(*star, g)) && needs.met(stars, *star);
        let chosen: Vec<u32> = (0..stars.rows() as u32).filter(usable).take(most).collect();
        if chosen.is_empty() {
            let why = "no star has both the inputs and a value to compare with".to_owned();
            return self.leave_out(vocabulary, inputs, label, why);
        }
        if let Some(label) = label {
            let derived = Derived::from_label(&vocabulary.token(label.token).name);
            self.kept.0 += chosen.len() * if derived.is_some() { 2 } else { 1 };
        } else {
            if chosen.len() < LEAST_STARS {
                let why = format!("{} stars are too few, {LEAST_STARS} are needed", chosen.len());
                return self.leave_out(vocabulary, inputs, label, why);
            }
            self.kept.1 = self.kept.1.max(chosen.len() * asked.len());
        }
        // Labels for which a star shows the same tokens are requested together.
        match self.passes.last_mut().filter(|p| p.inputs == *inputs && p.shown == shown) {
            Some(pass) => {
                pass.asked.extend(asked);
                pass.stars.extend(chosen);
                pass.stars.sort_unstable();
                pass.stars.dedup();
            }
            None => self.passes.push(Pass { inputs: inputs.clone(), shown, asked: asked.to_vec(), stars: chosen }),
        }
    }

    fn leave_out(&mut self, vocabulary: &Vocabulary, inputs: &InputSet, label: Option<Given>, why: String) {
        let label = label.map(|l| vocabulary.token(l.token).name.clone());
        match self.left_out.last_mut().filter(|l| l.inputs == *inputs && l.why == why) {
            Some(alike) => alike.labels.extend(label),
            None => self.left_out.push(LeftOut { inputs: inputs.clone(), labels: label.into_iter().collect(), why }),
        }
    }
}

impl Pass {
    /// Returns the work per star: the encoder costs about as much as two requests.
    pub(super) fn cost(&self) -> u64 {
        2 + self.asked.len() as u64
    }

    fn work(&self) -> u64 {
        self.stars.len() as u64 * self.cost()
    }
}

/// The tokens that a star must have for a set: every token that is not a coefficient, and one coefficient of each
/// block. Missing coefficients become padding, as in a spectrum truncated at its relevant bases. Random inputs need any
/// one coefficient.
struct Needs<'a> {
    all: Vec<&'a Given>,
    any: Vec<Vec<&'a Given>>,
}

impl<'a> Needs<'a> {
    fn new(vocabulary: &Vocabulary, inputs: &InputSet, shown: &'a [Given]) -> Self {
        let of_block = |ids: &[TokenId]| shown.iter().filter(|g| ids.contains(&g.token)).collect::<Vec<_>>();
        let any: Vec<_> = vocabulary.blocks().map(|(_, ids)| of_block(ids)).filter(|block| !block.is_empty()).collect();
        if *inputs == InputSet::Random {
            return Self { all: Vec::new(), any: vec![any.concat()] };
        }
        let all = shown.iter().filter(|g| vocabulary.blocks().all(|(_, ids)| !ids.contains(&g.token))).collect();
        Self { all, any }
    }

    fn met(&self, stars: &Stars, star: u32) -> bool {
        let known = |g: &&Given| !stars.value(star, g.place).is_nan();
        self.all.iter().all(known) && self.any.iter().all(|block| block.iter().any(known))
    }
}

/// Returns the query's tokens that are in the model's vocabulary.
fn given(vocabulary: &Vocabulary, stars: &Stars) -> Result<Vec<Given>> {
    let of = |(place, name): (usize, &String)| Ok(Given { token: vocabulary.require(name)?, place });
    stars.tokens().iter().enumerate().map(of).collect()
}

fn labels(vocabulary: &Vocabulary, given: &[Given], wanted: Option<&[String]>) -> Result<Vec<Given>> {
    let Some(wanted) = wanted else {
        let spectrum: Vec<TokenId> = vocabulary.coefficients().collect();
        let label = |g: &&Given| !spectrum.contains(&g.token) && !vocabulary.is_colour(g.token);
        return Ok(given.iter().filter(label).copied().collect());
    };
    let find = |name: &String| {
        let token = vocabulary.require(name)?;
        given.iter().copied().find(|g| g.token == token).ok_or_else(|| {
            Error::new(ErrorKind::Input, format!("the query has no '{name}' to compare with"))
                .hint(format!("select it: SELECT xp, …, {name} FROM …"))
        })
    };
    Ok(once(&wanted.iter().map(find).collect::<Result<Vec<Given>>>()?))
}

/// Returns the values without repetitions, in the order of their first occurrence.
fn once<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let first = |(i, value): (usize, &T)| (!values[..i].contains(value)).then(|| value.clone());
    values.iter().enumerate().filter_map(first).collect()
}

fn nothing(left_out: &[LeftOut], no_label: bool) -> Error {
    if no_label {
        let hint = "select labels beside the inputs, named as the model's tokens: teff, logg, m_h, …";
        return Error::new(ErrorKind::Input, "the query has no label to compare with").hint(hint);
    }
    let mut whys: Vec<String> = left_out.iter().map(|l| format!("{}: {}", l.inputs, l.why)).collect();
    whys.dedup();
    Error::new(ErrorKind::Input, "nothing can be evaluated on these stars").hint(whys.join("; "))
}
