//! Finds the releases of a catalogue: all of them, the one a name refers to, and the one before the current one.

use lamcat_core::error::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{
    assemble::Manifest,
    commit, paths, properties,
    publish::{self, Action, Current},
    storage::Storage,
    verify,
};

/// A finished release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Name of the catalogue.
    pub name: String,
    /// Version of the data (semver).
    pub version: String,
    /// Folder below the store's root.
    pub folder: String,
    /// Identity of the job that made it.
    pub job: String,
    /// Rows of the main catalogue.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: usize,
    /// When it first became current; `None` if it never did.
    pub published: Option<String>,
    /// Whether it is the current one.
    pub current: bool,
}

/// The finished releases: first those that were published, in the order of their publication, then the others by name.
///
/// # Errors
/// If the store fails, a manifest is damaged, or there is no catalogue.
pub async fn list(storage: &Storage) -> Result<Vec<Release>> {
    let log = publish::log(storage).await?;
    let folders = storage.folders(paths::RELEASES).await?;
    if log.is_empty() && folders.is_empty() {
        let error = Error::new(ErrorKind::Input, "there is no catalogue").at("store", storage.shown(""));
        return Err(error.hint(format!(
            "name the folder that has {} and {}/, which `lamcat run` makes: the pipeline's store and the catalogue's name",
            paths::LATEST,
            paths::LOG
        )));
    }
    let current = log.last().map(|entry| entry.folder.clone());
    let mut releases = Vec::new();
    for folder in folders {
        let Some(manifest) = manifest(storage, &folder).await? else { continue };
        let published = log.iter().find(|entry| entry.folder == folder).map(|entry| entry.time.clone());
        releases.push(Release {
            current: current.as_ref() == Some(&folder),
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            files: manifest.files.len(),
            name: manifest.name,
            version: manifest.version,
            job: manifest.job,
            rows: manifest.rows,
            folder,
            published,
        });
    }
    let place = |release: &Release| log.iter().position(|entry| entry.folder == release.folder);
    releases.sort_by_key(|release| place(release).unwrap_or(log.len()));
    Ok(releases)
}

/// The manifest of the release in `folder`; `None` if the release was not finished, or its manifest is empty or
/// truncated.
///
/// # Errors
/// If the store fails or the manifest was not written by this program.
pub async fn manifest(storage: &Storage, folder: &str) -> Result<Option<Manifest>> {
    commit::read(storage, &format!("{folder}/{}", paths::MANIFEST)).await
}

/// The release that a name refers to: a version, a folder or the last part of its path; without a name, the current
/// release.
///
/// # Errors
/// If no release or more than one matches the name, or the store fails.
pub async fn find(storage: &Storage, name: Option<&str>) -> Result<Release> {
    let releases = list(storage).await?;
    let wanted = |release: &&Release| match name {
        None => release.current,
        Some(name) => {
            let name = name.trim_end_matches('/');
            let short = release.folder.strip_prefix(paths::RELEASES).map(|rest| rest.trim_start_matches('/'));
            release.version == name || release.folder == name || short == Some(name)
        }
    };
    let found: Vec<&Release> = releases.iter().filter(wanted).collect();
    if let [one] = found[..] {
        return Ok(one.clone());
    }
    let names = |releases: &[&Release]| {
        let names = releases.iter().map(|r| r.folder.rsplit('/').next().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    let at = |message: String| Error::new(ErrorKind::Input, message).at("store", storage.shown(""));
    let all = || match &releases[..] {
        [] => "no release was finished: look with `lamcat run FILE --dry-run`".to_owned(),
        some => format!("there are: {}", names(&some.iter().collect::<Vec<_>>())),
    };
    Err(match (name, &found[..]) {
        (None, _) => match publish::current(storage).await? {
            Some(current) => at(format!("{}, the current release, has lost its manifest", current.folder)).hint(
                "run its pipeline again, which makes the manifest anew, or go back with `lamcat release rollback`",
            ),
            None => at("there is no current release".to_owned()).hint(all()),
        },
        (Some(name), []) => at(format!("there is no release '{name}'")).hint(all()),
        (Some(name), several) => {
            at(format!("'{name}' is the version of several releases")).hint(format!("name one: {}", names(several)))
        }
    })
}

/// The folders that rolling back would make current, one after the other; the current folder comes last. Publishing
/// puts a release on top of this stack; rolling back removes everything above the release that becomes current again.
#[must_use]
pub fn history(log: &[Current]) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for entry in log {
        match (entry.action, folders.iter().position(|folder| *folder == entry.folder)) {
            (Action::Rollback, Some(at)) => folders.truncate(at + 1),
            (_, Some(at)) => {
                let again = folders.remove(at);
                folders.push(again);
            }
            (_, None) => folders.push(entry.folder.clone()),
        }
    }
    folders
}

/// The folder that was current before a release: before its first publication, or now if it was never published.
#[must_use]
pub fn predecessor(log: &[Current], folder: &str) -> Option<String> {
    let published = log.iter().position(|entry| entry.folder == folder).unwrap_or(log.len());
    log[..published].last().map(|entry| entry.folder.clone())
}

/// The release that was current before the current one.
///
/// # Errors
/// If no earlier release still has its manifest, or the store fails.
pub async fn before_current(storage: &Storage) -> Result<Release> {
    let history = history(&publish::log(storage).await?);
    let releases = list(storage).await?;
    let earlier = history.iter().rev().skip(1);
    let mut known = earlier.filter_map(|folder| releases.iter().find(|release| release.folder == *folder));
    known.next().cloned().ok_or_else(|| {
        Error::new(ErrorKind::Input, "there is no release before the current one")
            .at("store", storage.shown(""))
            .hint("`lamcat release list` shows what there is; name one")
    })
}

/// Makes an older release the current one again; `None` means the one before the current one.
///
/// # Errors
/// If there is no such release, some of its files are missing or have another size, or the store fails.
pub async fn roll_back(storage: &Storage, name: Option<&str>) -> Result<Current> {
    let release = match name {
        Some(name) => find(storage, Some(name)).await?,
        None => before_current(storage).await?,
    };
    if release.current {
        publish::repeat_latest(storage).await?;
        let error = Error::new(ErrorKind::Input, "the release is the current one").at("release", &release.folder);
        return Err(error.hint("name another one; `lamcat release list` shows what there is"));
    }
    let faults = verify::missing_files(storage, &release.folder).await?;
    if let Some(fault) = faults.first() {
        let error = Error::new(ErrorKind::Input, format!("the release is not whole: {}", fault.what));
        return Err(error
            .at("file", format!("{}/{}", release.folder, fault.file))
            .at("faults", faults.len())
            .hint("the current release stays; roll back to another one"));
    }
    publish::make_current(storage, &release.folder, Action::Rollback).await
}

/// The key-value pairs of the collection's own properties file in `folder`.
///
/// # Errors
/// If the store fails.
pub async fn collection_properties(storage: &Storage, folder: &str) -> Result<Vec<(String, String)>> {
    let text = storage.get(&format!("{folder}/{}", paths::COLLECTION_PROPERTIES)).await?.unwrap_or_default();
    Ok(properties::parse(&String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(Action, &str)]) -> Vec<Current> {
        let entries = entries.iter().enumerate().map(|(i, (action, folder))| Current {
            number: i as u64 + 1,
            action: *action,
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            folder: (*folder).to_owned(),
            manifest_sha256: String::new(),
            time: String::new(),
            decided: None,
        });
        entries.collect()
    }

    #[test]
    fn rolling_back_twice_goes_back_two_releases() {
        use Action::{Publish, Rollback};
        let mut entries = vec![(Publish, "a"), (Publish, "b"), (Publish, "c")];
        assert_eq!(history(&log(&entries)), ["a", "b", "c"]);
        entries.push((Rollback, "b"));
        assert_eq!(history(&log(&entries)), ["a", "b"]);
        entries.push((Rollback, "a"));
        assert_eq!(history(&log(&entries)), ["a"]);
        entries.push((Publish, "c"));
        assert_eq!(history(&log(&entries)), ["a", "c"]);
        entries.push((Publish, "a"));
        assert_eq!(history(&log(&entries)), ["c", "a"]);
    }

    #[test]
    fn a_release_follows_what_was_current_when_it_was_published() {
        use Action::{Publish, Rollback};
        let log = log(&[(Publish, "a"), (Publish, "b"), (Rollback, "a"), (Publish, "c"), (Rollback, "b")]);
        let before = |folder: &str| predecessor(&log, folder);
        assert_eq!((before("a"), before("b").as_deref(), before("c").as_deref()), (None, Some("a"), Some("a")));
        assert_eq!(before("not published").as_deref(), Some("b"));
    }

    #[test]
    fn going_forward_by_name_is_remembered() {
        let entries =
            [(Action::Publish, "a"), (Action::Publish, "b"), (Action::Rollback, "a"), (Action::Rollback, "b")];
        assert_eq!(history(&log(&entries)), ["a", "b"]);
    }
}
