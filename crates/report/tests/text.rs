//! The text of every verb, drawn from sample reports and compared with committed snapshots.
//!
//! The samples are written by hand. A snapshot is accepted by eye: set `INSTA_UPDATE=always`, run,
//! read the difference.

use letgo_report::lab::LabReport;
use letgo_report::markdown;
use letgo_report::text::{
    GoroutineRows, PsColumns, diff, doctor, goroutines, heap, instances, lab, path, ps, release,
    tune, why,
};
use letgo_report::{
    Amount, CallFrame, DiffReport, DoctorReport, FieldValue, GoroutinesReport, HeapReport,
    HeapType, Hop, LeakSummary, Look, Method, PathReport, PlaceKind, PsReport, ReleaseReport,
    TuneReport, TypeReport, Unproven, Verdict, WhyReport,
};
use unicode_width::UnicodeWidthStr as _;

const IDLE: &str = include_str!("../samples/why-idle.json");
const HEALTHY: &str = include_str!("../samples/why-healthy.json");
const TORN: &str = include_str!("../samples/why-torn.json");
const PS: &str = include_str!("../samples/ps.json");
const RELEASE: &str = include_str!("../samples/release.json");
const TUNE: &str = include_str!("../samples/tune.json");
const DOCTOR: &str = include_str!("../samples/doctor.json");
const GRAPH: &str = include_str!("../samples/why-graph.json");
const CORE: &str = include_str!("../samples/why-core.json");
const DIFF: &str = include_str!("../samples/diff.json");
const HEAP: &str = include_str!("../samples/heap.json");
const PATH: &str = include_str!("../samples/path.json");
const TYPE: &str = include_str!("../samples/type.json");
const GOROUTINES: &str = include_str!("../samples/goroutines.json");
const LAB: &str = include_str!("../samples/lab.json");

fn sample<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

fn look(width: usize) -> Look {
    Look {
        width,
        color: false,
        unicode: true,
        whole: false,
    }
}

fn colored(width: usize) -> Look {
    Look {
        color: true,
        ..look(width)
    }
}

#[test]
fn why_of_a_program_that_keeps_idle_spans() {
    let report: WhyReport = sample(IDLE);
    insta::assert_snapshot!("why_idle_80", why(&report, look(80), false));
    insta::assert_snapshot!("why_idle_120", why(&report, look(120), false));
    insta::assert_snapshot!("why_idle_ascii", why(&report, Look::PLAIN, false));
    insta::assert_snapshot!("why_idle_color", why(&report, colored(100), false));
    insta::assert_snapshot!("why_idle_explain_100", why(&report, look(100), true));
}

#[test]
fn why_with_the_object_graph() {
    let report: WhyReport = sample(GRAPH);
    insta::assert_snapshot!("why_graph_80", why(&report, look(80), false));
    insta::assert_snapshot!("why_graph_120", why(&report, look(120), false));
    let explained = why(&report, look(100), true);
    let reading = explained.split("This reading").nth(1).unwrap();
    insta::assert_snapshot!("why_graph_explain_reading", reading);
}

#[test]
fn why_of_a_core_says_why_there_is_no_rss() {
    let report: WhyReport = sample(CORE);
    let text = why(&report, look(80), false);
    assert_eq!(text.matches("RSS").count(), 1, "{text}");
    assert!(text.lines().count() <= 24, "{text}");
    insta::assert_snapshot!("why_core_80", text);
    insta::assert_snapshot!("why_core_explain_100", why(&report, look(100), true));
}

/// Why it was read otherwise than asked for is in the head of both texts, at any width.
#[test]
fn a_note_on_how_it_was_read_is_in_the_head() {
    let note = "it was read while it runs: a frozen copy would pause it for about 310 ms, and \
                --max-pause is 200 ms";
    let mut why_report: WhyReport = sample(GRAPH);
    let mut heap_report: HeapReport = sample(HEAP);
    for width in [80, 100] {
        let head = |text: String| {
            let lines = text.lines().take_while(|line| !line.is_empty());
            let words = lines.flat_map(str::split_whitespace);
            words.collect::<Vec<_>>().join(" ")
        };
        why_report.taken.note = None;
        assert!(!head(why(&why_report, look(width), false)).contains("--max-pause"));
        why_report.taken.note = Some(note.into());
        heap_report.taken.note = Some(note.into());
        assert!(head(why(&why_report, look(width), false)).ends_with(note));
        assert!(head(heap(&heap_report, look(width))).ends_with(note));
    }
}

/// The first line says how it was read, what that cost, and what it was expected to cost.
#[test]
fn the_first_line_says_what_the_reading_cost() {
    let mut report: WhyReport = sample(GRAPH);
    let mut first = |method: Method, copied, predicted| {
        report.taken.method = method;
        report.taken.copied_bytes = copied;
        report.taken.pause_ns_predicted = predicted;
        why(&report, look(160), false)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let copied = Some(212 << 20);
    let predicted = Some(38_000_000);
    for (method, copied, predicted, says) in [
        (
            Method::Stopped,
            copied,
            predicted,
            "copied 212 MiB, paused 41 ms (expected 38 ms)",
        ),
        (Method::Frozen, copied, None, "copied 212 MiB, paused 41 ms"),
        (
            Method::Frozen,
            None,
            predicted,
            "copied, paused 41 ms (expected 38 ms)",
        ),
        (Method::Stopped, None, None, "all threads stopped for 41 ms"),
        (Method::Core, None, None, "from a core file"),
        (Method::Snapshot, None, None, "from a snapshot"),
    ] {
        let line = first(method, copied, predicted);
        assert!(line.ends_with(says), "{line}");
    }
}

#[test]
fn what_grew_and_what_did_not_change() {
    let report: DiffReport = sample(DIFF);
    insta::assert_snapshot!("diff_80", diff(&report, look(80)));
    insta::assert_snapshot!("diff_ascii", diff(&report, Look::PLAIN));
    let mut alone = report;
    (alone.unchanged, alone.holders) = (None, Vec::new());
    alone.same_build = false;
    alone.note = Some("these are different builds".into());
    alone.unchanged_why_not = Some("they are of two processes".into());
    insta::assert_snapshot!("diff_of_builds", diff(&alone, look(80)));
}

#[test]
fn what_counts_slots_and_not_values_says_so() {
    let mut report: HeapReport = sample(HEAP);
    assert!(!heap(&report, look(120)).contains("share slots"));
    report.types = ["main.Sq", "int", "main.Session"]
        .map(|name| HeapType {
            name: name.into(),
            shares_slots: name != "main.Session",
            ..HeapType::default()
        })
        .into();
    let note = "Small values share slots: of main.Sq and 1 more type these are slots.";
    let text = heap(&report, look(120));
    assert!(text.contains(note), "{text}");
    let mut of_one: TypeReport = sample(TYPE);
    of_one.shares_slots = true;
    let text = instances(&of_one, look(100));
    assert!(
        text.contains("Small values share slots: these are slots"),
        "{text}"
    );
}

#[test]
fn heap_with_its_holders() {
    let mut report: HeapReport = sample(HEAP);
    insta::assert_snapshot!("heap_80", heap(&report, look(80)));
    insta::assert_snapshot!("heap_100", heap(&report, look(100)));
    insta::assert_snapshot!("heap_ascii", heap(&report, Look::PLAIN));
    insta::assert_snapshot!("heap_color", heap(&report, colored(100)));
    // A core has no page table, and its dominators may have been left out.
    report.taken.method = Method::Core;
    report.holders.clear();
    report.holders_rest = None;
    report.size_classes.truncate(3);
    let (totals, classes) = (&mut report.totals, &mut report.size_classes);
    for amount in [
        &mut totals.spans,
        &mut totals.objects,
        &mut totals.reachable,
        &mut totals.garbage,
        &mut totals.free_slots,
    ] {
        amount.resident_bytes = None;
    }
    totals.guessed = None;
    for class in classes {
        class.spans.resident_bytes = None;
    }
    insta::assert_snapshot!("heap_of_a_core_80", heap(&report, look(80)));
}

#[test]
fn text_that_was_not_read_is_said_and_not_dropped() {
    let mut report: TypeReport = sample(TYPE);
    report.note = Some("There is text that could not be read.".into());
    let field = FieldValue {
        name: "token".into(),
        type_name: Some("string".into()),
        value: None,
        is_zero: false,
        unread_bytes: Some(39),
    };
    report.largest[0].fields = vec![field];
    let text = instances(&report, look(80));
    assert!(text.contains("token: 39 B of text, not read"), "{text}");
    assert!(
        text.contains("There is text that could not be read."),
        "{text}"
    );
}

#[test]
fn ways_to_a_type_say_what_else_holds_it() {
    let mut report: PathReport = sample(PATH);
    report.asked.address = None;
    report.asked.type_name = Some("main.Session".into());
    report.asked.note = None;
    (report.place, report.object, report.reachable) = (None, None, None);
    let count = report.kinds.iter().map(|kind| kind.ways).sum();
    report.instances = Some(Amount {
        count,
        slot_bytes: count * 48,
        resident_bytes: None,
    });
    for kind in &mut report.kinds {
        (kind.slot_bytes, kind.shared) = (kind.ways * 48, Some(kind.ways / 2));
    }
    report.shared = Some(report.kinds.iter().filter_map(|kind| kind.shared).sum());
    // What only the size of objects tells apart is told by it; words do not stick to a type.
    let mut other = report.kinds[0].clone();
    other.steps.last_mut().unwrap().slot_bytes = Some(64);
    report.kinds.insert(1, other);
    let groups = &mut report.kinds[0].steps[2];
    groups.type_name = Some("map[string]*main.Session groups".into());
    groups.field = Some("map key".into());
    insta::assert_snapshot!("path_of_a_type_100", path(&report, look(100)));
}

#[test]
fn ways_to_an_object() {
    let mut report: PathReport = sample(PATH);
    insta::assert_snapshot!("path_80", path(&report, look(80)));
    insta::assert_snapshot!("path_ascii", path(&report, Look::PLAIN));
    insta::assert_snapshot!("path_color", path(&report, colored(100)));
    for width in [80, 100, 132] {
        for line in path(&report, look(width)).lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    // A long way lists its ends, whatever the report has of it.
    let way = report.path.as_mut().unwrap();
    let hop = |at: u64| {
        let mut hop = Hop::default();
        hop.object.address = format!("{:#x}", 0xc000_0000 + at * 48);
        hop
    };
    way.hops = (0..32).chain(19_968..20_000).map(hop).collect();
    way.hops_more = 20_000 - 64;
    let text = path(&report, look(80));
    assert!(text.contains("20,000 objects"), "{text}");
    assert!(text.contains("19,984 more"), "{text}");
    assert!(text.contains("  20,000  0xc00ea5d0"), "{text}");
    // Garbage has no way, and what is no object needs none.
    report.path = None;
    report.kinds.clear();
    report.kinds_rest = None;
    report.reachable = Some(false);
    assert!(path(&report, look(80)).contains("It is garbage"));
    let place = report.place.as_mut().unwrap();
    (place.kind, place.what) = (PlaceKind::Stack, "the stack of goroutine 7".into());
    report.object = None;
    report.reachable = None;
    let text = path(&report, look(80));
    assert!(text.contains("is the stack of goroutine 7 at"), "{text}");
    assert!(text.contains("No object lies there"), "{text}");
}

#[test]
fn objects_of_a_type() {
    let report: TypeReport = sample(TYPE);
    insta::assert_snapshot!("type_80", instances(&report, look(80)));
    insta::assert_snapshot!("type_ascii", instances(&report, Look::PLAIN));
}

#[test]
fn goroutines_with_leaks() {
    let report: GoroutinesReport = sample(GOROUTINES);
    let some = GoroutineRows {
        most: 4,
        full: false,
    };
    let all = GoroutineRows {
        most: usize::MAX,
        full: true,
    };
    insta::assert_snapshot!("goroutines_80", goroutines(&report, look(80), some));
    insta::assert_snapshot!("goroutines_120", goroutines(&report, look(120), some));
    insta::assert_snapshot!("goroutines_ascii", goroutines(&report, Look::PLAIN, some));
    insta::assert_snapshot!("goroutines_color", goroutines(&report, colored(100), some));
    insta::assert_snapshot!("goroutines_full_100", goroutines(&report, look(100), all));
}

/// A goroutine in C is where its thread is, and what called into that library is told with it.
#[test]
fn goroutines_in_c_are_told_by_their_functions() {
    let mut report: GoroutinesReport = sample(GOROUTINES);
    let group = report.groups.last_mut().unwrap();
    let frame = CallFrame::of_c;
    let of_c = [
        frame("clock_nanosleep", "/usr/lib/libc.so.6", false),
        frame("nanosleep", "/usr/lib/libc.so.6", false),
        frame("libwork.so.1+0x1f40", "/opt/libwork.so.1", false),
        frame("0x7f31aa001000", "", true),
    ];
    group.frames.splice(..0, of_c);
    let rows = |full| GoroutineRows { most: 20, full };
    report.groups.iter_mut().for_each(|one| one.system = false);
    let text = goroutines(&report, look(100), rows(false));
    let line = "in C clock_nanosleep (libc.so.6), called from C libwork.so.1+0x1f40\n";
    assert!(text.contains(line), "{text}");
    let text = goroutines(&report, look(100), rows(true));
    let calls = [
        "C clock_nanosleep (libc.so.6)",
        "C nanosleep (libc.so.6)",
        "C libwork.so.1+0x1f40",
        "C 0x7f31aa001000",
        "... calls of C that were not followed ...",
        "runtime.gopark",
    ];
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let shown = |line: &str| line.starts_with("C ");
    let at = lines.iter().position(|line| shown(line)).unwrap();
    let drawn = lines[at..].iter().zip(calls);
    drawn.for_each(|(line, call)| assert!(line.starts_with(call), "{line}"));
}

/// Without the graph nobody can tell what is leaked, and with it there may be nothing.
#[test]
fn goroutines_say_what_is_known_of_leaks() {
    let mut report: GoroutinesReport = sample(GOROUTINES);
    let rows = GoroutineRows {
        most: 10,
        full: false,
    };
    report.groups.retain(|group| group.verdict == Verdict::None);
    report.leaks = LeakSummary {
        analysed: true,
        ..LeakSummary::default()
    };
    let text = goroutines(&report, look(100), rows);
    assert!(
        text.contains("None is found that can never run again"),
        "{text}"
    );
    assert!(!text.contains("leaked"), "{text}");
    report.leaks = LeakSummary {
        why_not: Some("the program ran on while it was read".into()),
        ..LeakSummary::default()
    };
    for group in &mut report.groups {
        group.why = Some(Unproven::NotAnalysed);
        group.retained_bytes = None;
        group.retained_objects = None;
    }
    let text = goroutines(&report, look(100), rows);
    assert!(text.contains("is not known: the program ran on"), "{text}");
    assert!(!text.contains("retains"), "{text}");
}

#[test]
fn why_of_a_healthy_program() {
    let report: WhyReport = sample(HEALTHY);
    insta::assert_snapshot!("why_healthy_80", why(&report, look(80), false));
    insta::assert_snapshot!("why_healthy_explain_80", why(&report, look(80), true));
}

#[test]
fn what_is_live_is_not_said_before_the_first_gc() {
    let mut report: WhyReport = sample(HEALTHY);
    report.runtime.num_gc = Some(0);
    report.runtime.heap_marked = None;
    let text = why(&report, look(80), false);
    assert!(text.contains("no GC yet, heap "), "{text}");
    assert!(!text.contains("live heap"), "{text}");
}

#[test]
fn why_of_a_torn_reading() {
    let report: WhyReport = sample(TORN);
    insta::assert_snapshot!("why_torn_80", why(&report, look(80), false));
    insta::assert_snapshot!("why_torn_120", why(&report, look(120), false));
    insta::assert_snapshot!("why_torn_explain_80", why(&report, look(80), true));
}

#[test]
fn ps_in_every_width() {
    let report: PsReport = sample(PS);
    insta::assert_snapshot!("ps_80", ps(&report, look(80), PsColumns::Fitting));
    insta::assert_snapshot!("ps_120", ps(&report, look(120), PsColumns::Fitting));
    insta::assert_snapshot!("ps_wide", ps(&report, look(80), PsColumns::Wide));
    insta::assert_snapshot!("ps_color", ps(&report, colored(120), PsColumns::Fitting));
    let none = PsReport {
        processes: Vec::new(),
        ..report
    };
    insta::assert_snapshot!("ps_none", ps(&none, look(80), PsColumns::Fitting));
}

#[test]
fn doctor_in_every_state() {
    let report: DoctorReport = sample(DOCTOR);
    insta::assert_snapshot!("doctor_80", doctor(&report, look(80)));
    let mut again = report.clone();
    again.checks.push(report.checks[0].clone());
    let text = doctor(&again, look(80));
    assert_eq!(
        text.matches("setcap").count(),
        1,
        "a remedy is said once: {text}"
    );
    assert!(text.contains("to grant it: as above"), "{text}");
    insta::assert_snapshot!("doctor_color", doctor(&report, colored(80)));
}

#[test]
fn release_as_it_went_and_as_it_would_go() {
    let report: ReleaseReport = sample(RELEASE);
    insta::assert_snapshot!("release_80", release(&report, look(80)));
    insta::assert_snapshot!("release_ascii", release(&report, Look::PLAIN));
    insta::assert_snapshot!("release_color", release(&report, colored(80)));
    let dry_run = ReleaseReport {
        dry_run: true,
        after: None,
        curve: Vec::new(),
        kept_by: Vec::new(),
        notes: Vec::new(),
        watch: None,
        ..report
    };
    insta::assert_snapshot!("release_dry_run_80", release(&dry_run, look(80)));
}

#[test]
fn tune_as_it_was_set_and_as_it_would_be() {
    let report: TuneReport = sample(TUNE);
    insta::assert_snapshot!("tune_80", tune(&report, look(80)));
    let dry_run = TuneReport {
        dry_run: true,
        ..report
    };
    insta::assert_snapshot!("tune_dry_run_80", tune(&dry_run, look(80)));
}

#[test]
fn no_line_of_the_one_screen_is_wider_than_the_terminal() {
    for json in [IDLE, HEALTHY, TORN, GRAPH] {
        let report: WhyReport = sample(json);
        for width in [60, 72, 80, 100, 132, 200] {
            let text = why(&report, look(width), false);
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }
    let report: HeapReport = sample(HEAP);
    for width in [80, 100, 132] {
        for line in heap(&report, look(width)).lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let report: ReleaseReport = sample(RELEASE);
    for width in [60, 80, 132] {
        for line in release(&report, look(width)).lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
    let report: PsReport = sample(PS);
    for width in [80, 100, 120, 160] {
        let text = ps(&report, look(width), PsColumns::Fitting);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn color_and_ascii_change_nothing_but_colour_and_characters() {
    for json in [IDLE, HEALTHY, TORN, GRAPH] {
        let report: WhyReport = sample(json);
        let drawn = why(&report, colored(80), true);
        assert!(drawn.contains('\x1b'));
        let stripped = anstyle_strip(&drawn);
        assert_eq!(stripped, why(&report, look(80), true));
        let ascii = why(&report, Look::PLAIN, true);
        assert!(ascii.is_ascii());
        assert_eq!(ascii.lines().count(), stripped.lines().count());
    }
}

/// Drops `ESC [ ... m`, the only sequences that are written.
fn anstyle_strip(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut out = parts.next().unwrap().to_string();
    for part in parts {
        out.push_str(part.split_once('m').unwrap().1);
    }
    out
}

#[test]
fn lab_has_a_table_an_experiment_with_the_claim_beside_it() {
    let report: LabReport = sample(LAB);
    insta::assert_snapshot!("lab_80", lab(&report, look(80)));
    insta::assert_snapshot!("lab_color", lab(&report, colored(100)));
    insta::assert_snapshot!("lab_markdown", markdown::lab(&report));
}
