//! Frozen copies of real programs: that they are of one instant, that the program does not notice,
//! and that nothing is left, whenever letgo is killed.
//!
//! `LETGO_TIER=matrix` takes every release and kind; `LETGO_SOAK=full` makes 10,000 copies and
//! kills letgo at every step more often.

mod consistency;
mod killing;
mod living;
mod refusing;
mod soak;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use letgo::frozen::gadgets;
use letgo::inspect::Opened;
use letgo_linux::FrozenCopy;
use letgo_linux::process::{Stat, Status};
use letgo_testkit::{
    Case, Figures, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Tier, VERSIONS,
    forbidden, note_skip,
};

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
/// Long enough on any machine: how fast it is is no matter here.
const MOST: Duration = Duration::from_secs(30);
/// After which a wait has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether programs can be copied here; says so loudly where not.
fn may_copy(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

fn cases() -> Vec<Case> {
    let case = |version, kind| Case { version, kind };
    let kinds = || [Kind::plain(), Kind::stripped_pie(), Kind::cgo()];
    match Tier::from_env() {
        Tier::Test => vec![
            case(OLDEST_GO, Kind::plain()),
            case(MIDDLE_GO, Kind::stripped_pie()),
            case(NEWEST_GO, Kind::stripped_pie()),
            case(NEWEST_GO, Kind::cgo()),
        ],
        Tier::Matrix => VERSIONS
            .iter()
            .flat_map(|version| kinds().map(|kind| case(version, kind)))
            .collect(),
    }
}

fn newest(args: &[&str]) -> Patient {
    let kind = Kind::stripped_pie();
    patient(
        &Case {
            version: NEWEST_GO,
            kind,
        },
        args,
        &[],
    )
}

fn patient(case: &Case, args: &[&str], env: &[(&str, &Path)]) -> Patient {
    let recipe = Recipe::new("copied")
        .go(case.version)
        .kind(case.kind.clone())
        .arg("-minutes=120");
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    let recipe = env
        .iter()
        .fold(recipe, |recipe, (name, value)| recipe.env(*name, *value));
    recipe.start().unwrap()
}

/// A copy of a patient, without a watchdog: we are not the program that one is.
fn copy(patient: &Patient) -> FrozenCopy {
    copy_of(&Opened::open(patient.pid()).unwrap())
}

fn copy_of(opened: &Opened) -> FrozenCopy {
    FrozenCopy::make(&opened.process, &gadgets(opened).unwrap(), MOST).unwrap()
}

fn stats(patient: &mut Patient) -> Figures {
    let mut lines = patient.command("stats").unwrap().into_iter();
    let line = lines.find(|line| line.kind == "truth");
    line.unwrap().figures
}

/// `letgo copy` with further arguments and variables.
fn letgo(pid: u32, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(LETGO);
    command.arg("copy").arg(pid.to_string()).args(args);
    command.envs(env.iter().copied()).stdin(Stdio::null());
    command.output().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn read_stat(dir: &Path) -> Option<(Stat, Status)> {
    let text = |name: &str| fs::read_to_string(dir.join(name)).ok();
    let stat = Stat::parse(&text("stat")?).ok()?;
    Some((stat, Status::parse(&text("status")?)))
}

/// Children of a process that tell it of their end by no signal: copies, living or not.
fn copies_of(pid: u32) -> Vec<(u32, char)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        let (stat, _) = read_stat(&entry.path())?;
        let is = stat.parent == pid && stat.exit_signal == Some(0);
        is.then_some((child, stat.state))
    });
    found.collect()
}

/// Threads of a process that are traced, or block all signals as one does that is led through a
/// call.
fn led(pid: u32) -> usize {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let led = |status: &Status| status.tracer != 0 || status.blocked == !(1 << 8 | 1 << 18);
    let statuses = tasks.flatten().filter_map(|task| read_stat(&task.path()));
    statuses.filter(|(_, status)| led(status)).count()
}

/// Threads of a process that come before all usual ones.
fn lent(pid: u32) -> usize {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let stats = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let is_lent = |stat: &String| {
        let words = stat
            .rsplit_once(')')
            .map(|(_, words)| words.split_whitespace());
        let priority = words.and_then(|mut words| words.nth(15)?.parse::<i64>().ok());
        priority.is_some_and(|priority| priority < 0)
    };
    stats.filter(is_lent).count()
}

/// Nothing is left of any copy, and the program does what it is told.
fn is_unharmed(patient: &mut Patient, what: &str) {
    let pid = patient.pid();
    assert_eq!(copies_of(pid), [], "{what}");
    until(what, || led(pid) == 0);
    // What was lent to its threads has ended, whoever was killed.
    until(what, || lent(pid) == 0);
    let stats = stats(patient);
    assert_eq!(stats.get("failed"), 0, "{what}");
    assert_eq!(stats.get("corrupt"), 0, "{what}");
}
