//! A path or URL as the user typed it.

use std::{convert::Infallible, fmt, str::FromStr};

use lamcat_core::error::without_secrets;
use serde::{Deserialize, Serialize, Serializer};

/// A path or URL that may contain a password or a signature. It is printed, logged and saved without these; only
/// [`Location::exposed`] returns them, to open what is there.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "String")]
pub struct Location(String);

impl Location {
    /// The whole text, including the parts that must not be shown.
    #[must_use]
    pub fn exposed(&self) -> &str {
        &self.0
    }

    /// The file or folder `name` in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let (folder, query) = self.0.split_at(super::stores::query_at(&self.0).unwrap_or(self.0.len()));
        Self(format!("{}/{name}{query}", folder.trim_end_matches('/')))
    }

    /// Whether a text is a URL rather than a path.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        super::stores::scheme(text).is_some()
    }
}

impl From<String> for Location {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Location {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Location {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&without_secrets(&self.0))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_neither_printed_nor_saved_with_its_secrets() {
        let location = Location::from("https://me:hunter2@h/st,ars(1).parquet?sig=SASSECRET");
        let texts = [location.to_string(), format!("{location:?}"), serde_json::to_string(&location).unwrap()];
        for text in texts {
            assert_eq!(text.trim_matches('"'), "https://h/st,ars(1).parquet");
        }
        assert!(location.exposed().contains("SASSECRET"));
    }

    #[test]
    fn what_is_in_a_folder_is_before_the_query() {
        let joined = |folder: &str| Location::from(folder).join("x").exposed().to_owned();
        assert_eq!(
            joined("https://a.blob.core.windows.net/c/?sv=1&sig=2"),
            "https://a.blob.core.windows.net/c/x?sv=1&sig=2"
        );
        assert_eq!(joined("s3://b/a?/"), "s3://b/a?/x");
        assert_eq!(joined("what?a=b/"), "what?a=b/x");
    }
}
