//! [`HugePages`]: transparent huge pages of the whole machine, changed and always put back.
//!
//! A keeper holds the old mode: a shell that waits for the end of its input and then writes the
//! mode back. Its input ends when we drop it, and when we die of whatever, `kill -9` included. It
//! is in a process group of its own, where a terminal's signals do not reach it.
//!
//! Source: Documentation/admin-guide/mm/transhuge.rst.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};
use letgo_linux::system::parse_chosen;

const ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

const KEEPER: &str = r#"trap "" HUP INT TERM; cat >/dev/null; echo "$1" >"$2""#;

/// Huge pages as we want them. Dropping it puts back what was.
#[derive(Debug)]
pub(super) struct HugePages {
    file: PathBuf,
    keeper: Child,
    life: Option<ChildStdin>,
}

impl HugePages {
    /// Remembers how they are, before anything is changed.
    ///
    /// # Errors
    /// This kernel has none, or the keeper cannot be started.
    pub(super) fn keep() -> Result<HugePages> {
        HugePages::keep_in(Path::new(ENABLED))
    }

    fn keep_in(file: &Path) -> Result<HugePages> {
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let was = parse_chosen(&text).context("huge pages have no mode")?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", &was])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        Ok(HugePages {
            file: file.to_owned(),
            life: keeper.stdin.take(),
            keeper,
        })
    }

    /// Sets `never`, `madvise` or `always`.
    ///
    /// # Errors
    /// It may not be written.
    pub(super) fn set(&self, mode: &str) -> Result<()> {
        fs::write(&self.file, mode)
            .with_context(|| format!("cannot write {}: are we root?", self.file.display()))
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        self.life = None;
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("enabled");
        fs::write(&file, "always [madvise] never\n").unwrap();
        let pages = HugePages::keep_in(&file).unwrap();
        pages.set("never").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "never");
        drop(pages);
        assert_eq!(fs::read_to_string(&file).unwrap(), "madvise\n");
    }

    #[test]
    fn a_kernel_without_them_is_no_place_for_it() {
        assert!(HugePages::keep_in(Path::new("/no/such/file")).is_err());
    }
}
