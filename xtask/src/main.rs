//! `cargo xtask`: the project's own scripts, so that there is one script language.
//!
//! Each verb is a module. What a verb checks is also a test, so that `cargo test` says the same.

mod gen_docs;
mod layouts;
mod matrix;
mod picture;
mod record_case;
mod runtime_deps;
mod tidy;
mod toolchain;

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
    /// Write the offset tables that stripped binaries need
    Layouts(layouts::Options),
    /// Record a small target for the tests that run without Go
    RecordCase(record_case::Options),
    /// Read every release and kind of build, and write the table of differences
    Matrix(matrix::Options),
    /// Draw what a terminal shows, read from standard input, as an SVG
    Picture(picture::Options),
    /// List what we rely on of the Go runtime, and check toolchains for it
    #[command(subcommand)]
    RuntimeDeps(runtime_deps::Verb),
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Tidy => tidy::run(),
        Verb::GenDocs(options) => gen_docs::run(&options),
        Verb::Layouts(options) => layouts::run(&options),
        Verb::Matrix(options) => matrix::run(&options),
        Verb::Picture(options) => picture::run(&options),
        Verb::RecordCase(options) => record_case::run(&options),
        Verb::RuntimeDeps(verb) => runtime_deps::run(&verb),
    }
}
