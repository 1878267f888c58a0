//! The folder to which the relative paths of a pipeline file, or of a command line, refer.

use std::path::{Component, Path, PathBuf};

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_sql::session::Location;

/// A folder to which relative paths refer.
pub(super) struct BasePath(PathBuf);

impl BasePath {
    /// The folder of a file, whose path is absolute and free of symbolic links.
    pub(super) fn folder_of(file: &Path) -> Self {
        Self(file.parent().unwrap_or(file).to_owned())
    }

    /// The working directory of this process.
    pub(super) fn working_directory() -> Result<Self> {
        let folder = std::env::current_dir();
        Ok(Self(folder.map_err(|e| Error::new(ErrorKind::Io, "there is no working directory").source(e))?))
    }

    /// Makes a path absolute, without `.` and `..`; a URL is left unchanged.
    pub(super) fn absolute(&self, text: &str) -> String {
        if Location::is_url(text) {
            return text.to_owned();
        }
        let mut path = PathBuf::new();
        for part in self.0.join(text).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    path.pop();
                }
                other => path.push(other),
            }
        }
        let folder = if text.ends_with('/') { "/" } else { "" };
        path.display().to_string() + folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_urls_stay() {
        let base = BasePath::folder_of(Path::new("/work/pipelines/a.toml"));
        assert_eq!(base.absolute("../sql/a.sql"), "/work/sql/a.sql");
        assert_eq!(base.absolute("./stars/*.parquet"), "/work/pipelines/stars/*.parquet");
        assert_eq!(base.absolute("stars/"), "/work/pipelines/stars/");
        assert_eq!(base.absolute("/data/x.parquet"), "/data/x.parquet");
        assert_eq!(base.absolute("s3://bucket/a/../x.parquet"), "s3://bucket/a/../x.parquet");
        assert_eq!(base.absolute("a:b.parquet"), "/work/pipelines/a:b.parquet");
    }
}
