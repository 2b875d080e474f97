//! `cargo xtask`: the project's own scripts, so that there is one script language.
//!
//! Each verb is a module. What a verb checks is also a test, so that `cargo test` says the same.

mod gen_docs;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own scripts.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Check the house rules over the tracked files
    Tidy,
    /// Write the reference of the command line and the man pages
    GenDocs(gen_docs::Options),
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Tidy => tidy::run(),
        Verb::GenDocs(options) => gen_docs::run(&options),
    }
}
