//! `letgo man`: the manual pages, made from the help.

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Prints `letgo.1`, or writes it and one page a verb into a directory.
///
/// # Errors
/// Standard output or the directory cannot be written.
pub fn run(args: &ManArgs, terminal: &Terminal) -> Result<Exit> {
    let pages = pages()?;
    match &args.dir {
        Some(dir) => {
            for (name, page) in &pages {
                write(dir, name, page)?;
            }
        }
        None => {
            let first = pages.first().map(|(_, page)| page.as_str());
            terminal.print(first.unwrap_or_default())?;
        }
    }
    Ok(Exit::Whole)
}

fn write(dir: &Path, name: &str, page: &str) -> Result<(), Complaint> {
    let path = dir.join(format!("{name}.1"));
    std::fs::write(&path, page).map_err(|error| {
        Complaint::no_report(
            format!("cannot write {}: {error}", path.display()),
            "give --dir a directory that exists and may be written to",
        )
    })
}

/// Name and text of each page, that of letgo itself first.
///
/// # Errors
/// A page is not text.
pub fn pages() -> Result<Vec<(String, String)>> {
    let mut letgo = Cli::command();
    letgo.build();
    let verbs = letgo
        .get_subcommands()
        .map(|verb| (format!("letgo-{}", verb.get_name()), verb.clone()));
    let verbs: Vec<(String, Command)> = verbs.collect();
    let all = std::iter::once(("letgo".to_string(), letgo)).chain(verbs);
    all.map(|(name, command)| {
        let page = page(command).with_context(|| format!("cannot draw {name}.1"))?;
        Ok((name, page))
    })
    .collect()
}

/// What the formatter begins with: an apostrophe that stays one when it is copied.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

fn page(command: Command) -> Result<String> {
    let extra = command.get_after_help().map(ToString::to_string);
    let version = concat!("letgo ", env!("CARGO_PKG_VERSION"));
    let has_verbs = command.has_subcommands();
    let man = Man::new(command).manual("letgo").source(version);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_verbs {
        man.render_subcommands_section(&mut page)?;
    }
    // Each section brings the preamble along; once is enough.
    let page = String::from_utf8(page)?;
    let mut page = PREAMBLE.to_string() + &page.replace(PREAMBLE, "");
    for paragraph in extra.unwrap_or_default().split("\n\n") {
        section(&mut page, paragraph);
    }
    if !has_verbs {
        page += ".SH \"SEE ALSO\"\nletgo(1)\n";
    }
    Ok(page)
}

/// A paragraph of the help as a section: with a title it keeps its lines.
fn section(page: &mut String, paragraph: &str) {
    match paragraph.split_once(":\n") {
        Some((title, lines)) => {
            let title = title.to_uppercase();
            *page += &format!(".SH \"{title}\"\n.nf\n{}\n.fi\n", escaped(lines));
        }
        None => *page += &format!(".SH NOTES\n{}\n", escaped(paragraph)),
    }
}

/// Text that roff takes as it is.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    let lines = text.lines().map(|line| match line.chars().next() {
        Some('.' | '\'') => format!("\\&{line}"),
        _ => line.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
