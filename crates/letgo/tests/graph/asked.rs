//! What is asked of a heap: ways to objects, stacks of holders, questions in SQL; against what the
//! program knows, and against each other.

use std::fs::File;
use std::os::unix::fs::FileExt;

use letgo_testkit::{Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe};
use serde_json::Value;

use crate::{json, letgo, may_read, snap};

/// A stopped patient that holds objects in every way.
fn patient() -> Patient {
    let recipe = Recipe::new("graph").kind(Kind::plain());
    let mut patient = recipe.start().unwrap();
    patient.stop().unwrap();
    patient
}

fn place(patient: &Patient, name: &str) -> String {
    let at = patient.truth().text(name).unwrap();
    format!("{:#x}", at.parse::<u64>().unwrap())
}

/// The rows of an answer in SQL.
fn rows(target: &str, question: &str) -> Vec<Value> {
    let (answer, code) = json("heap", &[target, "--stop=60000", "--sql", question]);
    assert_eq!(code, 0, "{question}: {answer}");
    assert_eq!(answer["schema"], "letgo.sql/1");
    answer["rows"].as_array().unwrap().clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

fn sum(values: &[Value], key: &str) -> u64 {
    values.iter().map(|value| number(&value[key])).sum()
}

#[test]
fn ways_to_objects_are_those_that_the_program_knows() {
    if !may_read("ways_to_objects_are_those_that_the_program_knows") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("graph.snap");
    snap(&[&pid, "--stop=60000"], &file);
    let file = file.to_str().unwrap();
    let way = |target: &str, address: &str| {
        let stop = ["--stop=60000"];
        let stop: &[&str] = if target == pid { &stop } else { &[] };
        let (report, code) = json("heap", &[&[target, "--path", address], stop].concat());
        assert_eq!(code, 0, "{report}");
        assert_eq!(report["schema"], "letgo.path/1");
        report
    };
    for target in [&*pid, file] {
        let list = way(target, &place(&patient, "kept_list_end"));
        assert_eq!(list["path"]["root"]["name"], "main.list");
        let hops = list["path"]["hops"].as_array().unwrap();
        let more = number(&list["path"]["hops_more"]);
        assert_eq!(hops.len() as u64 + more, 20_000);
        // node.next is the first field.
        assert_eq!(hops[0]["offset"], 0, "{target}");
        assert_eq!(list["kinds"][0]["steps"][0]["repeated"], true);
        let tagged = way(target, &place(&patient, "kept_tagged_last"));
        assert_eq!(tagged["path"]["root"]["name"], "main.tags");
        let hops = tagged["path"]["hops"].as_array().unwrap();
        // The last element of the slice, and 60 words before the pointer; behind a header or none.
        let offset = number(&hops[0]["offset"]);
        assert!([3992, 4000].contains(&offset), "{offset}");
        let offset = number(&hops[1]["offset"]);
        assert!([480, 488].contains(&offset), "{offset}");
        assert_eq!(hops[2]["address"], place(&patient, "kept_tagged_last"));
        let local = way(target, &place(&patient, "kept_stack_local"));
        assert_eq!(local["path"]["root"]["kind"], "stack");
        // The goroutine began with a wrapper that the compiler made of `go deep(...)`.
        assert_eq!(local["path"]["root"]["function"], "main.deep");
        assert_eq!(
            local["path"]["root"]["created_by"]["function"],
            "main.fillStacks"
        );
        let lost = way(target, &place(&patient, "lost_list"));
        assert_eq!(
            (&lost["reachable"], &lost["path"]),
            (&false.into(), &Value::Null)
        );
    }
    let stack = way(&pid, "0x10");
    assert_eq!(stack["place"]["kind"], "unmapped");
    let text = letgo(&[
        "heap",
        &pid,
        "--stop=60000",
        "--path",
        &place(&patient, "kept_list_end"),
    ]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("main.list") && text.contains("19,984 more"),
        "{text}"
    );
}

#[test]
fn what_two_variables_hold_is_told_of_the_ways_to_a_type() {
    if !may_read("what_two_variables_hold_is_told_of_the_ways_to_a_type") {
        return;
    }
    let patient = Recipe::new("twice").start().unwrap();
    let pid = patient.pid().to_string();
    let truth = patient.truth();
    let (report, code) = json("heap", &[&pid, "--path", "main.record"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        number(&report["instances"]["count"]),
        truth.get("both") + truth.get("own")
    );
    assert_eq!(report["shared"], truth.get("both"));
    let kinds = report["kinds"].as_array().unwrap();
    let alone: u64 = kinds
        .iter()
        .map(|kind| number(&kind["ways"]) - number(&kind["shared"]))
        .sum();
    assert_eq!(alone, truth.get("own"));
    let text = letgo(&["heap", &pid, "--path", "main.record"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("500 of them are held by others too"),
        "{text}"
    );
}

#[test]
fn digits_as_sql_writes_them_are_the_address_that_they_were() {
    if !may_read("digits_as_sql_writes_them_are_the_address_that_they_were") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let question = "select address from objects where reachable order by slot_bytes desc limit 1";
    let row = &rows(&pid, question)[0];
    let decimal = number(&row["address"]);
    let hex = format!("{decimal:#x}");
    for given in [&decimal.to_string(), &hex] {
        let (report, code) = json("heap", &[&pid, "--stop=60000", "--path", given]);
        assert_eq!(code, 0, "{report}");
        assert_eq!(report["asked"]["address"], *hex);
        assert_eq!(report["object"]["address"], *hex, "{given}");
        assert_eq!(report["asked"].get("note").is_some(), given != &hex);
    }
}

#[test]
fn answers_in_sql_are_those_of_the_verbs() {
    if !may_read("answers_in_sql_are_those_of_the_verbs") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let (heap, _) = json("heap", &[&pid, "--stop=60000"]);
    let all = rows(
        &pid,
        "select class, reachable, count(*) as n, sum(slot_bytes) as bytes, sum(guessed) as guessed
         from objects group by class, reachable",
    );
    for (reachable, total) in [(1, "reachable"), (0, "garbage")] {
        let own = all.iter().filter(|row| row["reachable"] == reachable);
        let own: Vec<Value> = own.cloned().collect();
        let total = &heap["totals"][total];
        assert_eq!(sum(&own, "n"), number(&total["count"]));
        assert_eq!(sum(&own, "bytes"), number(&total["slot_bytes"]));
        for row in own {
            let classes = heap["size_classes"].as_array().unwrap();
            let class = classes.iter().find(|class| class["class"] == row["class"]);
            let key = if reachable == 1 {
                "reachable"
            } else {
                "garbage"
            };
            assert_eq!(class.unwrap()[key]["count"], row["n"], "{row}");
        }
    }
    let spans = rows(
        &pid,
        "select count(*) as n, sum(bytes) as bytes, sum(used) as used,
                sum(resident_bytes) as resident from spans where state = 'heap'",
    );
    let totals = &heap["totals"];
    assert_eq!(spans[0]["n"], totals["spans"]["count"]);
    assert_eq!(spans[0]["bytes"], totals["spans"]["slot_bytes"]);
    assert_eq!(spans[0]["resident"], totals["spans"]["resident_bytes"]);
    assert_eq!(spans[0]["used"], totals["objects"]["count"]);
    let (goroutines, _) = json("goroutines", &[&pid, "--stop=60000"]);
    let states = rows(
        &pid,
        "select state, wait_reason, count(*) as n, sum(stack_bytes) as bytes
         from goroutines group by 1, 2",
    );
    assert_eq!(sum(&states, "n"), number(&goroutines["total"]));
    for status in goroutines["by_status"].as_array().unwrap() {
        let reason = status.get("wait_reason").unwrap_or(&Value::Null);
        let own = states
            .iter()
            .find(|row| row["state"] == status["status"] && row["wait_reason"] == *reason);
        let own = own.unwrap_or_else(|| panic!("{status}"));
        assert_eq!(own["n"], status["count"]);
        assert_eq!(own["bytes"], status["stack_bytes"]);
    }
    // Who holds most, as the verb says it.
    let holder = &heap["holders"][0];
    let address = holder["object"]["address"].as_str().unwrap();
    let question = format!(
        "select retained_bytes, retained_objects, dominator is null as top,
                (select sum(retained_bytes) from objects where dominator = o.address) as below,
                slot_bytes from objects o where address = {address}"
    );
    let own = rows(&pid, &question);
    assert_eq!(own[0]["retained_bytes"], holder["retained_bytes"]);
    assert_eq!(own[0]["retained_objects"], holder["retained_objects"]);
    assert_eq!(own[0]["top"], 1);
    let below = number(&own[0]["below"]) + number(&own[0]["slot_bytes"]);
    assert_eq!(below, number(&own[0]["retained_bytes"]));
}

#[test]
fn edges_in_sql_are_the_pointers_of_the_program() {
    if !may_read("edges_in_sql_are_the_pointers_of_the_program") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let end = place(&patient, "kept_list_end");
    // The whole list, backwards: an index leads from each to the one before.
    let question = "select count(*) as n from roots r join edges e on e.source = r.target
                    where r.name = 'main.list'";
    assert_eq!(rows(&pid, question)[0]["n"], 1);
    let before = rows(
        &pid,
        &format!("select source, offset from edges where target = {end}"),
    );
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["offset"], 0);
    let chain = "with recursive list(at, n) as (
                   select target, 1 from roots where name = 'main.list'
                   union all select e.target, n + 1 from list join edges e on e.source = at)
                 select max(n) as n, addr(max(at)) as x from list";
    assert_eq!(rows(&pid, chain)[0]["n"], 20_000);
    let both = "select (select count(*) from edges) as edges,
                       (select count(*) from edges e join objects o on o.address = e.source) as own";
    let both = rows(&pid, both);
    assert_eq!(both[0]["edges"], both[0]["own"]);
    let far = format!("select root_distance as far from objects where address = {end}");
    assert_eq!(rows(&pid, &far)[0]["far"], 19_999);
}

/// What is looked up is what going over all rows finds: SQLite computes `x + 0` of each.
#[test]
fn rows_that_are_looked_up_are_those_of_going_over_all() {
    if !may_read("rows_that_are_looked_up_are_those_of_going_over_all") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let same = |table: &str, column: &str, value: &str| {
        let of = |shown: &str| {
            let order = match table {
                "edges" => "1, 2, 3",
                _ => "1",
            };
            let question =
                format!("select * from {table} where {shown} = {value} order by {order}");
            rows(&pid, &question)
        };
        let (found, gone_over) = (of(column), of(&format!("{column} + 0")));
        assert_eq!(found, gone_over, "{table}.{column} = {value}");
        found.len()
    };
    let end = place(&patient, "kept_list_end");
    let inside = format!("{end} + 8");
    let most = "(select target from edges group by 1 order by count(*) desc limit 1)";
    assert_eq!(same("edges", "target", &end), 1);
    assert!(same("edges", "target", most) > 10);
    same("edges", "source", most);
    let widest = "(select source from edges group by 1 order by count(*) desc limit 1)";
    assert!(same("edges", "source", widest) > 10);
    assert_eq!(same("objects", "address", &end), 1);
    let span = format!("(select span from objects where address = {end})");
    assert!(same("objects", "span", &span) > 10);
    assert_eq!(same("spans", "base", &span), 1);
    assert!(same("objects", "class", "0") > 0);
    let root = "(select target from roots where name = 'main.list')";
    assert_eq!(same("roots", "target", root), 1);
    assert_eq!(same("goroutines", "id", "1"), 1);
    // Within an object, within a span, and nowhere.
    let within = format!("{span} + 8");
    for (table, column, value) in [
        ("edges", "target", &*inside),
        ("edges", "source", &inside),
        ("objects", "address", &inside),
        ("objects", "span", &within),
        ("spans", "base", &within),
        ("edges", "target", "16"),
        ("objects", "address", "-1"),
        ("objects", "address", "null"),
    ] {
        assert_eq!(same(table, column, value), 0, "{table}.{column} = {value}");
    }
    // The other way round: as many, from the same objects at the same places.
    let sums = "count(*) n, sum(e.source % 65536) sources, sum(e.offset) offsets";
    let looked = format!("select {sums} from objects t cross join edges e on e.target = t.address");
    let all = format!("select {sums} from edges e");
    assert_eq!(rows(&pid, &looked), rows(&pid, &all));
}

/// Pointers lie where the program's memory has them.
#[test]
fn offsets_of_edges_are_where_memory_has_the_pointers() {
    if !may_read("offsets_of_edges_are_where_memory_has_the_pointers") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let question = "select source, e.offset, target, t.slot_bytes bytes
                    from edges e join objects t on t.address = e.target where e.target % 13 < 2";
    let all = rows(&pid, question);
    assert!(all.len() > 1000, "{}", all.len());
    for row in all {
        let mut word = [0; 8];
        let at = number(&row["source"]) + number(&row["offset"]);
        memory.read_exact_at(&mut word, at).unwrap();
        let behind = u64::from_le_bytes(word).wrapping_sub(number(&row["target"]));
        assert!(behind < number(&row["bytes"]), "{row}");
    }
}

#[test]
fn stacks_of_holders_are_all_that_is_reachable() {
    if !may_read("stacks_of_holders_are_all_that_is_reachable") {
        return;
    }
    let patient = patient();
    let pid = patient.pid().to_string();
    let (heap, _) = json("heap", &[&pid, "--stop=60000"]);
    let folded = letgo(&["heap", &pid, "--stop=60000", "-o", "folded"]);
    assert!(folded.status.success(), "{folded:?}");
    let folded = String::from_utf8(folded.stdout).unwrap();
    let bytes = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let all: u64 = folded.lines().map(bytes).sum();
    assert_eq!(all, number(&heap["totals"]["reachable"]["slot_bytes"]));
    let list = folded.lines().filter(|line| line.starts_with("main.list;"));
    assert_eq!(list.map(bytes).sum::<u64>(), 20_000 * 48);
    let refused = letgo(&["heap", &pid, "-o", "csv"]);
    assert_eq!(refused.status.code(), Some(2));
    let refused = letgo(&["heap", &pid, "-o", "folded", "--path", "0x10"]);
    assert_eq!(refused.status.code(), Some(2));
}

/// Of a stripped program, whose small objects name no type: what its variables hold has the types
/// that it was made as, as many as it made, by each way of asking.
#[test]
fn types_of_a_stripped_program_are_those_that_it_made() {
    if !may_read("types_of_a_stripped_program_are_those_that_it_made") {
        return;
    }
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let recipe = Recipe::new("keyed").kind(Kind::stripped_pie()).go(version);
        let mut patient = recipe.arg("-n=20000").start().unwrap();
        patient.stop().unwrap();
        let made: u64 = patient.truth().get("records");
        let pid = patient.pid().to_string();
        let (heap, code) = json("heap", &[&pid, "--stop=60000"]);
        assert_eq!(code, 0, "{version}");
        let types = heap["types"].as_array().unwrap();
        let of = |name: &str| {
            let found = types.iter().find(|one| one["name"] == name);
            found.map_or(0, |one| number(&one["objects"]["count"]))
        };
        assert_eq!(of("main.record"), made, "{version}");
        // Each has bytes of its own; the runtime and the patient's own frame have a few.
        let bytes = of("[]uint8");
        assert!((made..made + 200).contains(&bytes), "{version}: {bytes}");
        let listed = types.iter().map(|one| number(&one["objects"]["count"]));
        let rest = heap["types_rest"]["objects"]["count"].as_u64();
        let untyped = number(&heap["untyped"]["count"]);
        let all = listed.sum::<u64>() + rest.unwrap_or(0) + untyped;
        assert_eq!(all, number(&heap["totals"]["reachable"]["count"]));
        assert!(untyped * 100 < all, "{version}: {untyped} of {all}");
        let question = "select count(*) n from objects where reachable and type = 'main.record'";
        assert_eq!(rows(&pid, question)[0]["n"], made, "{version}");
        let (report, code) = json("heap", &[&pid, "--stop=60000", "--type", "main.record"]);
        assert_eq!(code, 0, "{report}");
        assert_eq!(report["reachable"]["count"], made, "{version}");
    }
}
