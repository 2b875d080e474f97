//! What the verbs that read say of what the verbs that write did.

use letgo_testkit::{Case, Kind, NEWEST_GO};
use serde_json::json;

use crate::{State, controls, may_write, patient};

#[test]
fn why_tells_what_letgo_has_set_and_writes_nothing() {
    if !may_write("why_tells_what_letgo_has_set_and_writes_nothing") {
        return;
    }
    let case = Case {
        version: NEWEST_GO,
        kind: Kind::plain(),
    };
    let patient = patient(&case, "burst", &["-live=8", "-burst=8", "-gc"], &[]);
    let (pid, state) = (patient.pid(), State::new());
    let (report, _) = state.run("why", pid, &[]);
    assert_eq!(report.get("changes"), None);
    state.run("tune", pid, &["--gogc", "50"]);
    let before = state.actions();
    let (report, _) = state.run("why", pid, &[]);
    let changes = report["changes"].as_array().unwrap();
    let gogc = changes
        .iter()
        .find(|change| change["variable"] == "gcController.gcPercent");
    assert_eq!(gogc.unwrap()["lasting"], json!(true));
    assert_eq!(gogc.unwrap()["new"], json!("0x32"));
    let text = state.letgo(&["why", &pid.to_string()]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Set by letgo: "), "{text}");
    assert_eq!(state.actions(), before);
    assert_eq!(controls(pid).gc_percent, 50);
    state.run("tune", pid, &["--undo"]);
    let (report, _) = state.run("why", pid, &[]);
    assert_eq!(report.get("changes"), None);
}
