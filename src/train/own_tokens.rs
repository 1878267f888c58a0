//! Tokens that a user adds to a model's vocabulary: quantities in the training query that no model had before.

use std::str::FromStr;

use arrow::datatypes::{Field, Schema};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{Described, ERROR_SUFFIX, Token, Vocabulary, check_ucd},
};

use super::query::base_name;

/// A token defined by the user: a column of the training query, and its description in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnToken {
    /// The name of the token and of the column.
    pub name: String,
    /// VOUnit; the column's if `None`.
    pub unit: Option<String>,
    /// UCD1+; the column's if `None`.
    pub ucd: Option<String>,
}

impl FromStr for OwnToken {
    type Err = Error;

    /// Reads `NAME`, `NAME:UNIT` or `NAME:UNIT:UCD`; an empty part is taken from the column.
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, ':').map(str::trim);
        let name = parts.next().unwrap_or_default().to_owned();
        let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let token = Self { name, unit: part(), ucd: part() };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !token.name.starts_with(|c: char| c.is_ascii_lowercase()) || !token.name.chars().all(is_name) {
            return Err(Error::new(ErrorKind::Config, format!("'{}' cannot be the name of a token", token.name))
                .hint("a token's name has lower-case letters, digits and underscores, e.g. age:Gyr:time.age"));
        }
        if let Some(problem) = token.ucd.as_deref().and_then(|ucd| check_ucd(ucd).err()) {
            return Err(Error::new(ErrorKind::Config, format!("the UCD of '{}' is none: {problem}", token.name))
                .hint("write NAME:UNIT:UCD with a UCD1+ of the IVOA, e.g. age:Gyr:time.age"));
        }
        Ok(token)
    }
}

impl OwnToken {
    /// Returns `known` with these tokens from the columns of `schema`, not yet standardised. Units, UCDs and
    /// descriptions that a token does not specify are those of its column.
    ///
    /// # Errors
    /// If the query has no column with a token's name or has a column that is not a token, or a name already has
    /// another meaning.
    pub fn add(tokens: &[Self], known: &Vocabulary, schema: &Schema) -> Result<Vocabulary> {
        let own = tokens.iter().map(|token| token.of(known, schema)).collect::<Result<Vec<_>>>()?;
        let all = known.with(own)?;
        for field in schema.fields() {
            let (name, _) = base_name(field.name());
            if name != all.basis().list {
                all.require(name).map_err(|e| {
                    let own = format!("or make the column a token of your own: --token {name}");
                    e.at("column", field.name()).another_hint(&own)
                })?;
            }
        }
        Ok(all)
    }

    fn of(&self, known: &Vocabulary, schema: &Schema) -> Result<Token> {
        let taken = |why: &str| {
            Err(Error::new(ErrorKind::Config, format!("'{}' cannot be a token of your own: {why}", self.name))
                .hint("give the column another name in the query: SELECT … AS my_name"))
        };
        if known.id(&self.name).is_some() {
            return taken("the vocabulary has it already");
        }
        if known.basis().block_of(&self.name).is_some() || known.basis().list == self.name {
            return taken("it is a name of spectra");
        }
        if self.name.ends_with(ERROR_SUFFIX) {
            return taken("it is a name of errors");
        }
        let field = schema.field_with_name(&self.name).map_err(|_| {
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            Error::new(ErrorKind::Config, format!("the query has no column '{}'", self.name))
                .hint(format!("a token of your own is a column of the query, which has {}", columns.join(", ")))
        })?;
        Ok(Token { described: Some(self.described(field)), ..Token::new(&self.name, 0.0, 1.0) })
    }

    fn described(&self, field: &Field) -> Described {
        let of_column = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        Described {
            unit: self.unit.clone().unwrap_or_else(|| of_column("unit")),
            ucd: self.ucd.clone().unwrap_or_else(|| of_column("ucd")),
            description: of_column("description"),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    fn schema() -> Schema {
        let metadata = [("unit", "solMass"), ("ucd", "phys.mass"), ("description", "Mass of the star")];
        let metadata = metadata.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        let number = |name: &str| Field::new(name, DataType::Float64, true);
        Schema::new(vec![number("xp"), number("teff"), number("age"), number("mass").with_metadata(metadata)])
    }

    /// Returns the token for a query that has one column besides those of the vocabulary.
    fn added(text: &str) -> Result<Token> {
        let known = Vocabulary::leung_bovy_2023();
        let token: OwnToken = text.parse()?;
        let others = schema()
            .fields()
            .iter()
            .filter(|f| ["xp", "teff", &token.name].contains(&f.name().as_str()))
            .cloned()
            .collect::<Vec<_>>();
        let v = OwnToken::add(&[token], &known, &Schema::new(others))?;
        Ok(v.token(119).clone())
    }

    #[test]
    fn a_token_has_what_was_said_of_it_or_what_its_column_says() {
        let described = added("age:Gyr:time.age").unwrap().described.unwrap();
        assert_eq!([described.unit, described.ucd, described.description], ["Gyr", "time.age", ""]);
        let described = added("mass").unwrap().described.unwrap();
        assert_eq!(
            [described.unit, described.ucd, described.description],
            ["solMass", "phys.mass", "Mass of the star"]
        );
        let described = added("mass:kg").unwrap().described.unwrap();
        assert_eq!([described.unit, described.ucd], ["kg", "phys.mass"]);
    }

    #[test]
    fn a_column_that_is_no_token_may_become_one() {
        let e = OwnToken::add(&[], &Vocabulary::leung_bovy_2023(), &schema()).unwrap_err().to_string();
        assert!(e.contains("unknown token 'age' (column age)") && e.contains("--token age"), "{e}");
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for (text, why) in [
            ("teff", "has it already"),
            ("bp77", "a name of spectra"),
            ("xp", "a name of spectra"),
            ("age_error", "a name of errors"),
            ("masss", "no column 'masss'"),
            ("Age", "cannot be the name"),
            ("age:Gyr:time.agee", "did you mean 'time.age'?"),
        ] {
            let e = added(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text}: {e}");
        }
    }
}
