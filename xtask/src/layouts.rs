//! `cargo xtask layouts`: the offset tables that stripped binaries need.
//!
//! For each toolchain, builds the smallest program with each experiment that the sources of the
//! runtime ask about, and writes one table for the defaults and one for each experiment that
//! changes what we read. Experiments that change nothing are noted, so that a program built with
//! one finds its release's table.
//!
//! A patch release may change what we read (1.23 did): then the table of the first patch that
//! differs has its own key (`go1.23.5`), see [`runtime_deps`](crate::runtime_deps).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use letgo_gobin::GoVersion;
use letgo_goruntime::layout;

use crate::tidy::root;
use crate::toolchain::Toolchain;

/// Where the tables go, from the repository's root.
const FOLDER: &str = "crates/goruntime/layouts";
/// The list of tables, from the repository's root.
const LIST: &str = "crates/goruntime/src/layout/embedded.rs";

/// Experiments that change what we read and have no table: they are for debugging the runtime
/// itself, whose programs have DWARF.
const UNTABLED: [&str; 1] = ["staticlockranking"];

/// Options of `cargo xtask layouts`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Toolchains: releases (`go1.25.14`) or paths of `go` commands; a table's key has the patch
    /// where `=KEY` follows (`go1.23.5=go1.23.5`)
    #[arg(required = true)]
    toolchains: Vec<String>,
    /// Only the tables that are there: an experiment that changed nothing is not built again
    #[arg(long)]
    known: bool,
}

/// Writes the tables of these toolchains and the list of all tables.
///
/// # Errors
/// Where a toolchain does not build, or lacks something that we need.
pub(crate) fn run(options: &Options) -> Result<()> {
    for text in &options.toolchains {
        let (toolchain, key) = match text.split_once('=') {
            Some((toolchain, key)) => (toolchain, Some(key)),
            None => (text.as_str(), None),
        };
        let toolchain = Toolchain::parse(toolchain);
        match options.known {
            true => write_known(&toolchain, key)?,
            false => write_tables(&toolchain, key)?,
        }
    }
    let list = list(&root().join(FOLDER))?;
    fs::write(root().join(LIST), list).with_context(|| LIST)
}

/// Writes the tables of one toolchain that are there already.
fn write_known(toolchain: &Toolchain, key: Option<&str>) -> Result<()> {
    let folder = root().join(FOLDER);
    let (version, default) = toolchain.layouts(&[])?;
    let key = key.map_or_else(|| format!("go1.{}", version.minor), str::to_owned);
    write_table(&folder, &key, &version, &default.to_text())?;
    for experiment in experiments(&toolchain.goroot()?)? {
        let key = format!("{key}-{experiment}");
        if folder.join(format!("{key}.txt")).exists() {
            let (version, layouts) = toolchain.layouts(&[&experiment])?;
            write_table(&folder, &key, &version, &layouts.to_text())?;
        }
    }
    Ok(())
}

/// Writes the tables of one toolchain.
fn write_tables(toolchain: &Toolchain, key: Option<&str>) -> Result<()> {
    let (version, default) = toolchain.layouts(&[])?;
    let key = key.map_or_else(|| format!("go1.{}", version.minor), str::to_owned);
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    write_table(&folder, &key, &version, &default.to_text())?;
    let mut neutral = BTreeSet::new();
    for experiment in experiments(&toolchain.goroot()?)? {
        if UNTABLED.contains(&experiment.as_str()) {
            continue;
        }
        match toolchain.layouts(&[&experiment]) {
            Ok((_, layouts)) if layouts == default => {
                neutral.insert(plain(&experiment).to_owned());
            }
            Ok((version, layouts)) => {
                let key = format!("{key}-{experiment}");
                write_table(&folder, &key, &version, &layouts.to_text())?;
            }
            Err(error) => println!("{key} {experiment}: left out: {error:#}"),
        }
    }
    let unread = others(&toolchain.goroot()?, &neutral)?;
    neutral.extend(unread);
    let names: Vec<String> = neutral.into_iter().collect();
    fs::write(
        folder.join(format!("{key}.neutral")),
        names.join("\n") + "\n",
    )?;
    Ok(())
}

fn write_table(folder: &Path, key: &str, version: &GoVersion, text: &str) -> Result<()> {
    let path = folder.join(format!("{key}.txt"));
    let (format, rest) = text.split_once('\n').context("a table without lines")?;
    let text = format!("{format}\n# From the DWARF of a program built by {version}.\n{rest}");
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    println!("{key}");
    Ok(())
}

/// An experiment's name without `no`.
fn plain(experiment: &str) -> &str {
    experiment.strip_prefix("no").unwrap_or(experiment)
}

/// All experiments of a toolchain, lower case, and whether each is on by default.
///
/// Source: src/internal/goexperiment/flags.go, `Flags`; src/internal/buildcfg/exp.go, `baseline`.
fn all(goroot: &Path) -> Result<BTreeMap<String, bool>> {
    let read = |path: &str| -> Result<String> {
        let path = goroot.join("src/internal").join(path);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let flags = read("goexperiment/flags.go")?;
    let baseline = read("buildcfg/exp.go")?;
    let flags = between(&flags, "type Flags struct {", "\n}");
    let baseline = between(&baseline, "baseline := goexperiment.Flags{", "\n\t}");
    let mut all = BTreeMap::new();
    for line in flags.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some("bool")) = (words.next(), words.next()) {
            let on = baseline.lines().any(|line| {
                let line = line.trim_start();
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(':') && !rest.contains("false"))
            });
            all.insert(name.to_lowercase(), on);
        }
    }
    Ok(all)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).map_or("", |parts| parts.1);
    rest.split_once(end).map_or(rest, |parts| parts.0)
}

/// Experiments that the runtime's sources ask about, each spelt so that it differs from the
/// default.
fn experiments(goroot: &Path) -> Result<Vec<String>> {
    /// Part of the ABI on amd64: cannot be switched off, or stops programs from building.
    const FIXED: [&str; 3] = ["regabiwrappers", "regabiargs", "fieldtrack"];
    let mut sources = String::new();
    for folder in ["src/runtime", "src/internal/runtime", "src/internal/abi"] {
        collect(&goroot.join(folder), &mut sources)?;
    }
    let sources = sources.to_lowercase();
    Ok(all(goroot)?
        .into_iter()
        .filter(|(name, _)| !FIXED.contains(&name.as_str()))
        .filter(|(name, _)| sources.contains(&format!("goexperiment.{name}")))
        .map(|(name, on)| if on { format!("no{name}") } else { name })
        .collect())
}

/// Experiments that the runtime's sources do not ask about.
fn others(goroot: &Path, known: &BTreeSet<String>) -> Result<Vec<String>> {
    let asked = experiments(goroot)?;
    let asked: BTreeSet<&str> = asked.iter().map(|name| plain(name)).collect();
    Ok(all(goroot)?
        .into_keys()
        .filter(|name| !asked.contains(name.as_str()) && !known.contains(name))
        .collect())
}

/// Appends all Go sources under `folder` that are no tests; a folder that is not there is empty.
fn collect(folder: &Path, sources: &mut String) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            collect(&path, sources)?;
        } else if name.ends_with(".go") && !name.ends_with("_test.go") {
            sources.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The Rust source that embeds every table of `folder`.
pub(crate) fn list(folder: &Path) -> Result<String> {
    let mut keys: Vec<(PathBuf, String)> = Vec::new();
    let mut neutral: Vec<(u32, Vec<String>)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match path.extension().and_then(|name| name.to_str()) {
            Some("txt") => keys.push((path.clone(), stem.into_owned())),
            Some("neutral") => {
                let names = fs::read_to_string(&path)?;
                let names = names.lines().map(str::to_owned).collect();
                let (minor, _) = layout::key_release(&stem).context("a key without a release")?;
                neutral.push((minor, names));
            }
            _ => {}
        }
    }
    keys.sort_by_key(|(_, key)| (layout::key_release(key), key.clone()));
    neutral.sort();
    neutral.dedup_by_key(|row| row.0);
    let mut text = String::from(
        "//! Written by `cargo xtask layouts`: the tables, and the experiments that change nothing.\n\n\
         /// Key and text of each table, by release.\n\
         pub(super) const TABLES: &[(&str, &str)] = &[\n",
    );
    for (_, key) in &keys {
        let file = format!("../../layouts/{key}.txt");
        writeln!(
            text,
            "    (\n        \"{key}\",\n        include_str!(\"{file}\"),\n    ),"
        )?;
    }
    text.push_str(
        "];\n\n/// Release and its experiments that leave alone what we read.\n\
         pub(super) const NEUTRAL: &[(u32, &[&str])] = &[\n",
    );
    for (minor, names) in &neutral {
        writeln!(text, "    (\n        {minor},\n        &[")?;
        for name in names {
            writeln!(text, "            \"{name}\",")?;
        }
        text.push_str("        ],\n    ),\n");
    }
    text.push_str("];\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_embedded() {
        let list = list(&root().join(FOLDER)).unwrap();
        let now = fs::read_to_string(root().join(LIST)).unwrap();
        // rustfmt breaks lines otherwise, and with them puts or leaves out commas.
        let words = |text: &str| {
            text.replace(',', " ")
                .split_whitespace()
                .collect::<String>()
        };
        assert_eq!(words(&list), words(&now), "run `cargo xtask layouts`");
    }
}
