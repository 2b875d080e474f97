//! [`Unfinished`]: a file that has no name until it is whole.
//!
//! `O_TMPFILE` makes a file that is in no folder and goes with its last descriptor: whatever ends
//! us, nothing is left. Where the file system does not have it, the file is a hidden one,
//! `.NAME*.part`, which a kill leaves behind. Mode 0600 in either case.
//!
//! A file cannot be linked over another one. To replace one, it is linked under a hidden name
//! first and renamed, so that there is a whole file of the name at every moment.
//!
//! Source: open(2), `O_TMPFILE`; linkat(2), `AT_SYMLINK_FOLLOW`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;
use tempfile::NamedTempFile;

/// A file that is being written.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// In no folder.
    Unnamed(File),
    /// Under a name that nobody looks for.
    Hidden(NamedTempFile),
}

impl Unfinished {
    /// Makes one that can get the name `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Unfinished> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        options.custom_flags(OFlag::O_TMPFILE.bits());
        // Without `/proc` it could not be named.
        if !Path::new("/proc/self/fd").is_dir() {
            return Unfinished::hidden(path);
        }
        match options.open(folder_of(path)) {
            Ok(file) => Ok(Unfinished::Unnamed(file)),
            Err(error) if is_lacking(&error) => Unfinished::hidden(path),
            Err(error) => Err(error),
        }
    }

    fn hidden(path: &Path) -> io::Result<Unfinished> {
        let prefix = prefix(path);
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(&prefix).suffix(".part");
        let file = file.tempfile_in(folder_of(path));
        // Its own words name the file that nobody asked for.
        file.map(Unfinished::Hidden).map_err(|error| {
            let kind = error.kind();
            match kind {
                // The folder is there, but no place for files, such as /proc.
                io::ErrorKind::NotFound => {
                    io::Error::new(kind, "no file can be made in its folder")
                }
                _ => kind.into(),
            }
        })
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        match self {
            Unfinished::Unnamed(file) => file,
            Unfinished::Hidden(file) => file.as_file(),
        }
    }

    /// Gives it its name; `overwrite` says whether something of that name may be replaced.
    pub(crate) fn name(self, path: &Path, overwrite: bool) -> io::Result<()> {
        match self {
            Unfinished::Hidden(file) if overwrite => plain(file.persist(path)),
            Unfinished::Hidden(file) => plain(file.persist_noclobber(path)),
            Unfinished::Unnamed(file) if overwrite => {
                let prefix = prefix(path);
                let mut builder = tempfile::Builder::new();
                let hidden = builder.prefix(&prefix).suffix(".part");
                let hidden = hidden.make_in(folder_of(path), |hidden| link(&file, hidden))?;
                hidden
                    .into_temp_path()
                    .persist(path)
                    .map_err(|error| error.error)
            }
            Unfinished::Unnamed(file) => link(&file, path),
        }
    }
}

fn plain(named: Result<File, tempfile::PersistError>) -> io::Result<()> {
    named.map(drop).map_err(|error| error.error)
}

/// Gives a file in no folder a name that nothing has.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let own = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let linked = linkat(AT_FDCWD, &own, AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW);
    linked.map_err(io::Error::from)
}

/// Whether the file system, or the kernel, does not have such files.
fn is_lacking(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(
        number,
        Some(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL)
    )
}

/// What a hidden name begins with.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix
}

/// The folder that `path` lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, PermissionsExt};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `/proc` is a folder in which nobody makes files.
    #[test]
    fn a_folder_that_takes_no_files_is_said_to() {
        let error = Unfinished::create(Path::new("/proc/x.snap")).unwrap_err();
        assert_eq!(error.to_string(), "no file can be made in its folder");
    }

    /// Whichever way it is made, the name comes last.
    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.snap");
        for make in [Unfinished::create, Unfinished::hidden] {
            let dropped = make(&path).unwrap();
            dropped.file().write_all_at(b"half", 0).unwrap();
            assert!(!path.exists());
            drop(dropped);
            assert_eq!(names(folder.path()), [""; 0]);
            let whole = make(&path).unwrap();
            whole.file().write_all_at(b"whole", 0).unwrap();
            whole.name(&path, false).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"whole");
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
            let other = make(&path).unwrap();
            let error = other.name(&path, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&path).unwrap(), b"whole");
            let other = make(&path).unwrap();
            other.file().write_all_at(b"other", 0).unwrap();
            other.name(&path, true).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"other");
            assert_eq!(names(folder.path()), ["api.snap"]);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn an_error_names_no_file_that_nobody_asked_for() {
        let path = Path::new("/no/such/folder/api.snap");
        for make in [Unfinished::create, Unfinished::hidden] {
            let error = make(path).unwrap_err().to_string();
            assert!(!error.contains(".part"), "{error}");
        }
    }
}
