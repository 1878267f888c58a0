//! The list of MD5 sums that the archive keeps beside its files.

use std::collections::HashMap;

use futures::StreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_sql::session::FoundFile;
use md5::{Digest, Md5};
use object_store::ObjectStoreExt;

/// Name of the list.
pub const MD5SUM: &str = "_MD5SUM.txt";

/// MD5 sums by file name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checksums(HashMap<String, String>);

impl Checksums {
    /// Parses lines of a sum and a name, as `md5sum` writes them.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let (sum, name) = line.trim().split_once(char::is_whitespace)?;
            let name = name.trim().trim_start_matches('*');
            let name = name.rsplit('/').next().unwrap_or(name);
            (sum.len() == 32).then(|| (name.to_owned(), sum.to_lowercase()))
        });
        Self(lines.collect())
    }

    /// The list in the folder of `file`; empty if there is no such list.
    ///
    /// # Errors
    /// If the list is there but cannot be read.
    pub async fn beside(file: &FoundFile) -> Result<Self> {
        let folder: Vec<_> = file.object.location.parts().collect();
        let folder = &folder[..folder.len().saturating_sub(1)];
        let path = folder.iter().cloned().collect::<object_store::path::Path>().join(MD5SUM);
        let unreadable =
            |e| Error::new(ErrorKind::Io, "the list of MD5 sums cannot be read").at("file", &path).source(e);
        match file.store.get(&path).await {
            Ok(got) => {
                let bytes = got.bytes().await.map_err(unreadable)?;
                Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Self::default()),
            // A user who may read files but not list the folder gets this answer for files that do not exist.
            Err(e @ (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })) => {
                tracing::warn!("{MD5SUM} cannot be read, so sums are not checked: {e}");
                Ok(Self::default())
            }
            Err(e) => Err(unreadable(e)),
        }
    }

    /// The sum that a file should have.
    #[must_use]
    pub fn of(&self, file: &FoundFile) -> Option<&str> {
        self.0.get(file.object.location.filename()?).map(String::as_str)
    }
}

/// Reads a file and compares its sum.
///
/// # Errors
/// If it cannot be read or its sum differs.
pub(super) async fn verify(file: &FoundFile, expected: &str) -> Result<()> {
    let unreadable = |e| Error::new(ErrorKind::Io, "cannot read the file").at("file", &file.shown).source(e);
    let mut bytes = file.store.get(&file.object.location).await.map_err(unreadable)?.into_stream();
    let mut sum = Md5::new();
    while let Some(part) = bytes.next().await {
        sum.update(&part.map_err(unreadable)?);
    }
    let found = format!("{:x}", sum.finalize());
    if found == expected {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Input, format!("the MD5 sum is {found}, {MD5SUM} says {expected}"))
        .at("file", &file.shown)
        .hint("the file is damaged or another version: fetch it again; --no-verify reads it all the same"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_md5sum_are_read() {
        let text = "D41D8CD98F00B204E9800998ECF8427E  a.csv.gz\n900150983cd24fb0d6963f7d28e17f72 *dir/b.csv.gz\nodd\n";
        let sums = Checksums::parse(text);
        assert_eq!(sums.0["a.csv.gz"], "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(sums.0["b.csv.gz"], "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(sums.0.len(), 2);
    }
}
