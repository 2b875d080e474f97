//! `cargo xtask picture`: what a terminal shows, as an SVG for the README.
//!
//! Reads a program's output with its colours from standard input. Draws nothing of its own.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use anstyle_svg::Term;
use anyhow::{Context, Result};
use clap::Args;

/// Arguments of `cargo xtask picture`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The SVG to write
    out: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut shown = String::new();
    io::stdin()
        .read_to_string(&mut shown)
        .context("reading what to draw")?;
    let svg = Term::new().render_svg(shown.trim_end());
    if let Some(dir) = options.out.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&options.out, svg).with_context(|| format!("writing {}", options.out.display()))
}
