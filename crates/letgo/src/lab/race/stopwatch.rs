//! [`Stopwatch`]: runs a command and says what it took, children included (`lab/stopwatch`).

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::lab::child::Owned;

/// The program that runs others.
#[derive(Debug)]
pub(super) struct Stopwatch(pub(super) PathBuf);

/// What a command took, and what it wrote.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub(super) struct Took {
    /// From its start to its end.
    pub(super) wall_ns: u64,
    /// Of it and its children.
    pub(super) cpu_ns: u64,
    /// The most that one of them had resident.
    pub(super) rss_bytes_max: u64,
    status: i32,
    /// Its standard output.
    #[serde(default)]
    pub(super) stdout: String,
    #[serde(default)]
    stderr: String,
}

impl Stopwatch {
    /// Runs a command; those of `fine` are the statuses with which it has done its work.
    ///
    /// # Errors
    /// It cannot be started, or says with another status what is wrong.
    pub(super) fn run<S: AsRef<OsStr>>(
        &self,
        program: &OsStr,
        arguments: impl IntoIterator<Item = S>,
        fine: &[i32],
    ) -> Result<Took> {
        let mut command = Command::new(&self.0);
        command
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = Owned::spawn(&mut command)?;
        let mut text = String::new();
        let stdout = child.0.stdout.as_mut().context("no pipe")?;
        stdout.read_to_string(&mut text)?;
        let name = program.display();
        let took: Took =
            serde_json::from_str(&text).with_context(|| format!("{name} cannot be run"))?;
        if !fine.contains(&took.status) {
            bail!("{name} ends with {}: {}", took.status, took.last_words());
        }
        Ok(took)
    }
}

impl Took {
    /// Both, one after the other.
    pub(super) fn and(&self, next: &Took) -> Took {
        Took {
            wall_ns: self.wall_ns + next.wall_ns,
            cpu_ns: self.cpu_ns + next.cpu_ns,
            rss_bytes_max: self.rss_bytes_max.max(next.rss_bytes_max),
            ..next.clone()
        }
    }

    /// The last that it said.
    pub(super) fn last_words(&self) -> &str {
        let said = [&self.stderr, &self.stdout];
        let mut lines = said
            .into_iter()
            .filter_map(|text| text.trim().lines().last());
        lines.next().unwrap_or("it says nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_take_what_both_take() {
        let line = r#"{"wall_ns":5,"cpu_ns":3,"rss_bytes_max":70,"status":0,"stdout":"a\n"}"#;
        let one: Took = serde_json::from_str(line).unwrap();
        let both = one.and(&Took {
            wall_ns: 10,
            rss_bytes_max: 9,
            stderr: "first\nlast\n".into(),
            ..Took::default()
        });
        assert_eq!((both.wall_ns, both.cpu_ns, both.rss_bytes_max), (15, 3, 70));
        assert_eq!(both.last_words(), "last");
        assert_eq!(one.last_words(), "a");
    }
}
