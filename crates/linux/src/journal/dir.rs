//! [`JournalDir`]: where journals lie, and whether that place can be trusted.
//!
//! `LETGO_STATE_DIR` if set; for root `/run/letgo`; else `letgo` below `$XDG_RUNTIME_DIR`; else
//! `/tmp/letgo-UID`. The directory is made with mode 0700. One that belongs to somebody else, that
//! others can write to or that is a symbolic link is refused, and never put right: it may be
//! somebody's trap, or the caller's mistake.
//!
//! Files are opened below the directory that was checked, never by path again, and no link is
//! followed.
//!
//! Does not read or write journals (see [`super::file`]).

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::Refusal;

/// Names the directory in the environment.
const STATE_DIR: &str = "LETGO_STATE_DIR";
/// Most names that are looked at.
const NAME_LIMIT: usize = 100_000;

/// A directory of journals that only we can write to.
#[derive(Clone, Debug)]
pub struct JournalDir {
    path: PathBuf,
    dir: Arc<OwnedFd>,
}

impl JournalDir {
    /// The usual directory, made where it is missing.
    ///
    /// # Errors
    /// [`Refusal::StateDir`].
    pub fn standard() -> Result<JournalDir, Refusal> {
        JournalDir::at(&usual())
    }

    /// The directory `path`, made where it is missing.
    ///
    /// # Errors
    /// [`Refusal::StateDir`].
    pub fn at(path: &Path) -> Result<JournalDir, Refusal> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| unusable(path, format!("cannot be made ({error})")))?;
        open_checked(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file of it, with `flags` beside the usual ones; made with mode 0600.
    pub(super) fn open(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let usual = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = File::from(openat(&*self.dir, name, flags | usual, mode)?);
        let about = file.metadata()?;
        if !about.is_file() || about.uid() != geteuid().as_raw() {
            return Err(io::Error::other("it is no file of ours"));
        }
        Ok(file)
    }

    /// Whether `name` still leads to `file`.
    pub(super) fn leads_to(&self, name: &str, file: &File) -> bool {
        let same = || {
            let found = self.open(name, OFlag::O_RDONLY).ok()?.metadata().ok()?;
            let ours = file.metadata().ok()?;
            Some((found.dev(), found.ino()) == (ours.dev(), ours.ino()))
        };
        same().unwrap_or(false)
    }

    /// Makes entries of the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        match nix::unistd::fsync(self.dir.as_fd()) {
            // A file system that knows nothing of it.
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&*self.dir, from, &*self.dir, to)?)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&*self.dir, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Names of its files.
    pub(super) fn names(&self) -> Vec<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let Ok(mut dir) = Dir::openat(&*self.dir, ".", flags, Mode::empty()) else {
            return Vec::new();
        };
        let entries = dir.iter().take(NAME_LIMIT).flatten();
        let names = entries.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        names.collect()
    }
}

/// The usual directory where it exists already.
pub(super) fn existing() -> Result<Option<JournalDir>, Refusal> {
    let path = usual();
    match path.symlink_metadata() {
        Ok(_) => open_checked(&path).map(Some),
        Err(_) => Ok(None),
    }
}

fn usual() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    choose(
        named(STATE_DIR).map(PathBuf::from),
        named("XDG_RUNTIME_DIR").map(PathBuf::from),
        geteuid().as_raw(),
    )
}

fn choose(state: Option<PathBuf>, runtime: Option<PathBuf>, uid: u32) -> PathBuf {
    match (state, runtime) {
        (Some(path), _) => path,
        (None, _) if uid == 0 => "/run/letgo".into(),
        (None, Some(path)) if path.is_absolute() => path.join("letgo"),
        _ => format!("/tmp/letgo-{uid}").into(),
    }
}

fn open_checked(path: &Path) -> Result<JournalDir, Refusal> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dir = open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::ELOOP | Errno::ENOTDIR => unusable(path, "is a symbolic link or no directory"),
        errno => unusable(path, format!("cannot be opened ({errno})")),
    })?;
    let about = fstat(&dir).map_err(|errno| unusable(path, errno.to_string()))?;
    if about.st_uid != geteuid().as_raw() {
        return Err(unusable(path, format!("belongs to user {}", about.st_uid)));
    }
    if about.st_mode & 0o022 != 0 {
        return Err(unusable(path, "can be written to by others"));
    }
    Ok(JournalDir {
        path: path.to_owned(),
        dir: Arc::new(dir),
    })
}

fn unusable(path: &Path, why: impl Into<String>) -> Refusal {
    Refusal::StateDir {
        path: path.to_owned(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_usual_place_depends_on_who_we_are() {
        let path = |text: &str| Some(PathBuf::from(text));
        let table = [
            (None, None, 0, "/run/letgo"),
            (None, path("/run/user/7"), 0, "/run/letgo"),
            (None, path("/run/user/7"), 7, "/run/user/7/letgo"),
            (None, path("relative"), 7, "/tmp/letgo-7"),
            (None, None, 7, "/tmp/letgo-7"),
            (path("/x"), path("/run/user/7"), 0, "/x"),
        ];
        for (state, runtime, uid, expected) in table {
            assert_eq!(choose(state, runtime, uid), Path::new(expected));
        }
    }

    #[test]
    fn a_directory_of_ours_is_made_and_a_trap_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/letgo");
        JournalDir::at(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let link = root.path().join("link");
        symlink(&path, &link).unwrap();
        let why = JournalDir::at(&link).unwrap_err().to_string();
        assert!(why.contains("symbolic link"), "{why}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let why = JournalDir::at(&path).unwrap_err().to_string();
        assert!(why.contains("by others"), "{why}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o770, "it is not put right");
        if geteuid().is_root() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
            let why = JournalDir::at(&path).unwrap_err().to_string();
            assert!(why.contains("user 4321"), "{why}");
        }
    }

    #[test]
    fn a_file_that_is_a_link_or_a_pipe_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let dir = JournalDir::at(root.path()).unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        symlink("file", root.path().join("link")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), Mode::S_IRWXU).unwrap();
        dir.open("file", OFlag::O_RDONLY).unwrap();
        dir.open("link", OFlag::O_RDONLY).unwrap_err();
        dir.open("pipe", OFlag::O_RDONLY).unwrap_err();
    }
}
