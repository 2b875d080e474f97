//! [`path`]: why an object is alive.

use super::head;
use super::heap::{heading, root_name};
use super::table::{Side, Table, plain};
use crate::names::short;
use crate::page::{Ink, Line, Look, Page, harmless, wrap};
use crate::{
    HolderKind, Hop, PathKind, PathReport, PathRoot, PathStep, PathWay, Place, PlaceKind, units,
};

/// Objects of a way that are listed from its start, and as many from its end.
const HALF: usize = 8;
/// Kinds of ways that are listed.
const MOST_KINDS: usize = 10;
/// Lines that a way takes, and columns beside it.
const MOST_LINES: usize = 8;
const BESIDE: usize = 36;

/// Draws the report.
pub fn path(report: &PathReport, look: Look) -> String {
    let mut page = Page::new(look);
    head::write(&mut page, "heap", &report.target, &report.taken);
    page.gap();
    asked(&mut page, report);
    head::coverage(&mut page, &report.taken.coverage, 0, head::MOST_SKIPS);
    if let Some(way) = &report.path {
        way_of(&mut page, way);
    }
    kinds(&mut page, report);
    page.finish()
}

fn asked(page: &mut Page, report: &PathReport) {
    if let (Some(address), Some(place)) = (&report.asked.address, &report.place) {
        let mut line = Line::new().add(Ink::Bold, address);
        line.push(Ink::Plain, format!(" is {}", at(place)));
        if let Some(name) = report
            .object
            .as_ref()
            .and_then(|own| own.type_name.as_ref())
        {
            line.push(Ink::Plain, format!(", {name}"));
        }
        page.line(line);
    }
    if let Some(note) = &report.asked.note {
        page.wrapped(0, Ink::Dim, note);
    }
    if let (Some(name), Some(instances)) = (&report.asked.type_name, &report.instances) {
        let count = units::counted(instances.count, "reachable object");
        let bytes = units::bytes(instances.slot_bytes);
        let line = Line::new().add(Ink::Bold, name);
        page.line(line.add(Ink::Plain, format!(": {count}, {bytes}")));
    }
    let is_object = |place: &Place| place.kind == PlaceKind::Object;
    if report.reachable == Some(false) {
        let text = "It is garbage: nothing leads to it from any root, and the next GC takes it.";
        page.wrapped(0, Ink::Yellow, text);
    } else if report.place.as_ref().is_some_and(|place| !is_object(place)) {
        page.wrapped(
            0,
            Ink::Yellow,
            "No object lies there, so that nothing keeps it alive.",
        );
    }
}

/// A place in words: what it is, where it starts, and how far in the address is.
fn at(place: &Place) -> String {
    match (&place.start, place.offset) {
        (Some(_), Some(0)) => place.what.clone(),
        (Some(start), Some(offset)) => {
            format!("{} at {start} (+{offset:#x})", place.what)
        }
        _ => place.what.clone(),
    }
}

fn way_of(page: &mut Page, way: &PathWay) {
    let count = way.hops.len() as u64 + way.hops_more;
    let objects = units::counted(count, "object");
    heading(
        page,
        &format!("Why it is alive: the shortest way, {objects}"),
    );
    if way.guess {
        let text = "by a guess: its first word may be no pointer";
        page.wrapped(2, Ink::Yellow, text);
    }
    page.wrapped(2, Ink::Bold, &root_name(&way.root));
    let mut table = Table::new(&[
        ("", Side::Right),
        ("object", Side::Left),
        ("own", Side::Right),
        ("holds the next at", Side::Left),
        ("type", Side::Left),
    ]);
    table.elastic(&[3, 4]);
    let (last, listed) = (count, way.hops.len());
    let cut = listed > 2 * HALF || way.hops_more > 0;
    let tail = listed.saturating_sub(HALF);
    for (at, hop) in way.hops.iter().enumerate() {
        if cut && at >= HALF && at < tail {
            if at == HALF {
                let left_out = count.saturating_sub(2 * HALF as u64);
                let text = format!("{} more", units::count(left_out));
                table.row(vec![plain(""), (Ink::Dim, text)]);
            }
            continue;
        }
        let number = match at < HALF {
            true => at as u64 + 1,
            false => last - (listed - at) as u64 + 1,
        };
        table.row(hop_row(hop, number, number == last));
    }
    table.write(page, 2);
}

fn hop_row(hop: &Hop, number: u64, last: bool) -> Vec<super::table::Cell> {
    let at = match (&hop.field, hop.offset) {
        (Some(field), Some(offset)) => format!("{field} (+{offset:#x})"),
        (Some(field), None) => field.clone(),
        (None, Some(offset)) => format!("+{offset:#x}"),
        (None, None) => String::new(),
    };
    let ink = if last { Ink::Bold } else { Ink::Plain };
    vec![
        (Ink::Dim, units::count(number)),
        (ink, hop.object.address.clone()),
        (ink, units::bytes(hop.object.slot_bytes)),
        plain(at),
        plain(
            hop.object
                .type_name
                .as_deref()
                .map_or_else(String::new, short),
        ),
    ]
}

fn kinds(page: &mut Page, report: &PathReport) {
    if report.kinds.is_empty() {
        return;
    }
    let rest = report.kinds_rest.unwrap_or_default();
    let all = report.kinds.len() as u64 + rest.kinds;
    let ways: u64 = report.kinds.iter().map(|kind| kind.ways).sum::<u64>() + rest.ways;
    let one = report.object.is_some();
    let what = match one {
        true => units::counted(ways, "root"),
        false => units::counted(ways, "object"),
    };
    let lead = match one {
        true => "What leads to it",
        false => "What leads to them, the shortest way of each",
    };
    let kinds = match all {
        1 => "all alike".to_owned(),
        _ => units::counted(all, "kind") + " of ways",
    };
    heading(page, &format!("{lead}: {what}, {kinds}"));
    let shared = report.shared.filter(|shared| *shared > 0);
    if let Some(shared) = shared {
        page.wrapped(2, Ink::Yellow, &held_otherwise(shared, ways));
    }
    // Of ways that are all alike it has just been said.
    table_of_kinds(page, report, shared.is_some() && all > 1);
}

/// The ways by kind; `tells` how many of each kind others hold too.
fn table_of_kinds(page: &mut Page, report: &PathReport, tells: bool) {
    let one = report.object.is_some();
    let rest = report.kinds_rest.unwrap_or_default();
    let columns = [
        (true, (if one { "roots" } else { "objects" }, Side::Right)),
        (!one, ("bytes", Side::Right)),
        (tells, ("shared", Side::Right)),
        (true, ("hops", Side::Right)),
        (true, ("way", Side::Left)),
    ];
    let heads = columns.iter().filter(|(is_there, _)| *is_there);
    let heads: Vec<_> = heads.map(|(_, head)| *head).collect();
    let mut table = Table::new(&heads);
    table.elastic(&[heads.len() - 1]);
    let room = match page.look().whole {
        true => usize::MAX,
        false => page.width().saturating_sub(BESIDE),
    };
    let mut row = |row: &Row| {
        let number = |number: Option<u64>| number.map_or_else(String::new, units::count);
        let mut numbers = vec![
            units::count(row.ways),
            units::bytes(row.bytes),
            number(row.shared),
            number(row.hops),
        ];
        for line in wrap(&harmless(&row.way), room).into_iter().take(MOST_LINES) {
            let own = std::mem::replace(&mut numbers, vec![String::new(); 4]);
            let own = own.into_iter().zip(&columns);
            let own = own.filter(|(_, (is_there, _))| *is_there);
            let mut cells: Vec<_> = own.map(|(number, _)| plain(number)).collect();
            cells.push((row.ink, line));
            table.row(cells);
        }
    };
    let listed = report.kinds.get(..MOST_KINDS).unwrap_or(&report.kinds);
    for (kind, way) in listed.iter().zip(told_apart(listed)) {
        row(&Row {
            ways: kind.ways,
            bytes: kind.slot_bytes,
            shared: kind.shared,
            hops: Some(kind.hops),
            way,
            ink: Ink::Plain,
        });
    }
    let beside = report.kinds.get(MOST_KINDS..).unwrap_or_default();
    let more = beside.len() as u64 + rest.kinds;
    if more > 0 {
        row(&Row {
            ways: beside.iter().map(|kind| kind.ways).sum::<u64>() + rest.ways,
            bytes: beside.iter().map(|kind| kind.slot_bytes).sum::<u64>() + rest.slot_bytes,
            shared: None,
            hops: None,
            way: units::counted(more, "more kind"),
            ink: Ink::Dim,
        });
    }
    table.write(page, 2);
}

/// A row of ways.
struct Row {
    ways: u64,
    bytes: u64,
    shared: Option<u64>,
    hops: Option<u64>,
    way: String,
    ink: Ink,
}

/// How many of so many objects other owners lead to as well.
fn held_otherwise(shared: u64, all: u64) -> String {
    let (which, stay) = match (shared, all) {
        (1, 1) => ("It".to_owned(), "is held by others too, and stays"),
        (1, _) => ("1 of them".to_owned(), "is held by others too, and stays"),
        (some, _) => (
            format!("{} of them", units::count(some)),
            "are held by others too, and stay",
        ),
    };
    format!(
        "{which} {stay} when this way is cut: other variables, goroutines or finalizers lead there"
    )
}

/// Kinds of ways in words; those that only the sizes of objects tell apart end with that.
fn told_apart(kinds: &[PathKind]) -> Vec<String> {
    let plain: Vec<String> = kinds.iter().map(words).collect();
    let told = |(kind, own): (&PathKind, &String)| {
        let alike = plain.iter().filter(|other| *other == own).count();
        let size = kind.steps.last().and_then(|step| step.slot_bytes);
        match size.filter(|_| alike > 1) {
            Some(bytes) => format!("{own} ({} B)", units::count(bytes)),
            None => own.clone(),
        }
    };
    kinds.iter().zip(&plain).map(told).collect()
}

/// A kind of ways: its roots, then what it leads through.
fn words(kind: &PathKind) -> String {
    let mut parts = vec![root(&kind.root)];
    // The last map on the way: its parts are told with it.
    let mut map: Option<&str> = None;
    for own in &kind.steps {
        let name = own.type_name.as_deref();
        let part = map.zip(name).and_then(|(map, name)| name.strip_prefix(map));
        if part.is_some_and(|part| part.starts_with(' ')) {
            if let (Some(last), Some(field)) = (parts.last_mut(), value_of(own)) {
                last.extend([gap(field), field]);
            }
            continue;
        }
        map = name.filter(|name| name.starts_with("map["));
        parts.push(step(own, map.is_some()));
    }
    parts.join(" > ")
}

/// What a part of a map says of the way: which value or key, and what within.
fn value_of(step: &PathStep) -> Option<&str> {
    let is_slots = |name: &String| name.ends_with(" groups") || name.ends_with(" buckets");
    let slots = step.type_name.as_ref().is_some_and(is_slots);
    step.field.as_deref().filter(|_| slots)
}

fn root(root: &PathRoot) -> String {
    match (&root.kind, &root.name) {
        (HolderKind::Data | HolderKind::Bss, Some(name)) => short(name),
        (HolderKind::Data | HolderKind::Bss, None) => "a variable".into(),
        (HolderKind::Stack, Some(name)) => format!("goroutines of {}", short(name)),
        (HolderKind::StackWord, Some(name)) => format!("a word on a stack of {}", short(name)),
        (kind, Some(name)) => format!("{} {}", kind.as_str().replace('-', " "), short(name)),
        (kind, None) => kind.as_str().replace('-', " "),
    }
}

/// What stands before a field: nothing before `.conns`; a space before words, and before an
/// element, which could be taken for a part of the type.
fn gap(field: &str) -> &'static str {
    match field.starts_with('.') {
        true => "",
        false => " ",
    }
}

fn step(step: &PathStep, is_map: bool) -> String {
    let mut name = match (&step.type_name, step.slot_bytes) {
        (Some(name), _) => short(name),
        (None, Some(bytes)) => units::bytes(bytes),
        (None, None) => return "...".into(),
    };
    // What the runtime keeps of a map leads to its parts alone.
    if let Some(field) = step.field.as_ref().filter(|_| !is_map) {
        name.extend([gap(field), field]);
    }
    match step.repeated {
        true => name + " (list)",
        false => name,
    }
}
