//! The contract with users: the samples against the schema, and the keys that others rely on.

use jsonschema::Validator;
use letgo_report::lab::LabReport;
use letgo_report::schema::{VERBS, schema_name, schema_of};
use letgo_report::{
    DiffReport, DoctorReport, GoroutinesReport, HeapReport, PathReport, PsReport, ReleaseReport,
    SqlReport, TuneReport, TypeReport, WhyReport, json,
};
use serde_json::{Value, json as value};

const SAMPLES: [(&str, &str); 16] = [
    ("why", include_str!("../samples/why-idle.json")),
    ("why", include_str!("../samples/why-healthy.json")),
    ("why", include_str!("../samples/why-torn.json")),
    ("why", include_str!("../samples/why-graph.json")),
    ("why", include_str!("../samples/why-core.json")),
    ("heap", include_str!("../samples/heap.json")),
    ("path", include_str!("../samples/path.json")),
    ("type", include_str!("../samples/type.json")),
    ("sql", include_str!("../samples/sql.json")),
    ("goroutines", include_str!("../samples/goroutines.json")),
    ("diff", include_str!("../samples/diff.json")),
    ("ps", include_str!("../samples/ps.json")),
    ("doctor", include_str!("../samples/doctor.json")),
    ("release", include_str!("../samples/release.json")),
    ("tune", include_str!("../samples/tune.json")),
    ("lab", include_str!("../samples/lab.json")),
];

fn validator(verb: &str) -> Validator {
    jsonschema::validator_for(&schema_of(verb).unwrap()).unwrap()
}

fn parsed(sample: &str) -> Value {
    serde_json::from_str(sample).unwrap()
}

/// Reads a sample into our types and writes it again.
fn rewritten(verb: &str, sample: &str) -> Value {
    let written = match verb {
        "why" => json(&serde_json::from_str::<WhyReport>(sample).unwrap()),
        "heap" => json(&serde_json::from_str::<HeapReport>(sample).unwrap()),
        "path" => json(&serde_json::from_str::<PathReport>(sample).unwrap()),
        "type" => json(&serde_json::from_str::<TypeReport>(sample).unwrap()),
        "sql" => json(&serde_json::from_str::<SqlReport>(sample).unwrap()),
        "goroutines" => json(&serde_json::from_str::<GoroutinesReport>(sample).unwrap()),
        "diff" => json(&serde_json::from_str::<DiffReport>(sample).unwrap()),
        "ps" => json(&serde_json::from_str::<PsReport>(sample).unwrap()),
        "release" => json(&serde_json::from_str::<ReleaseReport>(sample).unwrap()),
        "tune" => json(&serde_json::from_str::<TuneReport>(sample).unwrap()),
        "lab" => json(&serde_json::from_str::<LabReport>(sample).unwrap()),
        _ => json(&serde_json::from_str::<DoctorReport>(sample).unwrap()),
    };
    parsed(&written.unwrap())
}

#[test]
fn samples_keep_to_the_schema_and_survive_a_round_trip() {
    for (verb, sample) in SAMPLES {
        let errors: Vec<String> = validator(verb)
            .iter_errors(&parsed(sample))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{verb}: {errors:#?}");
        assert_eq!(rewritten(verb, sample), parsed(sample), "{verb}");
    }
}

#[test]
fn the_schema_refuses_what_the_contract_forbids() {
    let good = parsed(SAMPLES[0].1);
    let validator = validator("why");
    for (pointer, bad) in [
        ("/rss/bytes", value!("2 GiB")),
        ("/rss/tree/0/resident_bytes", value!(-1)),
        ("/rss/tree/0/children", value!(null)),
        ("/runtime/heap_live", value!(null)),
        ("/findings/0/evidence", value!("a string")),
        ("/target/pid", value!("4242")),
        ("/taken/coverage/complete", value!(1)),
    ] {
        let mut report = good.clone();
        *report.pointer_mut(pointer).unwrap() = bad;
        assert!(!validator.is_valid(&report), "{pointer}");
    }
}

#[test]
fn the_schema_allows_what_a_later_letgo_may_add() {
    let mut report = parsed(SAMPLES[0].1);
    report["findings"][0]["severity"] = value!("catastrophic");
    report["findings"][0]["id"] = value!("a-new-rule");
    report["taken"]["method"] = value!("telepathy");
    report["a_new_key"] = value!({ "nested": true });
    assert!(validator("why").is_valid(&report));
    let report: WhyReport = serde_json::from_value(report).unwrap();
    assert_eq!(report.findings[0].severity.as_str(), "catastrophic");
}

/// The keys as the design names them; a `?` is a key that may be absent.
#[test]
fn the_keys_that_users_rely_on_are_there() {
    let schema = schema_of("why").unwrap();
    for (of, keys) in [
        (
            "Target",
            "pid exe go_version module? vcs_revision? stripped pie cgo container?",
        ),
        (
            "Container",
            "id pod? limit current working_set cgroup_version",
        ),
        ("Taken", "at method pause_ns_max wall_ns coverage"),
        ("CoverageReport", "complete skipped torn drift_bytes"),
        (
            "Rss",
            "bytes swap_bytes os_pages attributed_bytes unattributed_bytes tree",
        ),
        (
            "Node",
            "id label resident_bytes virtual_bytes swap_bytes source children",
        ),
        ("GcCpu", "fraction window_ns"),
        (
            "Runtime",
            "heap_alloc? heap_live? heap_inuse? heap_idle? heap_released? heap_sys? stack_inuse? \
             stack_sys? mspan_sys? mcache_sys? buck_hash_sys? gc_sys? other_sys? next_gc? num_gc? \
             gc_percent? memory_limit? goroutines? last_gc_ns? gc_cpu_recent?",
        ),
        (
            "Finding",
            "id severity confidence bytes also count? title holder? location? evidence remedies",
        ),
        ("Location", "function file line"),
        ("Remedy", "what command expect"),
    ] {
        let definition = &schema["$defs"][of];
        let required: Vec<&str> = definition["required"].as_array().map_or(Vec::new(), |all| {
            all.iter().filter_map(Value::as_str).collect()
        });
        for key in keys.split_whitespace() {
            let name = key.trim_end_matches('?');
            assert!(definition["properties"].get(name).is_some(), "{of}.{name}");
            assert_eq!(required.contains(&name), !key.ends_with('?'), "{of}.{name}");
        }
    }
}

/// As above, where nobody knows what was resident.
#[test]
fn a_report_on_a_core_has_no_rss_and_no_resident_bytes() {
    let report = parsed(include_str!("../samples/why-core.json"));
    assert!(!report.to_string().contains("resident_bytes"));
    let schema = schema_of("why").unwrap();
    let required = schema["required"].as_array().unwrap();
    for key in ["rss", "virtual"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
        assert!(!required.iter().any(|name| name == key), "{key}");
    }
    let report: WhyReport = serde_json::from_value(report).unwrap();
    let extent = report.extent.unwrap();
    assert!(report.rss.is_none() && extent.bytes > 0);
    let leaves: u64 = extent.leaves().iter().map(|leaf| leaf.virtual_bytes).sum();
    let groups: u64 = extent.tree.iter().map(|group| group.virtual_bytes).sum();
    assert_eq!((leaves, groups), (extent.bytes, extent.bytes));
}

/// As above, of the verb that gives back.
#[test]
fn the_keys_of_a_release_are_there() {
    let schema = schema_of("release").unwrap();
    let keys = "before predicted gcs pause_ns_max restored page_faults_expected";
    let required = schema["required"].as_array().unwrap();
    for key in keys.split_whitespace() {
        assert!(required.iter().any(|name| name == key), "{key}");
    }
    for key in ["after", "curve"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
}

/// As above, of the heap.
#[test]
fn the_keys_of_a_heap_are_there() {
    let schema = schema_of("heap").unwrap();
    for (of, keys) in [
        (
            "HeapTotals",
            "spans objects reachable garbage free_slots guessed?",
        ),
        ("Amount", "count slot_bytes resident_bytes?"),
        (
            "Holder",
            "root? object retained_bytes retained_objects share children?",
        ),
        (
            "HolderRoot",
            "kind name? place? goroutine? function? type? stored_by?",
        ),
        (
            "GraphReport",
            "objects reachable_objects reachable_bytes garbage_objects garbage_bytes \
             guessed_objects guessed_bytes dead_reachable copied_bytes wall_ns read_ns? mark_ns? \
             dominators_ns? complete",
        ),
    ] {
        let definition = &schema["$defs"][of];
        for key in keys.split_whitespace() {
            let name = key.trim_end_matches('?');
            assert!(definition["properties"].get(name).is_some(), "{of}.{name}");
            let required = definition["required"].as_array().unwrap();
            let is = required.iter().any(|required| required == name);
            assert_eq!(is, !key.ends_with('?'), "{of}.{name}");
        }
    }
}

/// As above, of ways to objects.
#[test]
fn the_keys_of_ways_are_there() {
    let schema = schema_of("path").unwrap();
    for (of, keys) in [
        ("PathAsked", "address? type?"),
        ("Place", "kind what start? bytes? offset?"),
        ("PathWay", "root guess? hops hops_more?"),
        ("Hop", "address slot_bytes type? offset? field?"),
        ("PathKind", "root steps ways slot_bytes hops example"),
        ("PathStep", "type? slot_bytes? repeated?"),
    ] {
        let definition = &schema["$defs"][of];
        for key in keys.split_whitespace() {
            let name = key.trim_end_matches('?');
            assert!(definition["properties"].get(name).is_some(), "{of}.{name}");
            let required = definition["required"].as_array();
            let mut required = required.into_iter().flatten();
            let is = required.any(|required| required == name);
            assert_eq!(is, !key.ends_with('?'), "{of}.{name}");
        }
    }
}

/// As above, of goroutines.
#[test]
fn the_keys_of_goroutines_are_there() {
    let schema = schema_of("goroutines").unwrap();
    for (of, keys) in [
        (
            "GoroutineGroup",
            "id? verdict why? status wait_reason? count system? waiting_ns? waiting_ns_min? \
             location? frames created_by? labels? label_sets? label_sets_more? stack_bytes stack_used_bytes? retained_bytes? \
             retained_objects? goids",
        ),
        ("CallFrame", "function file line inlined? object? gap?"),
        (
            "LeakSummary",
            "analysed why_not? proven likely stack_bytes retained_bytes?",
        ),
        ("StatusCount", "status wait_reason? count stack_bytes"),
    ] {
        let definition = &schema["$defs"][of];
        let required = definition["required"].as_array().unwrap();
        for key in keys.split_whitespace() {
            let name = key.trim_end_matches('?');
            assert!(definition["properties"].get(name).is_some(), "{of}.{name}");
            let is = required.iter().any(|required| required == name);
            assert_eq!(is, !key.ends_with('?'), "{of}.{name}");
        }
    }
    let required = schema["required"].as_array().unwrap();
    for key in ["total", "dead", "by_status", "leaks", "groups"] {
        assert!(required.iter().any(|name| name == key), "{key}");
    }
}

/// The sample keeps to the invariants that the types name.
#[test]
fn the_sample_of_goroutines_adds_up() {
    let sample = SAMPLES.iter().find(|(verb, _)| *verb == "goroutines");
    let report: GoroutinesReport = serde_json::from_str(sample.unwrap().1).unwrap();
    let counted: u64 = report.groups.iter().map(|group| group.count).sum();
    let stated: u64 = report.by_status.iter().map(|state| state.count).sum();
    assert_eq!((counted, stated), (report.total, report.total));
    let stacks: u64 = report.groups.iter().map(|group| group.stack_bytes).sum();
    assert_eq!(stacks, report.stack_bytes);
    let bytes: Vec<u64> = report.groups.iter().map(|group| group.bytes()).collect();
    assert!(bytes.is_sorted_by(|a, b| a >= b));
}

#[test]
fn a_parent_in_the_samples_equals_the_sum_of_its_children() {
    fn check(node: &letgo_report::Node) {
        if !node.children.is_empty() {
            let sum: u64 = node.children.iter().map(|child| child.resident_bytes).sum();
            assert_eq!(node.resident_bytes, sum, "{}", node.id);
        }
        node.children.iter().for_each(check);
    }
    for (_, sample) in &SAMPLES[..3] {
        let report: WhyReport = serde_json::from_str(sample).unwrap();
        let rss = &report.rss.unwrap();
        rss.tree.iter().for_each(check);
        let sum: u64 = rss.tree.iter().map(|node| node.resident_bytes).sum();
        assert_eq!(sum, rss.attributed_bytes + rss.unattributed_bytes);
        let drift = report.taken.coverage.drift_bytes;
        assert_eq!(rss.bytes.checked_add_signed(drift), Some(sum));
    }
}

/// The committed schemas in `docs/reference/schema/`. With `LETGO_BLESS=1` they are written anew.
#[test]
fn committed_schemas_are_not_stale() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/schema");
    for verb in VERBS {
        let name = schema_name(verb).unwrap().replace('/', "-");
        let path = format!("{dir}/{name}.json");
        let fresh = json(&schema_of(verb).unwrap()).unwrap();
        if std::env::var_os("LETGO_BLESS").is_some() {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(&path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed, fresh,
            "{path} is stale: run the tests with LETGO_BLESS=1"
        );
    }
}
