//! Local files that appear under their names once they are complete.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{File, OpenOptions, Permissions},
    io::{self, Error, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::{Builder, NamedTempFile, PersistError};

use super::cannot_write;

/// The infix in the name of an unfinished file; it follows a dot and the output's name.
const UNFINISHED: &str = ".unfinished-";
/// Number of random characters after it, which distinguish unfinished files of the same output.
const RANDOM: usize = 8;
/// Number of bytes of the output's name in the name of the unfinished file: names are limited to 255 bytes nearly
/// everywhere.
const NAME_BYTES: usize = 200;

/// The files that are being written; `None` once the process is about to end.
static UNDER_WAY: Mutex<Option<BTreeSet<PathBuf>>> = Mutex::new(Some(BTreeSet::new()));

fn under_way() -> MutexGuard<'static, Option<BTreeSet<PathBuf>>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished file of this process and prevents new ones: for a process that ends while threads still
/// write.
pub fn abandon_all() {
    for path in under_way().take().unwrap_or_default() {
        // It may have got its final name just now.
        let _ = std::fs::remove_file(path);
    }
}

/// Whether a file's name is that of an unfinished file: `.labels.parquet.unfinished-1aB2c3D4`, or `labels.parquet#1`,
/// the form used by earlier versions.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    of_output(name).is_some()
}

/// Returns the beginning of the output's name from the name of an unfinished file.
fn of_output(name: &str) -> Option<&str> {
    if let Some((output, random)) = name.strip_prefix('.').and_then(|name| name.rsplit_once(UNFINISHED)) {
        return (random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(output);
    }
    let (output, number) = name.rsplit_once('#')?;
    ((1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())).then_some(output)
}

/// Returns the beginning of an output's name, as long as an unfinished file repeats it.
fn beginning(name: &OsStr) -> String {
    let mut name = name.to_string_lossy().into_owned();
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    name
}

/// Removes unfinished files of the output `path` that were left by killed processes. Those of running processes stay.
pub fn remove_leftovers(path: &Path) {
    let (Some(folder), Some(name)) = (folder(path), path.file_name()) else { return };
    let name = beginning(name);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let left = file.to_str().and_then(of_output).is_some_and(|output| output == name);
        if left && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_of_the_dead(&entry.path()) {
            // Another process may have removed it at the same time.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether nobody holds the lock of an unfinished file.
fn is_of_the_dead(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Returns the folder that contains a file.
fn folder(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// A file that is being written. If dropped before [`NewFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    way: Way,
    path: PathBuf,
}

#[derive(Debug)]
enum Way {
    /// Beside its final name; registered in [`UNDER_WAY`] while it exists.
    Aside(NamedTempFile, UnderWay),
    /// Directly into something that is not a regular file, such as a pipe or `/dev/null`, and cannot be replaced.
    Through(File),
}

/// A path registered in [`UNDER_WAY`].
#[derive(Debug)]
struct UnderWay(PathBuf);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(paths) = under_way().as_mut() {
            paths.remove(&self.0);
        }
    }
}

impl NewFile {
    /// Begins the file for `path`, or for the target of the link at `path`. Its folder must exist.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match std::fs::metadata(&path) {
            Ok(is) if is.is_dir() => Err(Error::new(ErrorKind::IsADirectory, "a folder is in its place")),
            Ok(is) if !is.is_file() => {
                let file = OpenOptions::new().write(true).open(&path)?;
                Ok(Self { way: Way::Through(file), path })
            }
            is => {
                let rights = is.ok().map(|is| is.permissions()).or_else(usual_rights);
                let way = aside(&path, rights)?;
                Ok(Self { way, path })
            }
        }
    }

    /// Syncs the file to the disk and gives it its name, replacing any existing file.
    ///
    /// # Errors
    /// If the disk fails or is full; nothing has changed then.
    pub fn finish(self) -> io::Result<()> {
        self.end(|file, path| file.persist(path))
    }

    /// Gives the file its name unless the name is taken.
    ///
    /// # Errors
    /// The errors of [`NewFile::finish`], and [`ErrorKind::AlreadyExists`].
    pub fn finish_new(self) -> io::Result<()> {
        self.end(|file, path| file.persist_noclobber(path))
    }

    fn end(self, name: impl FnOnce(NamedTempFile, &Path) -> Result<File, PersistError>) -> io::Result<()> {
        match self.way {
            Way::Through(mut file) => file.flush(),
            Way::Aside(file, _listed) => {
                file.as_file().sync_all()?;
                name(file, &self.path).map_err(|e| e.error)?;
                sync_folder(&self.path)
            }
        }
    }

    fn file(&mut self) -> &mut File {
        match &mut self.way {
            Way::Aside(file, _) => file.as_file_mut(),
            Way::Through(file) => file,
        }
    }
}

/// Creates an unfinished file for `path` with these permissions.
fn aside(path: &Path, rights: Option<Permissions>) -> io::Result<Way> {
    let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "it has no name"))?;
    let prefix = format!(".{}{UNFINISHED}", beginning(name));
    let mut builder = Builder::new();
    builder.prefix(&prefix).rand_bytes(RANDOM);
    if let Some(rights) = rights {
        builder.permissions(rights);
    }
    let mut under_way = under_way();
    let Some(paths) = under_way.as_mut() else { return Err(Error::other("the program is about to end")) };
    let file = builder.tempfile_in(folder(path).unwrap_or(path))?;
    paths.insert(file.path().to_owned());
    drop(under_way);
    // The lock shows that the file is still being written. Not every file system has locks.
    let _ = file.as_file().try_lock();
    let listed = UnderWay(file.path().to_owned());
    Ok(Way::Aside(file, listed))
}

/// The permissions of a new file before the process's umask; temporary files are otherwise private to their owner.
#[cfg_attr(unix, expect(clippy::unnecessary_wraps, reason = "other systems have no such rights"))]
fn usual_rights() -> Option<Permissions> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    None
}

/// Syncs the name of a file or folder to the disk, if the file system can.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = folder(path).filter(|_| cfg!(unix)) else { return Ok(()) };
    match File::open(folder)?.sync_all() {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.way {
            Way::Aside(file, _) => file.seek(to),
            // Bytes arrive there in order, and there is no other position.
            Way::Through(_) => Ok(0),
        }
    }
}

/// Writes a complete file, replacing any existing one.
///
/// # Errors
/// If it cannot be written; an existing file is unchanged then.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> crate::error::Result<()> {
    remove_leftovers(path);
    let write = || {
        let mut file = NewFile::create(path)?;
        file.write_all(bytes.as_ref())?;
        file.finish()
    };
    write().map_err(|e| cannot_write(path.display(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "yesterday").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"today").unwrap();
        let [aside, _] = &names(folder.path())[..] else { panic!("{:?}", names(folder.path())) };
        assert!(is_unfinished(aside) && aside.starts_with(".a.csv.unfinished-"), "{aside}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "yesterday");
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "today");
        drop(NewFile::create(&path).unwrap());
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn of_two_new_files_one_gets_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claim");
        let (one, other) = (NewFile::create(&path).unwrap(), NewFile::create(&path).unwrap());
        one.finish_new().unwrap();
        assert_eq!(other.finish_new().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(names(folder.path()), ["claim"]);
    }

    #[test]
    fn leftovers_of_the_dead_go_and_files_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for name in [".a.csv.unfinished-1aB2c3D4", "a.csv#12", ".b.csv.unfinished-1aB2c3D4", ".a.csv.unfinished-x", "a"]
        {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        let living = NewFile::create(&path).unwrap();
        remove_leftovers(&path);
        let left = names(folder.path());
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(!left.iter().any(|name| name == "a.csv#12" || name == ".a.csv.unfinished-1aB2c3D4"), "{left:?}");
        living.finish().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_rights_are_kept_and_devices_are_written_through() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.csv"), folder.path().join("link.csv"));
        std::fs::write(&path, "yesterday").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        write_whole(&link, "today").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "today");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        write_whole(Path::new("/dev/null"), "nothing").unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
        write_whole(&folder.path().join("n".repeat(255)), "long").unwrap();
        let e = write_whole(Path::new("/dev/full"), "nothing").unwrap_err().to_string();
        assert!(e.starts_with("the disk is full (file /dev/full)"), "{e}");
    }
}
