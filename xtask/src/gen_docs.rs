//! `cargo xtask gen-docs`: the reference of the command line, from the command line itself.
//!
//! Writes `docs/reference/cli.md`, and man pages into a folder that is asked for. What `--help`
//! says is the source; nothing is written by hand. A test fails when the page is stale.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::{Command, CommandFactory};

use crate::tidy::root;

/// The page, from the repository's root.
const PAGE: &str = "docs/reference/cli.md";
/// Columns that help is wrapped to, whatever the terminal.
const COLUMNS: usize = 80;

const HEAD: &str = "\
# Command line

What `letgo --help` and the help of each verb say. Written by `cargo xtask gen-docs`; do not edit.
";

/// Options of `cargo xtask gen-docs`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Write nothing; fail where the page is stale
    #[arg(long)]
    check: bool,
    /// Write man pages into this folder as well
    #[arg(long, value_name = "DIR")]
    man: Option<std::path::PathBuf>,
}

/// Writes the page, or checks it.
///
/// # Errors
/// Where a file cannot be written, or with `--check` where the page is stale.
pub(crate) fn run(options: &Options) -> Result<()> {
    let path = root().join(PAGE);
    let page = page();
    if options.check {
        let now = fs::read_to_string(&path).unwrap_or_default();
        ensure!(now == page, "{PAGE} is stale: run `cargo xtask gen-docs`");
    } else {
        let folder = path.parent().context("the page has no folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, page).with_context(|| PAGE)?;
        println!("{PAGE}");
    }
    match &options.man {
        Some(folder) => write_man_pages(folder),
        None => Ok(()),
    }
}

/// Writes `letgo.1` and one page a verb.
fn write_man_pages(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, page) in letgo::man::pages()? {
        fs::write(folder.join(format!("{name}.1")), page)?;
    }
    println!("{}", folder.display());
    Ok(())
}

/// The command line with everything filled in that clap computes late.
fn command() -> Command {
    let mut command = letgo::cli::Cli::command().term_width(COLUMNS);
    command.build();
    command
}

fn page() -> String {
    let mut page = String::from(HEAD);
    push(&mut page, &mut command(), "letgo");
    page
}

/// Adds the help of `command`, then that of its verbs.
fn push(page: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    let lines = help.lines().map(str::trim_end);
    let text = lines.collect::<Vec<_>>().join("\n");
    // Writing into a string cannot fail.
    let _ = writeln!(page, "\n## `{name}`\n\n```text\n{}\n```", text.trim_end());
    for verb in command.get_subcommands_mut() {
        let verb_name = verb.get_name().to_owned();
        if verb_name != "help" && !verb.is_hide_set() {
            push(page, verb, &format!("{name} {verb_name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_the_command_line_is_fresh() {
        let now = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
        assert!(now == page(), "{PAGE} is stale: run `cargo xtask gen-docs`");
    }
}
