//! The training set in memory: one f32 per star and token, standardised, NaN where missing.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{Basis, Token, Vocabulary},
};
use sha2::{Digest, Sha256};

use super::{
    mix::mix,
    robust::{mad_std, median},
};

/// The columns of a query in physical units, one per token.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Names of the tokens.
    pub tokens: Vec<String>,
    /// Row-major values, NaN where missing: `rows * tokens`.
    pub values: Vec<f32>,
    /// 1-sigma errors of a token's values, 0 where unknown, one per row; `None` if the query does not give them.
    pub errors: Vec<Option<Vec<f32>>>,
}

impl Columns {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.tokens.len()).unwrap_or(0)
    }

    /// Returns a hash of each row's content, in ascending order, the rows in that order, and the SHA-256 of all hashes
    /// in hex.
    #[must_use]
    pub fn canonical_order(&self) -> (Vec<u64>, Vec<u32>, String) {
        let width = self.tokens.len();
        let key = |row: u32| {
            let values = &self.values[row as usize * width..(row as usize + 1) * width];
            let errors = self.errors.iter().flatten().map(|e| &e[row as usize]);
            let bits = |v: &f32| u64::from(if v.is_nan() { u32::MAX } else { v.to_bits() });
            values.iter().chain(errors).fold(0, |hash, v| mix(hash ^ bits(v)))
        };
        let mut keyed: Vec<(u64, u32)> = (0..self.rows() as u32).map(|row| (key(row), row)).collect();
        keyed.sort_unstable();
        let mut hasher = Sha256::new();
        for name in &self.tokens {
            hasher.update(name.as_bytes());
            hasher.update([0]);
        }
        for (key, _) in &keyed {
            hasher.update(key.to_le_bytes());
        }
        let (keys, order) = keyed.into_iter().unzip();
        (keys, order, format!("{:x}", hasher.finalize()))
    }
}

/// The medians and scales that standardise values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// Those computed from the values themselves.
    Measured,
    /// Those of the vocabulary that contains the tokens.
    Known,
}

/// Stars with standardised values. Their order depends only on their content, not on the order of the query's rows.
#[derive(Debug)]
pub struct TrainingSet {
    vocabulary: Vocabulary,
    values: Vec<f32>,
    errors: Vec<Option<Vec<f32>>>,
    order: Vec<u32>,
    keys: Vec<u64>,
    fill: Vec<f64>,
    hash: String,
}

impl TrainingSet {
    /// Standardises columns whose tokens are in the vocabulary `known`, either with the medians and robust standard
    /// deviations of the columns themselves or with those of `known`.
    ///
    /// # Errors
    /// If there is no row, or a column is entirely missing, constant, or unknown to `known`; of the coefficients of a
    /// block, only the first must be present.
    pub fn new(columns: Columns, known: &Vocabulary, normalisation: Normalisation) -> Result<Self> {
        let width = columns.tokens.len();
        let rows = columns.rows();
        if rows == 0 {
            return Err(Error::new(ErrorKind::Input, "the training set is empty")
                .hint("the query gave no rows; run it with `lamcat sql` to see why"));
        }
        let mut tokens = Vec::with_capacity(width);
        let mut fill = Vec::with_capacity(width);
        let mut unusable = Vec::new();
        for (i, name) in columns.tokens.iter().enumerate() {
            let mut values: Vec<f32> =
                columns.values.iter().skip(i).step_by(width).copied().filter(|v| !v.is_nan()).collect();
            fill.push(values.len() as f64 / rows as f64);
            let token = known.token(known.require(name)?).clone();
            let scaled = |(median, scale): (f64, f64)| Token { median, scale, ..token.clone() };
            let before = coefficient_before(name, &tokens, known.basis()).map(|before| (before.median, before.scale));
            match (measure(name, &mut values), normalisation, before) {
                (Ok(measured), Normalisation::Measured, _) => tokens.push(scaled(measured)),
                (Err(_), Normalisation::Measured, Some(before)) => tokens.push(scaled(before)),
                (Ok(_), Normalisation::Known, _) | (Err(_), Normalisation::Known, Some(_)) => tokens.push(token),
                (Err(why), _, None) => unusable.push(why),
            }
        }
        if !unusable.is_empty() {
            return Err(Error::new(ErrorKind::Input, format!("nothing can be learnt of {}", unusable.join(", ")))
                .at("rows", rows)
                .hint("leave these columns out of the query, or give rows that have them"));
        }
        let (keys, order, hash) = columns.canonical_order();
        let mut set = Self {
            vocabulary: Vocabulary::new(tokens, known.basis().clone())?,
            values: columns.values,
            errors: columns.errors,
            order,
            keys,
            fill,
            hash,
        };
        set.standardise();
        Ok(set)
    }

    /// Returns the same stars with all tokens of a model that has these and more; tokens that the set lacks are missing
    /// in every star.
    ///
    /// # Errors
    /// If the set has a token that `vocabulary` lacks.
    pub fn widened(self, vocabulary: &Vocabulary) -> Result<Self> {
        let width = vocabulary.len();
        let names = self.vocabulary.tokens().iter();
        let places = names.map(|t| Ok(vocabulary.require(&t.name)? as usize - 1)).collect::<Result<Vec<_>>>()?;
        let mut values = vec![f32::NAN; self.rows() * width];
        for (old, new) in self.values.chunks_exact(places.len()).zip(values.chunks_exact_mut(width)) {
            places.iter().zip(old).for_each(|(place, value)| new[*place] = *value);
        }
        let (mut errors, mut fill) = (vec![None; width], vec![0.0; width]);
        for ((place, error), share) in places.iter().zip(self.errors).zip(self.fill) {
            errors[*place] = error;
            fill[*place] = share;
        }
        Ok(Self { vocabulary: vocabulary.clone(), values, errors, fill, ..self })
    }

    fn standardise(&mut self) {
        let tokens = self.vocabulary.tokens();
        for row in self.values.chunks_exact_mut(tokens.len()) {
            for (value, token) in row.iter_mut().zip(tokens) {
                *value = ((f64::from(*value) - token.median) / token.scale) as f32;
            }
        }
        for (errors, token) in self.errors.iter_mut().zip(tokens) {
            for error in errors.iter_mut().flatten() {
                *error = (f64::from(*error) / token.scale) as f32;
            }
        }
    }

    /// Number of stars.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// Number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.vocabulary.len()
    }

    /// The tokens with their normalisation, which is the vocabulary of a model trained on the set.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The share of stars that have each token, in [0, 1].
    #[must_use]
    pub fn fill(&self) -> &[f64] {
        &self.fill
    }

    /// SHA-256 of the content, in hex; the order of the query's rows does not change it.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns a hash of a star's values and errors in physical units; rows with the same content have the same hash.
    #[must_use]
    pub fn key(&self, star: usize) -> u64 {
        self.keys[star]
    }

    /// Returns a star's standardised values, NaN where missing.
    #[must_use]
    pub fn row(&self, star: usize) -> &[f32] {
        let width = self.tokens();
        let start = self.order[star] as usize * width;
        &self.values[start..start + width]
    }

    /// Returns the standardised 1-sigma error of a star's value of the token with id `column + 1`, 0 where unknown.
    #[must_use]
    pub fn error(&self, star: usize, column: usize) -> f32 {
        self.errors[column].as_ref().map_or(0.0, |e| e[self.order[star] as usize])
    }
}

/// Returns the token of the coefficient before `name` in its block. The last coefficients are significant in few
/// spectra or none: one from which nothing can be measured is scaled like the one before, as Leung & Bovy do for the
/// last three.
fn coefficient_before<'a>(name: &str, tokens: &'a [Token], basis: &Basis) -> Option<&'a Token> {
    let before = tokens.last()?;
    let block = basis.block_of(name)?;
    (block.order(name)? == block.order(&before.name)? + 1).then_some(before)
}

/// Returns the median and scale of a token's known values, or the reason why nothing can be learnt from them. If more
/// than half of the values are the same, the ordinary standard deviation replaces the robust one.
fn measure(name: &str, known: &mut [f32]) -> Result<(f64, f64), String> {
    if known.is_empty() {
        return Err(format!("'{name}' (missing in every row)"));
    }
    if known.iter().all(|v| v.total_cmp(&known[0]).is_eq()) {
        return Err(format!("'{name}' (the same in every row that has it: {})", known[0]));
    }
    let centre = median(known);
    let deviation = |v: &f32| f64::from(*v) - centre;
    let variance = known.iter().map(|v| deviation(v).powi(2)).sum::<f64>() / known.len() as f64;
    let robust = mad_std(known);
    let scale = if robust > 0.0 { robust } else { variance.sqrt() };
    Ok((centre, scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAD_TO_SIGMA;

    fn columns(values: &[[f32; 2]]) -> Columns {
        Columns {
            tokens: vec!["teff".to_owned(), "logg".to_owned()],
            values: values.concat(),
            errors: vec![None, Some(values.iter().map(|v| v[1].abs() / 10.0).collect())],
        }
    }

    fn measured(columns: Columns) -> Result<TrainingSet> {
        TrainingSet::new(columns, &Vocabulary::leung_bovy_2023(), Normalisation::Measured)
    }

    #[test]
    fn standardises_with_median_and_robust_deviation() {
        let rows = [[1.0, 5.0], [2.0, 6.0], [3.0, f32::NAN], [4.0, 9.0], [100.0, 1.0]];
        let set = measured(columns(&rows)).unwrap();
        let teff = set.vocabulary().token(1);
        assert!((teff.median - 3.0).abs() < 1e-9 && (teff.scale - MAD_TO_SIGMA).abs() < 1e-6, "{teff:?}");
        assert!((set.vocabulary().token(2).median - 5.5).abs() < 1e-6);
        assert_eq!(set.fill(), [1.0, 0.8]);
        let seen: f32 = (0..5).map(|i| set.row(i)[0]).sum();
        assert!((f64::from(seen) - 95.0 / MAD_TO_SIGMA).abs() < 1e-4);
        let mut shuffled = rows;
        shuffled.reverse();
        let again = measured(columns(&shuffled)).unwrap();
        assert_eq!(again.hash(), set.hash());
        assert!((0..5).all(|i| again.row(i)[0].total_cmp(&set.row(i)[0]).is_eq()
            && again.error(i, 1).total_cmp(&set.error(i, 1)).is_eq()));
    }

    #[test]
    fn coefficients_beyond_all_that_are_known_are_scaled_as_the_last() {
        let tokens = ["bp0", "bp1", "bp2", "rp0"].map(str::to_owned).to_vec();
        let rows = [[1.0, 5.0, f32::NAN, 2.0], [2.0, 7.0, f32::NAN, 3.0]];
        let columns = Columns { tokens, values: rows.concat(), errors: vec![None; 4] };
        let set = measured(columns).unwrap();
        let (one, two) = (set.vocabulary().token(2), set.vocabulary().token(3));
        assert!((one.median - two.median).abs() < 1e-9 && (one.scale - two.scale).abs() < 1e-9 && two.name == "bp2");
        assert!(set.row(0)[2].is_nan());
    }

    #[test]
    fn useless_columns_are_named() {
        let e = measured(columns(&[[f32::NAN, 2.0], [f32::NAN, 2.0]])).unwrap_err().to_string();
        assert!(e.contains("'teff' (missing in every row), 'logg' (the same in every row that has it: 2)"), "{e}");
        assert!(measured(columns(&[])).unwrap_err().to_string().contains("the training set is empty"));
    }
}
