//! [`Terminal`]: what standard output and standard error can show, and writing to them.
//!
//! Colour: `--color`, else `NO_COLOR` and `CLICOLOR_FORCE`, else whether it is a terminal.
//! Width: the terminal's, else `COLUMNS`, else 80, beyond which nothing is cut: what is piped has
//! no edge, and what reads it wants whole names. Characters beyond ASCII: where the locale says
//! UTF-8 (`LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set).
//!
//! A reader that goes away (`letgo why 1 | head -1`) is no error: Rust ignores `SIGPIPE`, which
//! is well, since a letgo that has stopped a process must not die of a closed pipe.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use letgo_report::Look;

use crate::complaint::Complaint;

/// Without a terminal and `COLUMNS`.
const WIDTH: usize = 80;

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where output goes and what it can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// What standard output can show.
    pub stdout: Look,
    /// What standard error can show.
    pub stderr: Look,
    /// Progress may be drawn on standard error.
    pub progress: bool,
}

impl Terminal {
    /// Looks at the environment and at what standard output and error are.
    pub fn detect(color: Color, quiet: bool) -> Terminal {
        let env = |name: &str| std::env::var_os(name);
        let stdout = io::stdout().is_terminal();
        let stderr = io::stderr().is_terminal();
        Terminal {
            stdout: look(&env, color, stdout, columns(stdout)),
            stderr: look(&env, color, stderr, columns(stderr)),
            progress: stderr && !quiet,
        }
    }

    /// 80 columns of ASCII without colour.
    pub fn plain() -> Terminal {
        Terminal {
            stdout: Look::PLAIN,
            stderr: Look::PLAIN,
            progress: false,
        }
    }

    /// Writes to standard output. A reader that went away is no error.
    ///
    /// # Errors
    /// A [`Complaint`] of whatever else the write says, such as a full disk.
    pub fn print(&self, text: &str) -> Result<(), Complaint> {
        self.write(text.as_bytes())
    }

    /// Writes bytes to standard output, as [`Terminal::print`] does.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn write(&self, bytes: &[u8]) -> Result<(), Complaint> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| unwritten(&error)),
        }
    }
}

/// Why our own output could not be written: that is no matter of what the machine allows.
pub fn unwritten(error: &io::Error) -> Complaint {
    Complaint::no_report(
        format!("standard output cannot be written: {error}"),
        "See whether there is room where it goes, or send it elsewhere",
    )
}

/// The width of the terminal behind standard output or error, if one of them is one.
fn columns(is_terminal: bool) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size().filter(|_| is_terminal)?;
    Some(usize::from(width.0))
}

fn look(
    env: &dyn Fn(&str) -> Option<OsString>,
    color: Color,
    is_terminal: bool,
    columns: Option<usize>,
) -> Look {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let dumb = set("TERM").is_some_and(|term| term == "dumb");
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => set("NO_COLOR").is_none() && (forced || (is_terminal && !dumb)),
    };
    let given = set("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    let width = columns.or(given).filter(|width| *width > 0);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| set(name));
    let locale = locale.unwrap_or_default().to_string_lossy().to_lowercase();
    Look {
        width: width.unwrap_or(WIDTH),
        whole: width.is_none() && !is_terminal,
        color,
        unicode: locale.contains("utf-8") || locale.contains("utf8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)], color: Color, is_terminal: bool) -> Look {
        let env = |name: &str| {
            let var = vars.iter().find(|(key, _)| *key == name);
            var.map(|(_, value)| OsString::from(value))
        };
        look(&env, color, is_terminal, None)
    }

    #[test]
    fn colour_follows_the_flag_then_the_environment_then_the_terminal() {
        assert!(with(&[], Color::Auto, true).color);
        assert!(!with(&[], Color::Auto, false).color);
        assert!(!with(&[("NO_COLOR", "1")], Color::Auto, true).color);
        assert!(with(&[("NO_COLOR", "")], Color::Auto, true).color);
        assert!(with(&[("NO_COLOR", "1")], Color::Always, false).color);
        assert!(!with(&[], Color::Never, true).color);
        assert!(!with(&[("TERM", "dumb")], Color::Auto, true).color);
        assert!(with(&[("CLICOLOR_FORCE", "1")], Color::Auto, false).color);
        let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
        assert!(!with(&both, Color::Auto, false).color);
    }

    #[test]
    fn what_cannot_be_written_is_told_by_where_it_goes() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let said = unwritten(&full);
        assert!(said.wrong.starts_with("standard output cannot be written"));
        assert!(!said.next.contains("doctor"), "{}", said.next);
    }

    #[test]
    fn characters_follow_the_locale() {
        assert!(with(&[("LANG", "C.UTF-8")], Color::Auto, false).unicode);
        assert!(with(&[("LANG", "de_DE.utf8")], Color::Auto, false).unicode);
        assert!(!with(&[], Color::Auto, false).unicode);
        let ascii = [("LC_ALL", "C"), ("LANG", "C.UTF-8")];
        assert!(!with(&ascii, Color::Auto, false).unicode);
        let empty = [("LC_ALL", ""), ("LANG", "C.UTF-8")];
        assert!(with(&empty, Color::Auto, false).unicode);
    }

    #[test]
    fn width_is_the_terminals_or_columns_or_eighty() {
        assert_eq!(with(&[], Color::Auto, false).width, 80);
        assert_eq!(with(&[("COLUMNS", "132")], Color::Auto, false).width, 132);
        assert_eq!(with(&[("COLUMNS", "many")], Color::Auto, false).width, 80);
        assert!(with(&[], Color::Auto, false).whole);
        assert!(!with(&[("COLUMNS", "80")], Color::Auto, false).whole);
        assert!(!with(&[], Color::Auto, true).whole);
        let env = |_: &str| Some(OsString::from("132"));
        assert_eq!(look(&env, Color::Auto, true, Some(101)).width, 101);
    }
}
