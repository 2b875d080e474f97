//! `cargo xtask runtime-deps`: what of the Go runtime we rely on, and whether a toolchain has it.
//!
//! `list` writes `docs/reference/runtime-deps.md` from the declarations. `check` builds the
//! smallest program by each toolchain and compares its DWARF with the table that a stripped
//! program of that version would get.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use letgo_gobin::{GoVersion, Layouts};
use letgo_goruntime::layout::{self, Origin};

use crate::tidy::root;
use crate::toolchain::Toolchain;

/// The page, from the repository's root.
const PAGE: &str = "docs/reference/runtime-deps.md";

const HEAD: &str = "\
# What letgo relies on of the Go runtime

Written by `cargo xtask runtime-deps list` from the declarations in
`crates/goruntime/src/layout/structs.rs`; do not edit. `cargo xtask runtime-deps check TOOLCHAIN...`
says whether a toolchain has it all and where.

*needed*: letgo cannot read a program without it. *optional*: some releases do not have it.
Other names are those of other releases. Widths are bytes that letgo can decode; a dash is any.
";

/// Verbs of `cargo xtask runtime-deps`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Verb {
    /// Write the list of structures and fields that we rely on
    List {
        /// Write nothing; fail where the list is stale
        #[arg(long)]
        check: bool,
    },
    /// Compare toolchains with the tables
    Check {
        /// Releases (`go1.25.14`) or paths of `go` commands
        #[arg(required = true)]
        toolchains: Vec<String>,
        /// Build with these experiments too, one at a time
        #[arg(long, value_name = "NAME")]
        experiment: Vec<String>,
    },
}

/// Runs a verb.
///
/// # Errors
/// Where the page is stale, or a toolchain does not fit its table.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::List { check } => list(*check),
        Verb::Check {
            toolchains,
            experiment,
        } => check(toolchains, experiment),
    }
}

fn list(check: bool) -> Result<()> {
    let path = root().join(PAGE);
    let page = page();
    if check {
        let now = fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            now == page,
            "{PAGE} is stale: run `cargo xtask runtime-deps list`"
        );
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("the page has no folder")?)?;
    fs::write(&path, page).with_context(|| PAGE)?;
    println!("{PAGE}");
    Ok(())
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for dep in layout::dependencies() {
        let presence = if dep.needed { "needed" } else { "optional" };
        let why = dep.why.split_whitespace().collect::<Vec<_>>().join(" ");
        let [first, others @ ..] = dep.fields else {
            let _ = write!(page, "\n## `{}`\n\n{presence}. {why}\n", dep.structure);
            page.push_str("\n| field | other names | bytes | presence | what for |\n");
            page.push_str("|---|---|---|---|---|\n");
            continue;
        };
        let code = |name: &&str| format!("`{name}`");
        let others: Vec<String> = others.iter().map(code).collect();
        let widths: Vec<String> = dep.widths.iter().map(u32::to_string).collect();
        let widths = if widths.is_empty() {
            "-".to_owned()
        } else {
            widths.join(" or ")
        };
        let _ = writeln!(
            page,
            "| `{first}` | {} | {widths} | {presence} | {why} |",
            others.join(", ")
        );
    }
    page
}

fn check(toolchains: &[String], experiments: &[String]) -> Result<()> {
    println!("| version | table | structures | fields | differences |");
    println!("|---|---|---|---|---|");
    let mut failed = 0;
    for text in toolchains {
        let toolchain = Toolchain::parse(text);
        let sets =
            std::iter::once(vec![]).chain(experiments.iter().map(|name| vec![name.as_str()]));
        for set in sets {
            match toolchain.layouts(&set) {
                Ok((version, layouts)) => failed += usize::from(!row(&version, &layouts)?),
                Err(error) => {
                    failed += 1;
                    let error = format!("{error:#}").replace('\n', " ");
                    println!("| {text} {} | | | | {error} |", set.join(","));
                }
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of them do not fit their table");
    }
    Ok(())
}

/// Prints one line; whether the toolchain fits its table.
fn row(version: &GoVersion, layouts: &Layouts) -> Result<bool> {
    let choice = layout::choose(version)?;
    let (key, exact) = match &choice.origin {
        Origin::Table(key) => (key.clone(), true),
        Origin::ShapeOnly(key) => (format!("{key} (by shape only)"), false),
        Origin::Dwarf => ("DWARF".to_owned(), false),
    };
    let differences = differences(layouts, &choice.layouts);
    let fields: usize = layouts.iter().map(|(_, layout)| layout.fields.len()).sum();
    let told = match differences.as_slice() {
        [] => "none".to_owned(),
        [first] => first.clone(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    };
    println!(
        "| {version} | {key} | {} | {fields} | {told} |",
        layouts.iter().count()
    );
    Ok(exact && differences.is_empty())
}

/// What is elsewhere, or not there, in one of two layouts.
fn differences(found: &Layouts, table: &Layouts) -> Vec<String> {
    let mut told = Vec::new();
    for dep in layout::dependencies() {
        let place = |layouts: &Layouts| {
            let layout = layouts.get(dep.structure)?;
            if dep.fields.is_empty() {
                return Some((0, layout.size));
            }
            let field = dep.fields.iter().find_map(|name| layout.field(name))?;
            Some((field.offset, field.size))
        };
        let (now, then) = (place(found), place(table));
        if now != then {
            let field = dep.fields.first().copied().unwrap_or("(size)");
            told.push(format!("`{}.{field}` {then:?} -> {now:?}", dep.structure));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_not_stale() {
        let now = fs::read_to_string(root().join(PAGE)).unwrap();
        assert_eq!(now, page(), "run `cargo xtask runtime-deps list`");
    }

    #[test]
    fn a_field_that_moved_is_told() {
        let table = layout::choose(&"go1.27.1".parse().unwrap())
            .unwrap()
            .layouts;
        assert!(differences(&table, &table).is_empty());
        let older = layout::choose(&"go1.21.1".parse().unwrap())
            .unwrap()
            .layouts;
        let told = differences(&older, &table);
        assert!(
            told.iter()
                .any(|line| line.contains("runtime.mspan.nelems"))
        );
    }
}
