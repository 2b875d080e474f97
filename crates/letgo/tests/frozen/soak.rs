//! Copies in a row of a program that does everything: no error in it, nothing left, nothing leaked.
//!
//! `LETGO_SOAK=full` (`make soak`) makes 10,000; else a short form runs.

use letgo::inspect::Opened;
use letgo_linux::Process;
use letgo_testkit::{Case, Kind, NEWEST_GO};

use crate::{copy_of, is_unharmed, may_copy, patient, stats};

const MIB: u64 = 1 << 20;
/// What a process may grow by between the middle and the end of a soak.
const GROWTH: u64 = 48 * MIB;

fn times() -> u64 {
    match std::env::var("LETGO_SOAK").as_deref() {
        Ok("full") => 10_000,
        _ => 200,
    }
}

fn rss(process: &Process) -> u64 {
    process.smaps_rollup().unwrap().rss
}

#[test]
fn copies_in_a_row_leave_no_trace() {
    if !may_copy("copies_in_a_row_leave_no_trace") {
        return;
    }
    let args = ["-garbage", "-exec", "-tcp", "-timers", "-cgo", "-gaps"];
    let version = NEWEST_GO;
    let kind = Kind::cgo();
    let mut patient = patient(&Case { version, kind }, &args, &[]);
    let opened = Opened::open(patient.pid()).unwrap();
    let own = Process::open_self().unwrap();
    let (mut pauses, mut before) = (Vec::new(), (0, 0));
    patient.command("calm").unwrap();
    for round in 0..times() {
        let mut frozen = copy_of(&opened);
        pauses.push(frozen.report().stop.pause_ns_max);
        assert!(frozen.release().whole, "{round}");
        if round == times() / 2 {
            before = (rss(&own), rss(&opened.process));
        }
    }
    let after = (rss(&own), rss(&opened.process));
    assert!(after.0 < before.0 + GROWTH, "{before:?} {after:?}");
    assert!(after.1 < before.1 + GROWTH, "{before:?} {after:?}");
    is_unharmed(&mut patient, "soak");
    // A thread that was held for a call cannot have run: its longest gap is no shorter than most
    // pauses. How much longer it is, is the machine's business.
    let stats = stats(&mut patient);
    pauses.sort_unstable();
    let median = pauses[pauses.len() / 2];
    let gap = stats.get("gap_ns");
    assert!(
        gap >= median / 2,
        "a gap of {gap} ns, pauses of {median} ns"
    );
    eprintln!(
        "{} copies: pause median {} us, p95 {} us, largest {} us; largest gap {} us; children {}, \
         echoes {}, timers {}, calls {}; own rss {:?}",
        times(),
        median / 1000,
        pauses[pauses.len() * 95 / 100] / 1000,
        pauses[pauses.len() - 1] / 1000,
        gap / 1000,
        stats.get("children"),
        stats.get("echoes"),
        stats.get("ticks"),
        stats.get("calls"),
        (before, after),
    );
}
