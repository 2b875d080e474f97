//! What steers the GC, read from outside, against what the program set and what its runtime says.
//!
//! The program is `lab/patients/steered`: it sets its own GOGC and memory limit when it is told to.
//! By default the oldest release that may be written to, a middle one and the newest;
//! `LETGO_TIER=matrix` runs every release and kind of build.

mod proc;

use std::thread::sleep;
use std::time::{Duration, Instant};

use letgo_goruntime::{
    Control, ControlState, Controls, Error, Family, PiController, Runtime, heap_minimum,
};
use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, Patient, Recipe, Strip, Tier, cases, note_skip,
    sanitized_cases,
};
use proc::Opened;

/// The oldest release that may be written to.
const OLDEST_WRITTEN: &str = "1.21.13";
/// Longest that anything may take that the program does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every release and kind that may be written to, by tier.
fn written() -> Vec<Case> {
    match Tier::from_env() {
        Tier::Test => [OLDEST_WRITTEN, MIDDLE_GO, NEWEST_GO]
            .into_iter()
            .flat_map(|version| {
                let kinds = [Kind::plain(), Kind::stripped_pie(), Kind::cgo()];
                kinds.map(|kind| Case { version, kind })
            })
            .collect(),
        Tier::Matrix => cases(Tier::Matrix)
            .into_iter()
            .chain(sanitized_cases())
            .filter(|case| minor(case.version) >= 21)
            .collect(),
    }
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

/// A program that steers itself, and what we see of that.
struct Steered {
    name: String,
    patient: Patient,
    opened: Opened,
    controls: Controls,
}

impl Steered {
    fn of(recipe: &Recipe, name: String) -> Steered {
        let patient = recipe.start().unwrap();
        let opened = Opened::pid(patient.pid());
        let runtime = Runtime::attach(&opened.binary, opened.bias, &opened.memory).unwrap();
        let controls = match runtime.controls() {
            Ok(controls) => controls,
            Err(error) => panic!("{name}: {error}"),
        };
        Steered {
            name,
            patient,
            opened,
            controls,
        }
    }

    /// What is there now, and sane.
    fn state(&self) -> ControlState {
        let state = self.controls.read(&self.opened.memory).unwrap();
        if let Err(error) = state.check() {
            panic!("{}: {error}: {state:?}", self.name);
        }
        state
    }

    fn command(&mut self, word: &str) -> ControlState {
        self.patient.command(word).unwrap();
        self.state()
    }

    /// Waits for what the program comes to by itself.
    fn until(&self, what: &str, holds: impl Fn(&ControlState) -> bool) -> ControlState {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.state();
            if holds(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{}: never {what}", self.name);
            sleep(Duration::from_millis(1));
        }
    }
}

/// Starts a program of every release and kind that may be written to, and hands each to `check`.
fn each(check: impl Fn(Steered)) {
    for case in written() {
        let name = case.to_string();
        let recipe = Recipe::new("steered").go(case.version).kind(case.kind);
        match recipe.build() {
            Ok(_) => check(Steered::of(&recipe, name)),
            // msan wants clang, and both want their runtime library.
            Err(error) if name.contains("san") => note_skip(&name, &format!("{error:#}")),
            Err(error) => panic!("{name}: {error:#}"),
        }
    }
}

#[test]
fn what_a_program_sets_is_what_is_read_and_the_goal_is_its_runtimes_own() {
    each(|mut steered| {
        let name = steered.name.clone();
        let state = steered.state();
        assert_eq!((state.gc_percent, state.memory_limit), (100, i64::MAX));
        for percent in [20, 50, 100, 400] {
            let state = steered.command(&format!("percent-{percent}"));
            assert_eq!(state.gc_percent, percent, "{name}");
            assert_eq!(state.heap_minimum, heap_minimum(percent), "{name}");
            let state = steered.command("gc");
            assert_eq!(state.heap_goal(), state.gc_percent_heap_goal, "{name}");
            let next_gc = steered.patient.memstats().unwrap().get("NextGC");
            assert_eq!(state.heap_goal(), next_gc, "{name} at {percent}");
            assert_eq!(state.heap_goal_at(percent), next_gc, "{name}");
        }
        for mib in [256, 1024] {
            let state = steered.command(&format!("limit-{mib}MiB"));
            assert_eq!(state.memory_limit, mib << 20, "{name}");
        }
        let state = steered.command("limit-off");
        assert_eq!(state.memory_limit, i64::MAX, "{name}");
        let predicted = state.heap_goal_at(50);
        let state = steered.command("percent-50");
        assert_eq!(state.gc_percent_heap_goal, predicted, "{name}: foretold");
        let state = steered.command("percent-off");
        assert_eq!(state.gc_percent, -1, "{name}");
        assert_eq!(state.heap_minimum, heap_minimum(-1), "{name}");
        assert_eq!(state.gc_percent_heap_goal, u64::MAX, "{name}");
        assert_eq!(state.heap_goal(), u64::MAX, "{name}");
    });
}

#[test]
fn a_cycle_shows_in_every_word_that_it_moves() {
    each(|mut steered| {
        let before = steered.state();
        let memstats = steered.patient.memstats().unwrap();
        let after = steered.command("gc");
        let name = &steered.name;
        assert!(before.last_gc_nanotime > 0, "{name}: it began with a cycle");
        assert!(after.last_gc_nanotime > before.last_gc_nanotime, "{name}");
        assert!(after.num_gc > before.num_gc, "{name}");
        assert_eq!(u64::from(before.num_gc), memstats.get("NumGC"), "{name}");
        assert_eq!((after.gc_phase, after.gc_cycles), (0, after.num_gc));
        assert_eq!(after.sweepgen, 2 * after.num_gc, "{name}");
        assert_eq!(after.triggered, u64::MAX, "{name}");
        assert_eq!(after.sweep_done, Some(true), "{name}: runtime.GC sweeps");
        assert!(!after.gc_running() && !after.gc_waiting && after.enable_gc);
        let live = 16 << 20;
        assert!(after.heap_marked >= live && after.heap_in_use >= live);
        assert!(after.heap_marked < 2 * live, "{name}");
        assert!(after.globals_scan > 0 && after.max_stack_scan > 0, "{name}");
    });
}

#[test]
fn an_idle_program_sleeps_and_its_scavenger_too() {
    each(|steered| {
        let name = &steered.name;
        let state = steered.until("idle", |state| {
            state.scavenger_parked && state.sysmon_waiting && state.npidle == state.gomaxprocs
        });
        assert_eq!((state.sched_lock, state.sysmonnote), (0, 0), "{name}");
        assert_eq!(state.scavenger_sysmon_wake, 0, "{name}");
        assert_eq!(state.scavenger_sleep_controller, PiController::default());
        assert_eq!(state.debug.madvdontneed, Some(1), "{name}");
        assert_eq!(state.debug.harddecommit, Some(0), "{name}");
        // It came with 1.21.6.
        let disablethp = (!name.starts_with("go1.21.0 ")).then_some(0);
        assert_eq!(state.debug.disablethp, disablethp, "{name}");
    });
}

#[test]
fn places_are_aligned_and_apart() {
    each(|steered| {
        let mut places = Control::ALL.map(|control| steered.controls.place(control));
        places.sort_by_key(|place| place.addr);
        for place in places {
            assert!(matches!(place.size, 1 | 4 | 8), "{place:?}");
            assert!(place.addr.0.is_multiple_of(place.size.into()), "{place:?}");
        }
        for pair in places.windows(2) {
            let end = pair[0].addr.0 + u64::from(pair[0].size);
            assert!(end <= pair[1].addr.0, "{}: {pair:?}", steered.name);
        }
    });
}

#[test]
fn a_stripped_program_keeps_its_controls_where_its_symbols_say() {
    for version in [OLDEST_WRITTEN, MIDDLE_GO, NEWEST_GO] {
        for pie in [false, true] {
            let [whole, stripped] = [Strip::None, Strip::StripS].map(|strip| {
                let kind = Kind {
                    pie,
                    strip,
                    ..Kind::plain()
                };
                let recipe = Recipe::new("steered").go(version).kind(kind.clone());
                Steered::of(&recipe, format!("go{version} {kind}"))
            });
            assert!(stripped.opened.binary.stripped(), "{}", stripped.name);
            assert!(!whole.opened.binary.stripped(), "{}", whole.name);
            for control in Control::ALL {
                let [whole, stripped] = [&whole, &stripped].map(|steered| {
                    let place = steered.controls.place(control);
                    (place.addr.0 - steered.opened.bias, place.size)
                });
                assert_eq!(whole, stripped, "go{version}: {}", control.name());
            }
        }
    }
}

#[test]
fn what_the_environment_set_is_read() {
    for version in [OLDEST_WRITTEN, NEWEST_GO] {
        let recipe = Recipe::new("steered").go(version).kind(Kind::plain());
        let recipe = recipe.env("GOGC", "250").env("GOMEMLIMIT", "1GiB");
        let recipe = recipe.env("GODEBUG", "madvdontneed=0");
        let state = Steered::of(&recipe, format!("go{version}")).state();
        assert_eq!((state.gc_percent, state.memory_limit), (250, 1 << 30));
        assert_eq!(state.heap_minimum, heap_minimum(250));
        assert_eq!(state.debug.madvdontneed, Some(0));
        let off = Recipe::new("steered").go(version).env("GOGC", "off");
        let state = Steered::of(&off, format!("go{version} off")).state();
        assert_eq!(state.gc_percent, -1);
        assert_eq!(state.heap_minimum, heap_minimum(-1));
    }
}

/// Attaches to a program whose version is said to be `version`, if it is said at all.
fn refused(recipe: &Recipe, version: Option<&str>) -> String {
    let patient = recipe.start().unwrap();
    let mut opened = Opened::pid(patient.pid());
    if let Some(version) = version {
        opened.binary.build.version = version.parse().unwrap();
    }
    let runtime = Runtime::attach(&opened.binary, opened.bias, &opened.memory).unwrap();
    let error: Error = runtime.controls().unwrap_err();
    assert_eq!(error.family(), Family::Unsupported);
    error.to_string()
}

#[test]
fn a_release_that_is_too_old_to_be_written_to_is_refused() {
    let oldest = Recipe::new("plain").go(letgo_testkit::OLDEST_GO);
    let older = Recipe::new("plain")
        .go("1.20.14")
        .kind(Kind::stripped_pie());
    for (recipe, name) in [(oldest, "go1.19.8"), (older, "go1.20.14")] {
        let said = refused(&recipe, None);
        assert!(said.contains(name), "{said}");
        assert!(said.contains("go1.21 to go1.27"), "{said}");
    }
}

#[test]
fn what_was_not_tested_is_refused_with_symbols_and_without() {
    for kind in [Kind::plain(), Kind::stripped_pie()] {
        let recipe = Recipe::new("steered").kind(kind.clone());
        for (version, why) in [
            ("go1.99.0", "go1.21 to go1.27"),
            ("go1.28.1", "go1.21 to go1.27"),
            ("go1.27rc1", "releases only"),
            ("go1.27-devel_4f3a1b2 Tue", "releases only"),
            ("go1.27.4-X:homemade", "homemade"),
        ] {
            let said = refused(&recipe, Some(version));
            assert!(said.contains(version), "{kind}: {said}");
            assert!(said.contains(why), "{kind}: {said}");
        }
    }
}
