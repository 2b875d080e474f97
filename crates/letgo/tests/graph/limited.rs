//! What dominators may not take: no holder is listed then, and that is said; all else is there.

use std::time::Duration;

use letgo::inspect::{Depth, Hold, Opened, Options, Reading, Surroundings, heap_report};
use letgo::progress::Progress;
use letgo::terminal::Terminal;
use letgo_heap::Limits;
use letgo_testkit::Recipe;

use crate::may_read;

const DEPTH: Depth = Depth {
    most: 3,
    children: 3,
    levels: 1,
};

#[test]
fn dominators_beyond_their_budget_or_time_are_left_out_and_said() {
    if !may_read("dominators_beyond_their_budget_or_time_are_left_out_and_said") {
        return;
    }
    let patient = Recipe::new("plain").arg("-mib=32").start().unwrap();
    let mut opened = Opened::open(patient.pid()).unwrap();
    let options = Options {
        hold: Hold::Stop(Some(Duration::from_secs(60))),
        graph: true,
        contexts: true,
        calls_of_c: false,
        watch: None,
    };
    let progress = Progress::new(&Terminal::plain());
    let usual = Limits::default();
    let budget = Limits {
        dominator_bytes: 1000,
        ..usual
    };
    let time = Limits {
        dominator_time: Duration::ZERO,
        ..usual
    };
    for (limits, why) in [(usual, None), (budget, Some("1000")), (time, Some("time"))] {
        let mut reading = Reading::take(&mut opened, options, &progress).unwrap();
        let around = Surroundings::of(&opened.process);
        let report = heap_report(&opened.program, &mut reading, &around, DEPTH, None, limits);
        let mut said = report.taken.coverage.skipped.iter();
        let said = said.find(|skip| skip.what == "who holds what");
        let graph = report.taken.graph.as_ref().unwrap();
        assert_eq!(said.is_some(), why.is_some(), "{said:?}");
        assert_eq!(report.holders.is_empty(), why.is_some());
        assert_eq!(report.holders_rest.is_none(), why.is_some());
        assert_eq!(graph.dominators_ns.is_none(), why.is_some());
        assert_eq!(report.taken.coverage.complete, why.is_none());
        assert!(report.totals.reachable.slot_bytes > 16 << 20);
        assert_eq!(graph.wall_ns, graph.read_ns + graph.mark_ns);
        if let (Some(skip), Some(why)) = (said, why) {
            assert!(skip.why.contains(why), "{}", skip.why);
        }
    }
}
