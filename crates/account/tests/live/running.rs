//! The account of a program that allocates as fast as it can, while it runs.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use letgo_account::{Inputs, Leaf, Method, ResidentBytes, RuntimeSlots, account};
use letgo_gobin::{GoBinary, Image};
use letgo_goruntime::{CensusOptions, Limits, Runtime};
use letgo_linux::{LiveMemory, Process, residency};
use letgo_target::{Mapping, Residency};
use letgo_testkit::Recipe;

/// The contract: a running target's sum is at most so far off, in parts of 1000.
const MOST_DRIFT: u64 = 5;
/// Readings.
const ROUNDS: u32 = 10;

#[test]
fn a_busy_programs_account_is_off_by_less_than_half_a_percent() {
    let patient = Recipe::new("alloc").start().unwrap();
    sleep(Duration::from_millis(500));
    let process = Process::open(patient.pid()).unwrap();
    let binary = Image::from_file(process.exe_file().unwrap()).unwrap();
    let binary = GoBinary::open(binary, None).unwrap();
    let runtime = {
        let memory = LiveMemory::new(&process).unwrap();
        Runtime::attach(&binary, 0, &memory).unwrap()
    };
    let mut drifts = Vec::new();
    for round in 0..ROUNDS {
        let Some((mappings, pages, least, most)) = steady_look(&process) else {
            println!("round {round}: Rss never stood still enough to compare with");
            continue;
        };
        let memory = LiveMemory::new(&process).unwrap();
        let memory = memory.only_resident(Arc::clone(&pages), &mappings);
        let census = runtime.census(&memory, &CensusOptions::default()).unwrap();
        let inputs = Inputs {
            census: &census,
            slots: &RuntimeSlots {
                runtime: &runtime,
                memory: &memory,
                limits: Limits::default(),
            },
            reach: None,
            memory: &memory,
            residency: &pages,
            mappings: &mappings,
            program: &[],
            sanitizer: None,
            stack_pointers: &[],
            rss: Some(ResidentBytes(most)),
            method: Method::Running,
        };
        let account = account(&inputs).unwrap();
        let total = account.total().resident;
        assert_eq!(total, pages.resident(), "round {round}");
        let drift = total.0.saturating_sub(most) + least.saturating_sub(total.0);
        println!(
            "round {round}: Rss {least} to {most}, off by {drift}, torn {}, skipped {:?} {:?}",
            census.coverage.torn + account.coverage.torn,
            census.coverage.skipped,
            account.coverage.skipped,
        );
        drifts.push(drift as f64 / most as f64);
        let owned = account.leaf(Leaf::Unattributed).resident.0 * 1000;
        assert!(owned <= most * MOST_DRIFT, "{owned} of nobody");
        sleep(Duration::from_millis(100));
    }
    // Between two looks at Rss it may have been beyond both: one round may be off for that.
    drifts.sort_by(f64::total_cmp);
    assert!(drifts.len() >= 3, "{drifts:?}");
    let median = drifts[drifts.len() / 2];
    assert!(median * 1000.0 <= MOST_DRIFT as f64, "{drifts:?}");
}

/// A page table, and the least and the most that Rss was right before and after; nothing where a
/// machine with other work to do lets too much time pass between the three, however often.
fn steady_look(process: &Process) -> Option<(Vec<Mapping>, Arc<Residency>, u64, u64)> {
    for _ in 0..50 {
        let mappings = process.maps().unwrap();
        let before = process.smaps().unwrap().total.rss;
        let pages = residency(process, &mappings).unwrap().residency;
        let after = process.smaps().unwrap().total.rss;
        let (least, most) = (before.min(after), before.max(after));
        if (most - least) * 1000 <= most * MOST_DRIFT {
            return Some((mappings, Arc::new(pages), least, most));
        }
    }
    None
}
