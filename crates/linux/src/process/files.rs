//! Reading files below `/proc/PID`, bounded, and what their errors mean.
//!
//! `/proc` files answer ESRCH, ENOENT or nothing at all once the process has ended; all three are
//! [`Error::Gone`]. Does not parse.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Process;
use crate::{Error, sys};

/// Most bytes read of one file. `vm.max_map_count` mappings of 100 bytes are 6 MB; a million, as
/// some databases ask for, 100 MB.
const FILE_LIMIT: u64 = 256 << 20;

/// Most threads that are listed: `kernel.threads-max` is lower.
const THREAD_LIMIT: usize = 1 << 22;

impl Process {
    /// Opens a file of this process for reading.
    pub(crate) fn open_file(&self, name: &str, what: &str) -> Result<File, Error> {
        let path = CString::new(name).map_err(|_| Error::inconsistent(name, "holds a zero"))?;
        sys::open_at(&self.dir, &path).map_err(|errno| Error::from_errno(self.pid, what, errno))
    }

    /// Its directory in `/proc`, opened so that it can be locked.
    pub(crate) fn directory(&self) -> Result<OwnedFd, Error> {
        let what = "opening its directory";
        sys::open_readable_dir(&self.dir).map_err(|errno| Error::from_errno(self.pid, what, errno))
    }

    /// Reads a file of this process whole.
    pub(crate) fn bytes(&self, name: &str, what: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let file = self.open_file(name, what)?;
        file.take(FILE_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::from_io(self.pid, what, error))?;
        Ok(bytes)
    }

    /// Reads a file of this process whole; bytes that are no UTF-8 become replacement characters.
    pub(crate) fn text(&self, name: &str, what: &str) -> Result<String, Error> {
        let bytes = self.bytes(name, what)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// Where a symbolic link of this process leads.
    pub(crate) fn link(&self, name: &str) -> Result<PathBuf, Error> {
        let target = nix::fcntl::readlinkat(&self.dir, name)
            .map_err(|errno| Error::from_errno(self.pid, "reading a link", errno))?;
        Ok(target.into())
    }

    /// Gives an error of the operating system the process it is about.
    pub(super) fn in_process(&self, what: &str, error: io::Error) -> Error {
        Error::from_io(self.pid, what, error)
    }

    pub(super) fn list_threads(&self) -> Result<Vec<u32>, Error> {
        let what = "listing the threads";
        let gone = |errno| Error::from_errno(self.pid, what, errno);
        let mut dir = sys::open_dir_at(&self.dir, c"task").map_err(gone)?;
        let mut tids = Vec::new();
        for entry in dir.iter().take(THREAD_LIMIT) {
            let entry = entry.map_err(gone)?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            if let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) {
                tids.push(tid);
            }
        }
        if tids.is_empty() {
            return Err(Error::Gone { pid: self.pid });
        }
        tids.sort_unstable();
        Ok(tids)
    }
}
