//! A release against made-up runtimes: idle, busy, with GC off, with a will of their own, hung.

mod runtime;

use letgo_govern::{End, Knob, Limits, Outcome, run};
use proptest::prelude::*;

use runtime::{Program, Runtime};

const MIB: u64 = 1 << 20;

fn release(runtime: &mut Runtime) -> Outcome {
    run(runtime, Limits::default(), &mut |_| {}).unwrap()
}

/// Nothing transient is left.
fn assert_restored(runtime: &Runtime, program: &Program) {
    let look = &runtime.look;
    assert!(runtime.journal.is_empty());
    assert_eq!(look.gc_percent, program.gc_percent);
    assert!(look.scavenger_sleep_ratio < 1.0);
    assert!(look.scavenger_sleep_controller_min < 1.0);
    assert_ne!(look.scavenge_gc_percent_goal, 0);
    assert_ne!(look.scavenge_memory_limit_goal, 0);
}

#[test]
fn an_idle_program_gives_back_all_after_two_cycles() {
    let program = Program::default();
    let mut runtime = Runtime::new(program);
    let outcome = release(&mut runtime);
    assert_eq!(outcome.end, End::Flat);
    assert_eq!(outcome.cycles, 2);
    assert!(outcome.after.heap_free <= MIB, "{:?}", outcome.after);
    assert!(outcome.wakes > 0 && outcome.pause_ns_max == 200_000);
    assert_restored(&runtime, &program);
    let curve = &outcome.curve;
    assert!(curve.len() > 10);
    assert!(curve.first().unwrap().rss > curve.last().unwrap().rss + 700 * MIB);
}

#[test]
fn gogc_off_is_held_at_100_and_is_off_again() {
    let program = Program {
        gc_percent: -1,
        ..Program::default()
    };
    let mut runtime = Runtime::new(program);
    let outcome = release(&mut runtime);
    assert_eq!(outcome.end, End::Flat);
    assert!(outcome.after.heap_free <= MIB);
    assert_restored(&runtime, &program);
    assert_eq!(runtime.look.gc_percent_heap_goal, u64::MAX);
}

#[test]
fn a_program_that_never_collected_is_collected() {
    let mut runtime = Runtime::new(Program::default());
    runtime.look.last_gc_nanotime = 0;
    runtime.look.num_gc = 0;
    let outcome = release(&mut runtime);
    assert_eq!((outcome.end, outcome.cycles), (End::Flat, 2));
}

#[test]
fn a_program_that_sets_gogc_back_keeps_it() {
    let program = Program {
        gc_percent: -1,
        sets_gogc_ms: 2,
        ..Program::default()
    };
    let mut runtime = Runtime::new(program);
    let outcome = release(&mut runtime);
    assert_eq!(outcome.end, End::ProgramSetsGcPercent);
    assert!(runtime.stores[&Knob::GcPercent] <= 2);
    assert_restored(&runtime, &program);
}

#[test]
fn a_runtime_that_does_not_answer_is_given_up() {
    let program = Program {
        dead: true,
        ..Program::default()
    };
    let mut runtime = Runtime::new(program);
    let outcome = release(&mut runtime);
    assert_eq!(outcome.end, End::TimedOut);
    assert_restored(&runtime, &program);
}

#[test]
fn an_early_end_puts_everything_back() {
    for looks in [0, 1, 5, 40, 60, 80, 120] {
        let program = Program {
            gc_percent: -1,
            ..Program::default()
        };
        let mut runtime = Runtime::new(program);
        runtime.interrupt_after = Some(looks);
        let outcome = release(&mut runtime);
        assert!(matches!(outcome.end, End::Interrupted | End::Flat));
        assert_restored(&runtime, &program);
    }
}

#[test]
fn a_busy_program_keeps_what_it_turns_over() {
    let program = Program {
        own_cycle_ms: 40,
        cycle_ms: 5,
        takes: MIB,
        ..Program::default()
    };
    let mut runtime = Runtime::new(program);
    let outcome = release(&mut runtime);
    assert_eq!(outcome.end, End::Flat);
    assert!(outcome.after.rss < 400 * MIB, "{}", outcome.after.rss / MIB);
    assert_restored(&runtime, &program);
}

proptest! {
    #[test]
    fn it_always_ends_and_always_puts_back(
        live in 1..500u64,
        garbage in 0..2000u64,
        cycle_ms in 1..400u64,
        speed in 1..2000u64,
        own_cycle_ms in prop_oneof![Just(0u64), 3..500u64],
        sets_gogc_ms in prop_oneof![4 => Just(0u64), 1 => 2..300u64],
        dead in prop::bool::weighted(0.1),
        takes in 0..4000u64,
        off in any::<bool>(),
    ) {
        let program = Program {
            live: live * MIB,
            garbage: garbage * MIB,
            cycle_ms,
            speed: speed << 10,
            own_cycle_ms,
            sets_gogc_ms,
            dead,
            takes: takes << 10,
            gc_percent: if off { -1 } else { 100 },
        };
        let mut runtime = Runtime::new(program);
        let limits = Limits::default();
        let outcome = run(&mut runtime, limits, &mut |_| {}).unwrap();
        // A cycle that is under way when the time is over takes its own time.
        let most = limits.time.as_nanos() + 2_000_000;
        prop_assert!(u128::from(outcome.took_ns) <= most);
        assert_restored(&runtime, &program);
        prop_assert!(runtime.stores.values().all(|stores| *stores <= limits.stores));
        if own_cycle_ms == 0 && outcome.end == End::Flat {
            prop_assert_eq!(outcome.cycles, 2);
        }
    }
}
