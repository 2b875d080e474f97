//! [`Scratch`]: a folder for core files and profiles, gone afterwards.
//!
//! Where this process is killed it stays, and the next race removes it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::lab::go::cache_dir;

/// A folder of ours. Dropping it removes it with all that is in it.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it anew. There is one: a second race at the same time would spoil both.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn new() -> Result<Scratch> {
        let dir = cache_dir().join("lab/race");
        // Mostly there is none.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Scratch(dir))
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Removes a file of it, which may be large.
    pub(super) fn remove(&self, file: &Path) {
        // What stays goes with the folder.
        let _ = fs::remove_file(file);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
