//! `cargo xtask tidy`: the house rules that a machine can check, over the tracked files.
//!
//! Each finding names a place, what is wrong there and what to do about it. What the compiler,
//! rustfmt and clippy already check is not repeated here. The same checks run as a test, so that
//! `cargo test` says what `cargo xtask tidy` says.
//!
//! Invariants: reads files that git tracks and nothing else; changes nothing.

mod manifest;
mod pages;
mod rust;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Places of somebody's machine, which mean nothing to another reader. Split, so that this file
/// does not hold them.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];

/// Extensions of files that somebody wrote, as against recorded and generated ones.
const WRITTEN: [&str; 9] = ["rs", "md", "toml", "go", "yml", "yaml", "sh", "mk", "json"];

/// One thing to put right.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: file.path.clone(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A tracked text file.
#[derive(Clone, Debug)]
struct File {
    /// Path from the repository's root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn extension(&self) -> &str {
        let dotted = self.name().rsplit_once('.');
        dotted.map_or("", |(_, extension)| extension)
    }

    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .zip(1..)
            .map(|(line, number)| (number, line))
    }
}

/// Checks the repository at `root` and returns what is to be put right, in order of path.
///
/// # Errors
/// Where git cannot list the files or one cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let paths = tracked(root)?;
    let files = read_texts(root, &paths)?;
    let mut findings = Vec::new();
    for file in &files {
        match file.extension() {
            "rs" => rust::check(file, &mut findings),
            "md" => pages::check(file, &paths, &files, &mut findings),
            "toml" if file.name() == "Cargo.toml" => manifest::check(file, &mut findings),
            _ => {}
        }
        if WRITTEN.contains(&file.extension()) || file.name() == "Makefile" {
            check_text(file, &mut findings);
        }
    }
    pages::check_reached(&files, &mut findings);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Runs the checks and prints each finding; an error says how many there were.
///
/// # Errors
/// As [`check`], and where there is any finding.
pub(crate) fn run() -> Result<()> {
    let findings = check(&root())?;
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} to put right", findings.len());
    println!("tidy: nothing to put right");
    Ok(())
}

/// The repository's root: the folder above this package.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Paths that git tracks and that are still there.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("running git ls-files")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let listed = String::from_utf8(output.stdout).context("a path that is not UTF-8")?;
    let paths = listed.split_terminator('\0');
    let present = paths.filter(|path| root.join(path).is_file());
    Ok(present.map(str::to_owned).collect())
}

/// Reads those of `paths` that hold text.
fn read_texts(root: &Path, paths: &[String]) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        let bytes = std::fs::read(root.join(path)).with_context(|| path.clone())?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if !text.contains('\0') {
            files.push(File {
                path: path.clone(),
                text,
            });
        }
    }
    Ok(files)
}

/// What holds for every file that somebody wrote.
fn check_text(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in file.lines() {
        // Of Rust, rustfmt takes care, and knows what is inside of a string.
        if file.extension() != "rs" && line.ends_with([' ', '\t', '\r']) {
            let what = "white space at the end of the line: take it away";
            findings.push(Finding::new(file, number, what));
        }
        if let Some(place) = machine_path(line) {
            let what = format!("`{place}` is a place of one machine: say it without");
            findings.push(Finding::new(file, number, what));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let last = file.text.lines().count();
        findings.push(Finding::new(file, last, "no newline at the end: add one"));
    }
}

/// A path of somebody's machine in `line`, where it stands at the start of a word.
fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_PATHS.into_iter().find(|place| {
        line.match_indices(place).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "-_./>}$*".contains(c))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tracked file that is only in memory.
    pub(super) fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_repository_is_tidy() {
        let findings = check(&root()).expect("git lists the files");
        let listed: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(listed.is_empty(), "\n{}\n", listed.join("\n"));
    }

    #[test]
    fn a_place_of_one_machine_is_found_at_the_start_of_a_word_only() {
        let place = MACHINE_PATHS[1];
        assert!(machine_path(&format!("see {place}main")).is_some());
        assert!(machine_path(&format!("\"{place}main\"")).is_some());
        assert!(machine_path(&format!("example.com{place}main")).is_none());
        assert!(machine_path(&format!("internal{place}queue.go")).is_none());
    }

    #[test]
    fn trailing_space_and_a_missing_last_newline_are_found() {
        let mut findings = Vec::new();
        check_text(&file("a.md", "one \ntwo"), &mut findings);
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2]);
        findings.clear();
        check_text(&file("a.md", "one\ntwo\n"), &mut findings);
        assert!(findings.is_empty());
    }
}
