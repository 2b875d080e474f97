//! `letgo tune`: sets GOGC and the memory limit of a running process, at once and lastingly.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use letgo_goruntime::{ControlState, heap_goal, heap_minimum};
use letgo_govern::tune::{self, Ask, GcPercent, Refused};
use letgo_govern::{Actuator, Knob, Running, Store};
use letgo_linux::write::{Outcome, Restored};
use letgo_report as out;
use letgo_report::units;

use crate::cli::{Output, SettingArgs, TuneArgs};
use crate::complaint::Complaint;
use crate::control::{self, Control};
use crate::exit::Exit;
use crate::inspect::{self, Opened, Surroundings};
use crate::progress::Progress;
use crate::select::{self, ThisHost};
use crate::terminal::Terminal;
use crate::{own, signals};

/// How long a running cycle is let end before anything is written.
const CYCLE: Duration = Duration::from_secs(10);
/// How often that is looked at.
const POLL: Duration = Duration::from_millis(1);

/// Sets one process and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &TuneArgs, terminal: &Terminal) -> Result<Exit> {
    let pid = select::resolve(&args.selection, &ThisHost)?;
    let progress = Progress::new(terminal);
    progress.step("reading the executable");
    let mut opened = Opened::open(pid)?;
    let report = if args.dry_run {
        dry_run(&mut opened, args)?
    } else {
        let mut hands = Control::take(&mut opened, "tune", false)?;
        let report = if args.undo {
            undo(&mut hands, &opened)
        } else {
            set(&mut hands, &opened, args)
        };
        hands.let_go();
        report?
    };
    drop(progress);
    terminal.print(&match args.output {
        Output::Text => out::text::tune(&report, terminal.stdout),
        Output::Json => out::json(&report)?,
    })?;
    Ok(if report.verified {
        Exit::Whole
    } else {
        Exit::Attention
    })
}

fn begin(opened: &Opened, state: &ControlState) -> out::TuneReport {
    let around = Surroundings::of(&opened.process);
    out::TuneReport {
        schema: out::TuneReport::SCHEMA.into(),
        letgo: own::cost(),
        target: inspect::target(&opened.program, &around),
        at: units::rfc3339(SystemTime::now()),
        dry_run: false,
        before: settings(state),
        after: settings(state),
        stores: Vec::new(),
        undone: false,
        forced: false,
        verified: true,
        notes: Vec::new(),
    }
}

fn settings(state: &ControlState) -> out::Settings {
    let goal = state.gc_percent_heap_goal;
    out::Settings {
        gc_percent: u64::try_from(state.gc_percent).ok(),
        memory_limit: inspect::memory_limit(state.memory_limit),
        heap_goal: Some(goal).filter(|goal| state.gc_percent >= 0 && *goal < 1 << 48),
        live_heap_bytes: state.heap_marked,
    }
}

/// What a GOGC makes of the pacer's words, with what the last cycle left.
fn words(percent: i32, state: &ControlState) -> GcPercent {
    let heap_minimum = heap_minimum(percent);
    let heap_goal = if percent < 0 {
        u64::MAX
    } else {
        heap_goal(
            percent,
            state.heap_marked,
            state.last_stack_scan,
            state.globals_scan,
            heap_minimum,
        )
    };
    GcPercent {
        percent,
        heap_minimum,
        heap_goal,
    }
}

fn plan(state: &ControlState, settings: SettingArgs, force: bool) -> Result<Vec<Store>, Complaint> {
    let look = control::look_of(state, 0, 0);
    let ask = Ask {
        gc_percent: settings.gogc.map(|percent| words(percent, state)),
        memory_limit: settings.limit,
        force,
    };
    tune::plan(&look, &ask).map_err(|refused| complaint(&refused))
}

fn complaint(refused: &Refused) -> Complaint {
    let size = |bytes: u64| units::bytes(bytes);
    let (wrong, next) = match *refused {
        Refused::LimitTooLow { limit, least } => (
            format!(
                "a limit of {} leaves too little room: 1.3 x the live heap and what is not heap \
                 are {}",
                size(limit),
                size(least)
            ),
            format!(
                "Take --limit {}MiB or more, or --force where you know better; below it the program \
                 does little else than collect",
                least.div_ceil(1 << 20)
            ),
        ),
        Refused::OffWithoutLimit => (
            "GOGC=off without a memory limit would never collect".into(),
            "Give both: --gogc off --limit SIZE; or turn GOGC on before the limit goes".into(),
        ),
        Refused::GcPercentBeyond { percent } => (
            format!("a GOGC of {percent} is beyond what is sane, 10 to 1000"),
            "Add --force where you know better".into(),
        ),
    };
    Complaint::no_report(wrong, next)
}

fn dry_run(opened: &mut Opened, args: &TuneArgs) -> Result<out::TuneReport, Complaint> {
    let memory = opened.memory()?;
    let runtime = opened.program.attach(&memory)?;
    let (controls, state) = control::controls(&runtime, &memory)?;
    let mut report = begin(opened, &state);
    report.dry_run = true;
    let look = control::look_of(&state, 0, 0);
    for store in plan(&state, args.settings, args.force)? {
        let variable = control::variable(store.knob);
        report.stores.push(out::StoreReport {
            variable: variable.name().into(),
            address: controls.place(variable).addr.to_string(),
            old: format!("{:#x}", look.bits(store.knob)),
            new: format!("{:#x}", store.bits),
            lasting: store.lifetime == letgo_govern::Lifetime::Lasting,
        });
        show(&mut report.after, &store);
    }
    Ok(report)
}

/// What a store would show as.
fn show(settings: &mut out::Settings, store: &Store) {
    let value = store.bits.cast_signed();
    match store.knob {
        Knob::GcPercent => settings.gc_percent = u64::try_from(value).ok(),
        Knob::MemoryLimit => settings.memory_limit = inspect::memory_limit(value),
        Knob::GcPercentHeapGoal => {
            settings.heap_goal = Some(store.bits).filter(|goal| *goal < 1 << 48);
        }
        _ => {}
    }
}

fn set(
    hands: &mut Control,
    opened: &Opened,
    args: &TuneArgs,
) -> Result<out::TuneReport, Complaint> {
    let pid = opened.process.pid();
    let failed = |error| control::complaint(&error, pid);
    let_cycle_end(hands, pid)?;
    let mut report = begin(opened, hands.state());
    let stores = plan(hands.state(), args.settings, args.force)?;
    for store in &stores {
        hands.look().map_err(failed)?;
        hands.store(store).map_err(failed)?;
    }
    hands.look().map_err(failed)?;
    let state = *hands.state();
    report.after = settings(&state);
    report.forced = args.force;
    report.verified = stands(&state, args.settings);
    fill(&mut report, hands);
    Ok(report)
}

/// Whether the settings are there and the goal is what the pacer makes of them: either ours, or
/// that of a cycle that ended since.
fn stands(state: &ControlState, asked: SettingArgs) -> bool {
    let gogc = asked.gogc.is_none_or(|percent| {
        let words = words(percent, state);
        let goal = state.gc_percent_heap_goal == words.heap_goal || state.gc_phase != 0;
        state.gc_percent == percent && state.heap_minimum == words.heap_minimum && goal
    });
    gogc && asked.limit.is_none_or(|limit| state.memory_limit == limit)
}

/// Whatever is under way computes the goal anew when it ends; so it is let end first.
fn let_cycle_end(hands: &mut Control, pid: u32) -> Result<(), Complaint> {
    let began = Instant::now();
    loop {
        let look = hands
            .look()
            .map_err(|error| control::complaint(&error, pid))?;
        if !look.gc_running {
            return Ok(());
        }
        if began.elapsed() > CYCLE || signals::caught() {
            return Err(Complaint::no_report(
                format!("a GC of process {pid} runs and does not end"),
                "Nothing was written; try again later",
            ));
        }
        hands.wait(POLL);
    }
}

fn fill(report: &mut out::TuneReport, hands: &Control) {
    let made = hands.made.iter();
    report.stores = made
        .map(|made| out::StoreReport {
            variable: made.variable.into(),
            address: made.addr.to_string(),
            old: made.old.to_string(),
            new: made.new.to_string(),
            lasting: made.lasting,
        })
        .collect();
}

fn undo(hands: &mut Control, opened: &Opened) -> Result<out::TuneReport, Complaint> {
    let pid = opened.process.pid();
    let failed = |error| control::complaint(&error, pid);
    let_cycle_end(hands, pid)?;
    let mut report = begin(opened, hands.state());
    let restored = hands.undo();
    hands.look().map_err(failed)?;
    // GOGC acts through the goal, which is set along with it.
    let state = *hands.state();
    let goal = words(state.gc_percent, &state).heap_goal;
    let reason = "the heap goal of the GOGC that was put back";
    let put_back = restored
        .entries
        .iter()
        .any(|undone| matches!(undone.outcome, Outcome::Restored));
    if put_back && state.gc_percent_heap_goal != goal {
        let store = Store::self_healing(Knob::GcPercentHeapGoal, goal, reason);
        hands.store(&store).map_err(failed)?;
        hands.look().map_err(failed)?;
    }
    report.after = settings(hands.state());
    report.undone = true;
    report.verified = restored.is_whole();
    fill_undone(&mut report, &restored);
    Ok(report)
}

fn fill_undone(report: &mut out::TuneReport, restored: &Restored) {
    for undone in &restored.entries {
        let entry = &undone.entry;
        match &undone.outcome {
            Outcome::Restored => report.stores.push(out::StoreReport {
                variable: entry.name.clone(),
                address: entry.addr.to_string(),
                old: entry.new.to_string(),
                new: entry.old.to_string(),
                lasting: false,
            }),
            Outcome::Kept(found) => report.notes.push(format!(
                "{} is {found}: the program, or somebody else, has set it since, and keeps it.",
                entry.name
            )),
            Outcome::Failed(error) => report
                .notes
                .push(format!("{} could not be put back: {error}.", entry.name)),
            Outcome::AsItWas | Outcome::Gone => {}
        }
    }
}
