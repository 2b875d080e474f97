//! What is reachable, against what the runtime's own collector marked.

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient, Recipe, Tier, cases};

use crate::{json, may_read};

/// What a program that stands still may have allocated since its last GC.
const SINCE: u64 = 64 << 10;

/// The difference between reachable bytes and `heapMarked`, and what was wrong beside.
fn beside(patient: &Patient, hold: &str) -> (u64, u64, String) {
    let (report, code) = json("why", &[&patient.pid().to_string(), hold]);
    let graph = &report["taken"]["graph"];
    let reachable = graph["reachable_bytes"].as_u64().unwrap();
    let marked = report["runtime"]["heap_marked"].as_u64().unwrap();
    let mut wrong = String::new();
    if code != 0 || graph["complete"] != true || graph["dead_reachable"] != 0 {
        wrong = format!("exit {code}: {graph} {}", report["taken"]["coverage"]);
    }
    (reachable, marked, wrong)
}

/// Collections of a patient that are looked at.
const TRIES: u32 = 3;

#[test]
fn reachable_is_what_the_collector_marked() {
    if !may_read("reachable_is_what_the_collector_marked") {
        return;
    }
    let mut all = cases(Tier::from_env());
    let cgo = Case {
        version: NEWEST_GO,
        kind: Kind::cgo(),
    };
    if !all.contains(&cgo) {
        all.push(cgo);
    }
    let mut failed = Vec::new();
    for case in &all {
        let recipe = Recipe::new("plain").arg("-mib=32");
        let recipe = recipe.go(case.version).kind(case.kind.clone());
        let mut apart = Vec::new();
        // What is allocated while the collector marks is marked as well: then once more.
        for _ in 0..TRIES {
            let mut patient = recipe.start().unwrap();
            patient.stop().unwrap();
            apart = flaws(case, &patient);
            if apart.is_empty() {
                break;
            }
        }
        failed.extend(apart);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What is wrong with a stopped patient, by each way of reading it.
fn flaws(case: &Case, patient: &Patient) -> Vec<String> {
    let mut failed = Vec::new();
    for hold in ["--frozen", "--stop=60000"] {
        let (reachable, marked, wrong) = beside(patient, hold);
        let difference = reachable.abs_diff(marked);
        eprintln!("{case} {hold}: reachable {reachable}, marked {marked}: {difference} apart");
        if difference > SINCE || !wrong.is_empty() {
            failed.push(format!("{case} {hold}: {reachable} and {marked}; {wrong}"));
        }
    }
    failed
}
