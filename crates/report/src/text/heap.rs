//! [`heap`]: what is in a heap, who holds it, and how well its size classes are used.

use super::head;
use super::table::{Cell, Side, Table, plain};
use crate::names::short;
use crate::page::{Ink, Line, Look, Page, bar};
use crate::{
    Amount, Elements, HeapClass, HeapReport, Holder, HolderKind, HolderRoot, Location, Rest, units,
};

/// Size classes that are listed; the rest is one row.
const MOST_CLASSES: usize = 12;
/// Types that are listed; the rest is one row.
const MOST_TYPES: usize = 12;
/// Cells of a bar.
const BAR: usize = 16;

/// Draws the report.
pub fn heap(report: &HeapReport, look: Look) -> String {
    let mut page = Page::new(look);
    head::write(&mut page, "heap", &report.target, &report.taken);
    page.gap();
    totals(&mut page, report);
    head::coverage(&mut page, &report.taken.coverage, 0, head::MOST_SKIPS);
    holders(&mut page, report);
    types(&mut page, report);
    classes(&mut page, report);
    page.finish()
}

fn totals(page: &mut Page, report: &HeapReport) {
    let totals = &report.totals;
    let spans = &totals.spans;
    let resident = match spans.resident_bytes {
        Some(bytes) => format!(", {} resident", units::bytes(bytes)),
        None => String::new(),
    };
    page.line(
        Line::new()
            .add(
                Ink::Bold,
                format!("Heap {}", units::bytes(spans.slot_bytes)),
            )
            .add(
                Ink::Plain,
                format!(
                    " in {}{resident}, {}",
                    units::counted(spans.count, "span"),
                    units::counted(totals.objects.count, "object")
                ),
            ),
    );
    let mut table = Table::new(&[
        ("", Side::Left),
        ("number", Side::Right),
        ("bytes", Side::Right),
        ("resident", Side::Right),
        ("", Side::Right),
        ("", Side::Left),
    ]);
    let mut row = |label: &str, amount: &Amount, part: bool| {
        let share = if part { amount.slot_bytes } else { 0 };
        table.row(vec![
            plain(label),
            plain(units::count(amount.count)),
            plain(units::bytes(amount.slot_bytes)),
            resident_cell(amount),
            plain(match part {
                true => units::percent(share, spans.slot_bytes),
                false => String::new(),
            }),
            (Ink::Cyan, bar(page.look(), share, spans.slot_bytes, BAR)),
        ]);
    };
    row("reachable objects", &totals.reachable, true);
    if let Some(guessed) = totals.guessed.filter(|guessed| guessed.count > 0) {
        row("  of them by a guess", &guessed, false);
    }
    row("garbage, next GC takes it", &totals.garbage, true);
    if let Some(unknown) = totals.unknown.filter(|unknown| unknown.count > 0) {
        row("objects the graph does not know", &unknown, true);
    }
    row("free slots", &totals.free_slots, true);
    table.write(page, 2);
}

fn resident_cell(amount: &Amount) -> Cell {
    match amount.resident_bytes {
        Some(bytes) => plain(units::bytes(bytes)),
        None => (Ink::Dim, "-".into()),
    }
}

pub(super) fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(Line::new().add(Ink::Bold, text));
}

fn holders(page: &mut Page, report: &HeapReport) {
    if report.holders.is_empty() {
        return;
    }
    heading(page, "Who holds it");
    let mut table = Table::new(&[
        ("retains", Side::Right),
        ("share", Side::Right),
        ("objects", Side::Right),
        ("own", Side::Right),
        ("holder", Side::Left),
    ]);
    table.elastic(&[4]);
    let of = Of {
        look: page.look(),
        reachable_bytes: report.totals.reachable.slot_bytes,
    };
    for holder in &report.holders {
        branch(&mut table, of, holder, "", "");
    }
    if let Some(rest) = &report.holders_rest {
        table.row(rest_row(rest, "holder", "", of));
    }
    table.write(page, 2);
}

/// What holders are drawn by: how it is to look, and what their shares are of.
#[derive(Clone, Copy)]
struct Of {
    look: Look,
    reachable_bytes: u64,
}

/// The strokes of a tree: beside a child that others follow, beside the last, and below each.
fn strokes(look: Look) -> [&'static str; 4] {
    match look.unicode {
        true => ["├ ", "└ ", "│ ", "  "],
        false => ["|-", "`-", "| ", "  "],
    }
}

/// A holder and what it dominates; `stem` stands before its own name, `below` before the names of
/// its children.
fn branch(table: &mut Table<'_>, of: Of, holder: &Holder, stem: &str, below: &str) {
    let depth = if stem.is_empty() {
        Ink::Bold
    } else {
        Ink::Plain
    };
    let cells = vec![
        (depth, units::bytes(holder.retained_bytes)),
        plain(units::fraction(holder.share)),
        plain(units::count(holder.retained_objects)),
        match holder.group {
            Some(_) => plain(""),
            None => (Ink::Dim, units::bytes(holder.object.slot_bytes)),
        },
        (depth, format!("{stem}{}", name(holder))),
    ];
    // Who leads into the heap is the answer, and not to be cut.
    match stem.is_empty() {
        true => table.row_wrapped(cells),
        false => table.row(cells),
    }
    if let Some(words) = holder.root.as_ref().and_then(stored_by) {
        let blank = || plain("");
        let words = (Ink::Dim, format!("{below}{words}"));
        table.row(vec![blank(), blank(), blank(), blank(), words]);
    }
    let [child, last, beside, nothing] = strokes(of.look);
    let rest = holder.children_rest.as_ref();
    let mut left = holder.children.len() + usize::from(rest.is_some());
    for each in &holder.children {
        left -= 1;
        let (stroke, under) = match left {
            0 => (last, nothing),
            _ => (child, beside),
        };
        let (stem, under) = (format!("{below}{stroke}"), format!("{below}{under}"));
        branch(table, of, each, &stem, &under);
    }
    if let Some(rest) = rest {
        table.row(rest_row(rest, "object", &format!("{below}{last}"), of));
    }
}

fn rest_row(rest: &Rest, noun: &str, stem: &str, of: Of) -> Vec<Cell> {
    let share = rest.retained_bytes as f64 / of.reachable_bytes.max(1) as f64;
    vec![
        (Ink::Dim, units::bytes(rest.retained_bytes)),
        (Ink::Dim, units::fraction(share)),
        (Ink::Dim, units::count(rest.retained_objects)),
        plain(""),
        (Ink::Dim, format!("{stem}{}", more(rest.count, noun))),
    ]
}

/// The words for a holder: what leads to it, or for a child where it is.
fn name(holder: &Holder) -> String {
    let Some(root) = &holder.root else {
        return match &holder.object.type_name {
            // How much is in it comes first: the end may be cut.
            Some(name) => {
                let elements = holder.object.elements.as_ref();
                let inside = elements.map_or_else(String::new, |own| counted(own) + " in ");
                format!("{inside}{} at {}", short(name), holder.object.address)
            }
            None => format!("object {}", holder.object.address),
        };
    };
    if let Some(many) = holder.group.and_then(|group| group.goroutines)
        && many > 1
        && let Some(function) = &root.function
    {
        let started = started(root.created_by.as_ref());
        let many = units::counted(many, "goroutine");
        return format!("{many} of {}{started}", short(function));
    }
    // A map is counted beside its type, whichever of the two says it.
    let elements = holder.object.elements.as_ref().or(root.elements.as_ref());
    let mut name = format!("{}{}", holder_name(root), inside(elements));
    if holder.roots_more > 0 {
        name.push_str(&format!(", and {}", more(holder.roots_more, "root")));
    }
    match holder
        .object
        .type_name
        .as_ref()
        .filter(|own| !says(root, own))
    {
        Some(own) => format!("{name}: {}", short(own)),
        None => name,
    }
}

/// Whether the type of a variable says already that such an object is what it leads to.
fn says(root: &HolderRoot, object_type: &str) -> bool {
    let variable = root.type_name.as_deref();
    variable.is_some_and(|own| own.strip_prefix('*').unwrap_or(own) == object_type)
}

/// What leads to a holder; of a variable that has a name its place is left out.
fn holder_name(root: &HolderRoot) -> String {
    match (&root.kind, &root.name, &root.type_name) {
        (HolderKind::Data | HolderKind::Bss, Some(name), Some(kind)) => {
            format!("{} {}", short(name), short(kind))
        }
        (HolderKind::Data | HolderKind::Bss, Some(name), None) => short(name),
        _ => root_name(root),
    }
}

/// `, 1,200,300 entries`; `, 40 elements and room for 1,024`.
pub(super) fn inside(elements: Option<&Elements>) -> String {
    elements.map_or_else(String::new, |own| format!(", {}", counted(own)))
}

/// `1,200,300 entries`; `40 elements and room for 1,024`.
fn counted(elements: &Elements) -> String {
    let (one, many) = match elements.of.as_str() {
        "map" => ("entry", "entries"),
        "string" => ("byte", "bytes"),
        "chan" => ("message", "messages"),
        _ => ("element", "elements"),
    };
    let noun = if elements.count == 1 { one } else { many };
    let count = units::count(elements.count);
    match elements.capacity {
        // What grows is half empty at times.
        Some(capacity) if capacity / 4 >= elements.count && capacity > 8 => {
            format!("{count} {noun} and room for {}", units::count(capacity))
        }
        _ => format!("{count} {noun}"),
    }
}

/// `1 more root`, `5 more roots`.
fn more(number: u64, noun: &str) -> String {
    units::counted(number, &format!("more {noun}"))
}

pub(super) fn root_name(root: &HolderRoot) -> String {
    // What may be no pointer says so first.
    let function = root.function.as_deref().map(short);
    let in_hands = |what: &str| match (&function, root.goroutine) {
        (Some(function), Some(id)) => format!("{what} of goroutine {id}, {function}"),
        (Some(function), None) => format!("{what}, {function}"),
        (None, Some(id)) => format!("{what} of goroutine {id}"),
        (None, None) => what.to_owned(),
    };
    let place = root.place.as_deref();
    match &root.kind {
        HolderKind::Data | HolderKind::Bss => variable_name(root),
        HolderKind::Stack => match (&function, root.goroutine) {
            (Some(function), Some(id)) => {
                let started = started(root.created_by.as_ref());
                format!("{function}, stack of goroutine {id}{started}")
            }
            _ => in_hands("stack"),
        },
        HolderKind::StackWord => in_hands("a word on the stack"),
        HolderKind::Register => in_hands("a register"),
        HolderKind::Several => "several roots".into(),
        other => {
            let what = other.as_str().replace('-', " ");
            match (&function, place) {
                (Some(function), _) => format!("{what} {function}"),
                (None, Some(place)) => format!("{what} {place}"),
                (None, None) => what,
            }
        }
    }
}

/// `, started at main.go:334`
fn started(place: Option<&Location>) -> String {
    place.map_or_else(String::new, |place| {
        let file = place.file.rsplit('/').next().unwrap_or_default();
        format!(", started at {file}:{}", place.line)
    })
}

/// A variable by its name, its type and its place.
fn variable_name(root: &HolderRoot) -> String {
    let place = root.place.as_deref();
    let named = match (&root.name, place) {
        (Some(name), _) => short(name),
        (None, Some(place)) => format!("variable {place}"),
        (None, None) => "variable".into(),
    };
    let mut told = match &root.type_name {
        Some(kind) => format!("{named} {}", short(kind)),
        None => named,
    };
    if let (Some(_), Some(place)) = (&root.name, place) {
        told.push_str(&format!(", {place}"));
    }
    told
}

fn types(page: &mut Page, report: &HeapReport) {
    if report.types.is_empty() {
        return;
    }
    heading(page, "What it is");
    let mut table = Table::new(&[
        ("bytes", Side::Right),
        ("share", Side::Right),
        ("objects", Side::Right),
        ("type", Side::Left),
    ]);
    table.elastic(&[3]);
    let all = report.totals.reachable.slot_bytes;
    let mut row = |amount: &Amount, name: String, ink: Ink| {
        table.row(vec![
            (ink, units::bytes(amount.slot_bytes)),
            (ink, units::percent(amount.slot_bytes, all)),
            (ink, units::count(amount.count)),
            (ink, name),
        ]);
    };
    for own in report.types.iter().take(MOST_TYPES) {
        row(&own.objects, short(&own.name), Ink::Plain);
    }
    let beyond = report.types.get(MOST_TYPES..).unwrap_or_default();
    let rest = report.types_rest.unwrap_or_default();
    let mut sum = rest.objects;
    for own in beyond {
        sum.count += own.objects.count;
        sum.slot_bytes += own.objects.slot_bytes;
    }
    let others = rest.count + beyond.len() as u64;
    if others > 0 {
        row(&sum, more(others, "type"), Ink::Dim);
    }
    if let Some(untyped) = report.untyped.filter(|untyped| untyped.count > 0) {
        row(&untyped, "of no known type".into(), Ink::Dim);
    }
    table.write(page, 2);
    let listed = report.types.iter().take(MOST_TYPES);
    let mut sharing = listed.filter(|own| own.shares_slots).peekable();
    if let Some(first) = sharing.next() {
        let others = match sharing.count() as u64 {
            0 => String::new(),
            more => format!(" and {}", units::counted(more, "more type")),
        };
        let note = format!(
            "Small values share slots: of {}{others} these are slots.",
            first.name
        );
        page.wrapped(2, Ink::Dim, &note);
    }
}

/// Who stores into a variable that has no name.
fn stored_by(root: &HolderRoot) -> Option<String> {
    let first = root.stored_by.first().filter(|_| root.name.is_none())?;
    let file = first.file.rsplit('/').next().unwrap_or_default();
    let more = root.stored_by.len() - 1;
    let others = match more {
        0 => String::new(),
        _ => format!(", and {more} more"),
    };
    Some(format!(
        "stored into by {} {file}:{}{others}",
        short(&first.function),
        first.line
    ))
}

fn classes(page: &mut Page, report: &HeapReport) {
    if report.size_classes.is_empty() {
        return;
    }
    heading(page, "Size classes");
    let mut table = Table::new(&[
        ("slot", Side::Right),
        ("spans", Side::Right),
        ("slots", Side::Right),
        ("used", Side::Right),
        ("reachable", Side::Right),
        ("garbage", Side::Right),
        ("free", Side::Right),
        ("resident", Side::Right),
    ]);
    let listed = report.size_classes.iter().take(MOST_CLASSES);
    for class in listed {
        let slot = match class.slot_bytes {
            0 => "large".into(),
            bytes => format!("{} B", units::count(bytes)),
        };
        table.row(class_row(class, slot, Ink::Plain));
    }
    let rest = report.size_classes.get(MOST_CLASSES..).unwrap_or_default();
    if !rest.is_empty() {
        let label = format!("{} more", rest.len());
        table.row(class_row(&sum(rest), label, Ink::Dim));
    }
    table.write(page, 2);
}

fn class_row(class: &HeapClass, slot: String, ink: Ink) -> Vec<Cell> {
    let bytes = |amount: &Amount| (ink, units::bytes(amount.slot_bytes));
    let resident = match class.spans.resident_bytes {
        Some(resident) => units::bytes(resident),
        None => "-".into(),
    };
    vec![
        (ink, slot),
        (ink, units::count(class.spans.count)),
        (ink, units::count(class.slots)),
        (ink, units::percent(class.reachable.count, class.slots)),
        bytes(&class.reachable),
        bytes(&class.garbage),
        bytes(&class.free_slots),
        (ink, resident),
    ]
}

fn sum(classes: &[HeapClass]) -> HeapClass {
    let mut sum = HeapClass::default();
    for class in classes {
        sum.slots += class.slots;
        for (into, amount) in [
            (&mut sum.spans, class.spans),
            (&mut sum.reachable, class.reachable),
            (&mut sum.garbage, class.garbage),
            (&mut sum.free_slots, class.free_slots),
        ] {
            into.count += amount.count;
            into.slot_bytes += amount.slot_bytes;
            into.resident_bytes = match (into.resident_bytes, amount.resident_bytes) {
                (Some(sum), Some(bytes)) => Some(sum + bytes),
                (known, bytes) => known.or(bytes),
            };
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    #[test]
    fn a_variable_without_a_name_is_said_by_its_type_and_by_who_stores_into_it() {
        let place = |function: &str| Location {
            function: function.into(),
            file: "/src/api/store.go".into(),
            line: 41,
        };
        let mut root = HolderRoot {
            kind: HolderKind::Bss,
            name: None,
            place: Some("bss+0x1e40".into()),
            goroutine: None,
            function: None,
            created_by: None,
            type_name: Some("map[string]*main.Session".into()),
            stored_by: vec![place("main.(*Store).Put")],
            elements: None,
        };
        assert_eq!(
            root_name(&root),
            "variable bss+0x1e40 map[string]*main.Session"
        );
        let one = "stored into by main.(*Store).Put store.go:41";
        assert_eq!(stored_by(&root).as_deref(), Some(one));
        root.stored_by.push(place("main.load"));
        assert_eq!(stored_by(&root), Some(format!("{one}, and 1 more")));
        root.name = Some("main.sessions".into());
        assert_eq!(
            root_name(&root),
            "main.sessions map[string]*main.Session, bss+0x1e40"
        );
        assert_eq!(stored_by(&root), None);
    }

    #[test]
    fn a_variable_is_told_by_name_type_and_what_is_in_it() {
        let text = |variable: &str, object: &str| {
            let mut holder: Holder = serde_json::from_value(serde_json::json!({
                "root": {"kind": "bss", "place": "bss+0x1e40", "name": "main.all"},
                "roots_more": 1,
                "object": {"address": "0xc000114000", "slot_bytes": 48},
                "retained_bytes": 48, "retained_objects": 1, "share": 0.1,
            }))
            .unwrap();
            holder.object.type_name = Some(object.into());
            let root = holder.root.as_mut().unwrap();
            root.type_name = Some(variable.into());
            root.elements = Some(Elements {
                of: "slice".into(),
                count: 7,
                capacity: Some(8),
            });
            name(&holder)
        };
        let said = "main.all []int, 7 elements, and 1 more root";
        assert_eq!(text("[]int", "[]int"), said);
        assert_eq!(text("[]int", "main.arena"), format!("{said}: main.arena"));
        let said = "main.all *main.T, 7 elements, and 1 more root";
        assert_eq!(text("*main.T", "main.T"), said);
    }

    #[test]
    fn a_container_says_how_much_is_in_it() {
        let words = |of: &str, count, capacity| {
            inside(Some(&Elements {
                of: of.into(),
                count,
                capacity,
            }))
        };
        assert_eq!(
            words("map", 1_200_300, Some(2_097_152)),
            ", 1,200,300 entries"
        );
        assert_eq!(words("map", 1, Some(8)), ", 1 entry");
        assert_eq!(
            words("map", 3000, Some(524_288)),
            ", 3,000 entries and room for 524,288"
        );
        assert_eq!(words("slice", 7, Some(8)), ", 7 elements");
        assert_eq!(words("string", 5000, None), ", 5,000 bytes");
        assert_eq!(words("chan", 7, Some(16)), ", 7 messages");
        assert_eq!(inside(None), "");
    }

    #[test]
    fn a_stack_says_where_its_goroutine_was_started() {
        let root = HolderRoot {
            kind: HolderKind::Stack,
            name: None,
            place: Some("0xc000180f50".into()),
            goroutine: Some(117),
            function: Some("main.ctxHolder".into()),
            created_by: Some(Location {
                function: "main.main".into(),
                file: "/src/api/main.go".into(),
                line: 343,
            }),
            type_name: None,
            stored_by: Vec::new(),
            elements: None,
        };
        let said = "main.ctxHolder, stack of goroutine 117, started at main.go:343";
        assert_eq!(root_name(&root), said);
    }
}
