//! Variables that hold memory by several words, or by what they point to beside the heap, and
//! goroutines of one function, against what the program measured itself: its own `HeapAlloc` before
//! and after it filled each.

use letgo_testkit::{MIDDLE_GO, NEWEST_GO, OLDEST_GO, Recipe};
use serde_json::Value;

use crate::{json, may_read};

#[test]
fn variables_hold_what_they_lead_to_by_several_ways() {
    if !may_read("variables_hold_what_they_lead_to_by_several_ways") {
        return;
    }
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let mut patient = Recipe::new("beside").go(version).start().unwrap();
        patient.stop().unwrap();
        let (heap, code) = json("heap", &[&patient.pid().to_string(), "--stop=60000"]);
        assert_eq!(code, 0, "go{version}");
        for (name, kind, key) in [
            ("main.byValue", "main.store", "by_value"),
            ("*main.laidOut", "main.store", "laid_out"),
            ("*main.deep", "main.store", "deep"),
        ] {
            let measured = patient.truth().get(key);
            let holder = named(&heap, name).unwrap_or_else(|| panic!("go{version}: no {name}"));
            let retained = holder["retained_bytes"].as_u64().unwrap();
            eprintln!("go{version} {name}: retains {retained}, measured {measured}");
            assert!(
                retained.abs_diff(measured) * 100 <= measured,
                "go{version} {name}: {retained}, not {measured}"
            );
            assert_eq!(holder["root"]["type"], kind, "go{version} {name}");
            assert_eq!(holder["group"]["roots"], 2, "go{version} {name}");
            assert_eq!(holder["object"]["slot_bytes"], 0);
        }
        let measured = patient.truth().get("kept");
        let holder = started_with(&heap, "main.keep").expect("goroutines");
        let retained = holder["retained_bytes"].as_u64().unwrap();
        eprintln!("go{version} main.keep: retains {retained}, measured {measured}");
        assert!(retained.abs_diff(measured) * 100 <= measured, "go{version}");
        assert_eq!(
            holder["group"]["goroutines"],
            patient.truth().get("keepers")
        );
        // Two variables lead there: it is neither's.
        let contested = ["*main.one", "*main.other"];
        assert!(contested.iter().all(|name| named(&heap, name).is_none()));
    }
}

fn named<'a>(heap: &'a Value, name: &str) -> Option<&'a Value> {
    let mut holders = heap["holders"].as_array()?.iter();
    holders.find(|holder| holder["root"]["name"] == name)
}

fn started_with<'a>(heap: &'a Value, function: &str) -> Option<&'a Value> {
    let mut holders = heap["holders"].as_array()?.iter();
    holders.find(|holder| holder["root"]["function"] == function)
}
