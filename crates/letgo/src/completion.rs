//! `letgo completion`: scripts that let a shell complete letgo's verbs and options.

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, CompletionArgs, Shell};
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written, or the script is not text.
pub fn run(args: &CompletionArgs, terminal: &Terminal) -> Result<Exit> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "letgo", &mut script);
    terminal.print(&String::from_utf8(script)?)?;
    Ok(Exit::Whole)
}
