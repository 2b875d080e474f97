//! `cargo xtask matrix`: every Go release and kind of build, read by the built `letgo`.
//!
//! Each program reads its own `runtime.MemStats` and stops itself; letgo reads it; the sums are
//! compared with that and with the kernel's `smaps` (see `letgo_testkit`'s `Report`). Writes
//! `docs/matrix.md`. What cannot be built here is in the table, with the reason.
//!
//! The tests of the crate `letgo` compare the same, and fail; this makes the dated record.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use letgo_testkit::{
    ALLOCATED_MEANWHILE, Case, Kind, MOST_ANON, RELEASED_MEANWHILE, Read, Recipe, Tier, Trial,
    VERSIONS, cases, forbidden, sanitized_cases, try_stopped,
};

use crate::tidy::root;

/// The page, from the repository's root.
const PAGE: &str = "docs/matrix.md";

/// Figures of the table, beside what they must equal.
const COLUMNS: [&str; 15] = [
    "Rss",
    "unattributed",
    "Rss afterwards",
    "HeapInuse",
    "HeapIdle",
    "HeapSys",
    "StackInuse",
    "StackSys",
    "MSpanSys",
    "MCacheSys",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
    "HeapReleased",
    "HeapAlloc",
];

/// Options of `cargo xtask matrix`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The letgo to run; built now if not said
    #[arg(long, value_name = "PATH")]
    letgo: Option<PathBuf>,
    /// Only these releases (`1.24.13`); the page is not written then
    #[arg(long, value_name = "VERSION")]
    go: Vec<String>,
    /// Programs that are read at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// A program to read.
struct Entry {
    shape: &'static str,
    recipe: Recipe,
    case: Case,
}

/// What came of it.
enum Outcome {
    Read(Box<Read>),
    Refused(String),
    /// It cannot be built here, or could not be read at all.
    Skipped(String),
}

/// Reads everything and writes the page.
///
/// # Errors
/// Where any figure differs.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(why) = forbidden()? {
        bail!("other processes cannot be read here: {why}");
    }
    let letgo = match &options.letgo {
        Some(path) => path.clone(),
        None => build()?,
    };
    let mut plan = plan();
    if !options.go.is_empty() {
        plan.retain(|entry| options.go.iter().any(|go| go == entry.case.version));
    }
    let outcomes = read_all(&letgo, &plan, options.jobs.max(1));
    let wrong: Vec<String> = plan
        .iter()
        .zip(&outcomes)
        .filter_map(|(entry, outcome)| wrong(entry, outcome))
        .collect();
    if options.go.is_empty() {
        fs::write(root().join(PAGE), page(&plan, &outcomes, &wrong)?).context(PAGE)?;
        println!("{PAGE}");
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// letgo as it is released, built now.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root())
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--package",
            "letgo",
        ])
        .status()?;
    ensure!(status.success(), "letgo cannot be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root().join(target).join("release/letgo"))
}

fn plan() -> Vec<Entry> {
    let plain = cases(Tier::Matrix).into_iter().chain(sanitized_cases());
    let mut plan: Vec<Entry> = plain
        .map(|case| Entry {
            shape: "plain",
            recipe: Recipe::new("plain").arg("-mib=48"),
            case,
        })
        .collect();
    for (shape, arg) in [("goroutines", "-n=20000"), ("healthy", "-mib=64")] {
        plan.extend(VERSIONS.iter().map(|version| Entry {
            shape,
            recipe: Recipe::new(shape).arg(arg),
            case: Case {
                version,
                kind: Kind::plain(),
            },
        }));
    }
    plan
}

fn read_all(letgo: &std::path::Path, plan: &[Entry], jobs: usize) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, entry)) = take(&next, plan) {
                    let outcome = read(letgo, entry);
                    println!("{}", told(entry, &outcome));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn take<'a>(next: &AtomicUsize, plan: &'a [Entry]) -> Option<(usize, &'a Entry)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, plan.get(index)?))
}

fn read(letgo: &std::path::Path, entry: &Entry) -> Outcome {
    let Entry { recipe, case, .. } = entry;
    let built = recipe
        .clone()
        .go(case.version)
        .kind(case.kind.clone())
        .build();
    if let Err(error) = built {
        return Outcome::Skipped(format!("not built: {}", reason(&error)));
    }
    match try_stopped(letgo, recipe, case) {
        Ok(Trial::Read(read)) => Outcome::Read(read),
        Ok(Trial::Refused(said)) => Outcome::Refused(said),
        Err(error) => Outcome::Skipped(format!("not read: {}", reason(&error))),
    }
}

/// The innermost cause in one line; it is the compiler's own word, without our paths.
fn reason(error: &anyhow::Error) -> String {
    let cause = error.root_cause().to_string();
    let mut lines = cause.lines().filter(|line| !line.starts_with('#'));
    let line = lines.next_back().unwrap_or_default().trim();
    line.replace('|', "/")
}

/// What is wrong with one program: nothing where all figures are equal, or it was not built, or a
/// build with shadow memory was refused.
fn wrong(entry: &Entry, outcome: &Outcome) -> Option<String> {
    let name = format!("{} {}", entry.shape, entry.case);
    match outcome {
        Outcome::Read(read) if read.wrong().is_empty() => None,
        Outcome::Read(read) => Some(format!("{name}: {}", read.wrong().join("; "))),
        Outcome::Refused(_) if entry.case.kind.sanitizer.is_some() => None,
        Outcome::Refused(said) => Some(format!("{name}: {said}")),
        Outcome::Skipped(why) if why.starts_with("not built") => None,
        Outcome::Skipped(why) => Some(format!("{name}: {why}")),
    }
}

fn told(entry: &Entry, outcome: &Outcome) -> String {
    let verdict = match outcome {
        Outcome::Skipped(why) => why.clone(),
        Outcome::Refused(said) => format!("refused: {said}"),
        Outcome::Read(_) => wrong(entry, outcome).map_or("equal".into(), |what| what),
    };
    format!("{:10} {:40} {verdict}", entry.shape, entry.case.to_string())
}

fn page(plan: &[Entry], outcomes: &[Outcome], wrong: &[String]) -> Result<String> {
    let mut page = head(outcomes)?;
    let _ = write!(page, "\n| program | Go | kind | Rss, bytes |");
    for column in COLUMNS {
        let _ = write!(page, " {column} |");
    }
    let _ = writeln!(
        page,
        " maps.anon |\n|---|---|---|{}",
        "--:|".repeat(COLUMNS.len() + 2)
    );
    for (entry, outcome) in plan.iter().zip(outcomes) {
        if let Outcome::Read(read) = outcome {
            page.push_str(&line(entry, read));
        }
    }
    page.push_str("\n## Different\n\n");
    if wrong.is_empty() {
        page.push_str("Nothing.\n");
    }
    for what in wrong {
        let _ = writeln!(page, "- {what}");
    }
    page.push_str("\n## Not read\n\n");
    for (entry, outcome) in plan.iter().zip(outcomes) {
        if !matches!(outcome, Outcome::Read(_)) {
            let _ = writeln!(
                page,
                "- {}",
                told(entry, outcome)
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            );
        }
    }
    if outcomes
        .iter()
        .all(|outcome| matches!(outcome, Outcome::Read(_)))
    {
        page.push_str("Nothing: every program of the matrix was built and read.\n");
    }
    Ok(page)
}

fn line(entry: &Entry, read: &Read) -> String {
    let Case { version, kind } = &entry.case;
    let rss = read.row("Rss").map_or(0, |row| row.theirs);
    let mut line = format!("| {} | {version} | {kind} | {rss} |", entry.shape);
    for column in COLUMNS {
        let difference = read.row(column).map(letgo_testkit::Row::difference);
        let _ = match difference {
            None => write!(line, " |"),
            Some(0) => write!(line, " 0 |"),
            Some(difference) => write!(line, " {difference:+} |"),
        };
    }
    let anon = read.row("maps.anon").map(|row| row.ours.to_string());
    let _ = writeln!(line, " {} |", anon.as_deref().unwrap_or("-"));
    line
}

fn head(outcomes: &[Outcome]) -> Result<String> {
    let read: Vec<&Read> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Read(read) => Some(&**read),
            _ => None,
        })
        .collect();
    let first = read.first().context("nothing was read")?;
    let at = first.report.at("/taken/at").and_then(|at| at.as_str());
    let date = at
        .and_then(|at| at.get(..10))
        .context("the report has no date")?;
    let repeated: usize = read.iter().map(|read| read.repeated).sum();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let mut head = format!(
        "\
# Every release and kind of build, beside the kernel and the runtime

Written by `cargo xtask matrix` (`make matrix`); do not edit.

{date}, letgo {}, Linux {}, {cores} cores. {} programs were read.

Each program reads its own `runtime.MemStats` and stops itself with SIGSTOP as the very next thing;
then `letgo why PID -o json` reads it. Each number is a difference in bytes, ours less theirs:
",
        revision()?,
        kernel.trim(),
        read.len()
    );
    let _ = write!(
        head,
        "
- *Rss*: the sum of the tree's leaves, less `Rss` of `smaps`. *Rss afterwards*: `Rss` after the
  reading, less before: what letgo faulted in.
- *unattributed*: resident bytes without an owner.
- Columns by their names in `runtime.MemStats`: virtual bytes of the leaves, less the program's own
  figure. *StackInuse* is the counter that letgo reads.
- *HeapReleased* may be up to {RELEASED_MEANWHILE} more: the background scavenger returns memory
  between the program's look and its stop. *HeapAlloc* may be up to {ALLOCATED_MEANWHILE} more.
- *maps.anon* is no difference but all anonymous memory outside of the runtime, of which a pure Go
  program may have {MOST_ANON}; with C code it is not compared.

Also compared, and in the list below where wrong: each parent with the sum of its children, the
counters that letgo reads (`NextGC`, `NumGC`, goroutines) with the program's own, the tree with the
counters in the program's memory, `Swap`, and that the report calls itself complete.
A program that moved between its own look and its stop was started anew; {repeated} were.
"
    );
    Ok(head)
}

/// Which letgo this is.
fn revision() -> Result<String> {
    let git = |args: &[&str]| Command::new("git").current_dir(root()).args(args).output();
    let output = git(&["rev-parse", "--short", "HEAD"])?;
    ensure!(
        output.status.success(),
        "git does not say which revision this is"
    );
    let revision = String::from_utf8(output.stdout)?.trim().to_owned();
    let clean = git(&["diff", "--quiet", "HEAD", "--", "crates"])?
        .status
        .success();
    let changed = if clean { "" } else { " with changes" };
    Ok(format!(
        "{}, {revision}{changed}",
        env!("CARGO_PKG_VERSION")
    ))
}
