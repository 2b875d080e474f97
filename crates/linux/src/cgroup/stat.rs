//! [`Files`]: the small files of one cgroup directory.
//!
//! A file that is missing or does not read as a number is absent.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of one cgroup.
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// The files in `dir`, an absolute path, below `root`.
    pub(super) fn new(root: &Path, dir: &Path) -> Files {
        let dir = dir.strip_prefix("/").unwrap_or(dir);
        Files {
            dir: root.join(dir),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.join(name)).ok()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// Lines of `key value`.
    pub(super) fn pairs(&self, name: &str) -> Option<Pairs> {
        self.text(name).map(|text| Pairs { text })
    }
}

/// Lines of `key value`.
pub(super) struct Pairs {
    text: String,
}

impl Pairs {
    pub(super) fn get(&self, key: &str) -> Option<u64> {
        let value = |line: &str| {
            line.strip_prefix(key)?
                .strip_prefix(' ')?
                .trim()
                .parse()
                .ok()
        };
        self.text.lines().find_map(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_begins_like_another_is_told_apart() {
        let pairs = Pairs {
            text: "anon_thp 7\nanon 5\nfile x\nsock -1\n".into(),
        };
        assert_eq!(pairs.get("anon"), Some(5));
        assert_eq!(pairs.get("file"), None);
        assert_eq!(pairs.get("sock"), None);
        assert_eq!(pairs.get("fi"), None);
    }
}
