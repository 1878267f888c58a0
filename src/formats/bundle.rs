//! Bundles of several files: zip, and tar with or without compression.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use lamcat_core::error::{Error, ErrorKind, Result};
use zip::ZipArchive;

use super::inflate::{COMPRESSED, ReadSeek, inflated};

/// The offset and content of a tar file's magic number, in the header of its first member.
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");
const ZIP_MARK: &[u8] = b"PK\x03\x04";
/// Endings of tar files, including one-word endings of compressed ones.
const TAR: [&str; 7] = [".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".taz"];
const ZIP: &str = ".zip";
/// Number of members named in a message.
const NAMED: usize = 3;

/// A format that bundles several files into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// A tar file, with any compression or none.
    Tar,
    /// A zip file.
    Zip,
}

/// A member of a bundle, stored in a file without a name.
#[derive(Debug)]
pub struct Member {
    /// Its path in the bundle.
    pub path: String,
    /// Its content.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
}

impl Bundle {
    /// Recognises the format by a file's name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let stem = COMPRESSED.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        if TAR.iter().any(|ending| stem.ends_with(ending)) {
            return Some(Self::Tar);
        }
        lower.ends_with(ZIP).then_some(Self::Zip)
    }

    /// Recognises the format by the first bytes, which are already inflated if they were compressed.
    #[must_use]
    pub fn of_bytes(start: &[u8]) -> Option<Self> {
        if start.starts_with(ZIP_MARK) {
            return Some(Self::Zip);
        }
        start.get(TAR_MARK.0..)?.starts_with(TAR_MARK.1).then_some(Self::Tar)
    }

    /// Returns the members whose paths are `wanted`, sorted by path.
    ///
    /// # Errors
    /// If it cannot be read, or no member is wanted.
    pub fn unpack(self, bytes: impl ReadSeek + 'static, wanted: impl Fn(&str) -> bool) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        let mut others = Vec::new();
        let mut take = |path: &str, content: &mut dyn Read| {
            let path = plain(path);
            if path.is_empty() || !wanted(&path) {
                others.push(path);
                return Ok(());
            }
            members.push(kept(path, content)?);
            Ok(())
        };
        match self {
            Self::Tar => untar(bytes, &mut take)?,
            Self::Zip => unzip(bytes, &mut take)?,
        }
        members.sort_by(|a, b| a.path.cmp(&b.path));
        if members.is_empty() {
            let some = others.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let error = Error::new(ErrorKind::Input, "the archive has no tables in it");
            return Err(if some.is_empty() { error } else { error.hint(format!("it has {some}")) });
        }
        Ok(members)
    }
}

/// Removes the parts of a path that lead elsewhere.
fn plain(path: &str) -> String {
    path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/")
}

fn kept(path: String, content: &mut dyn Read) -> Result<Member> {
    let failed = |e: std::io::Error| damaged(e).within("member", &path);
    let mut file = tempfile::tempfile().map_err(failed)?;
    let size = std::io::copy(content, &mut file).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(Member { path, file, size })
}

type Take<'a> = dyn FnMut(&str, &mut dyn Read) -> Result<()> + 'a;

fn untar(bytes: impl ReadSeek + 'static, take: &mut Take<'_>) -> Result<()> {
    let mut archive = tar::Archive::new(inflated(bytes).map_err(damaged)?);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if entry.header().entry_type().is_file() {
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            take(&path, &mut entry)?;
        }
    }
    Ok(())
}

fn unzip(bytes: impl ReadSeek + 'static, take: &mut Take<'_>) -> Result<()> {
    let mut archive = ZipArchive::new(bytes).map_err(damaged)?;
    for number in 0..archive.len() {
        let mut member = archive.by_index(number).map_err(|e| {
            damaged(e).hint(
                "members that are encrypted, or compressed in another way than by deflate, are not read: unpack it",
            )
        })?;
        if member.is_file() {
            let path = member.name().map_err(damaged)?.into_owned();
            take(&path, &mut member)?;
        }
    }
    Ok(())
}

fn damaged(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Input, "the archive cannot be read").source(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_a_bundle() {
        for name in ["a.tar", "A.TAR.GZ", "a.tgz", "a.tar.zst", "a.tar.xz", "a.tbz2", "a.tar.bz2"] {
            assert_eq!(Bundle::of_name(name), Some(Bundle::Tar), "{name}");
        }
        assert_eq!(Bundle::of_name("x.csv.zip"), Some(Bundle::Zip));
        for name in ["a.csv.gz", "tar", "a.gz", "zip", "tar.csv"] {
            assert_eq!(Bundle::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn paths_of_members_lead_nowhere_else() {
        assert_eq!(plain("../../etc/./a.csv"), "etc/a.csv");
        assert_eq!(plain("/x\\y.csv"), "x/y.csv");
    }
}
