//! [`instances`]: the objects of one type.

use super::head;
use super::heap::heading;
use super::table::{Side, Table, plain};
use crate::page::{Ink, Line, Look, Page};
use crate::{Amount, Contents, FieldValue, Instance, TypeReport, units};

/// Fields of an object that are listed.
const MOST_FIELDS: usize = 16;

/// Draws the report.
pub fn instances(report: &TypeReport, look: Look) -> String {
    let mut page = Page::new(look);
    head::write(&mut page, "heap", &report.target, &report.taken);
    page.gap();
    let amount = |amount: &Amount| {
        let count = units::counted(amount.count, "object");
        format!("{count}, {}", units::bytes(amount.slot_bytes))
    };
    let line = Line::new().add(Ink::Bold, &report.type_name);
    page.line(line.add(
        Ink::Plain,
        format!(": {} reachable", amount(&report.reachable)),
    ));
    if report.shares_slots {
        let note = "Small values share slots: these are slots, with one value or several.";
        page.wrapped(2, Ink::Dim, note);
    }
    if report.garbage.count > 0 {
        page.wrapped(
            2,
            Ink::Plain,
            &format!("garbage: {}", amount(&report.garbage)),
        );
    }
    head::coverage(&mut page, &report.taken.coverage, 0, head::MOST_SKIPS);
    if report.largest.is_empty() {
        return page.finish();
    }
    heading(&mut page, "Those that retain most");
    if let Some(note) = &report.note {
        page.wrapped(2, Ink::Yellow, note);
    }
    if report.largest.iter().any(|one| !one.fields.is_empty()) {
        with_fields(&mut page, report);
        return page.finish();
    }
    let mut table = Table::new(&[
        ("retains", Side::Right),
        ("objects", Side::Right),
        ("object", Side::Left),
        ("own", Side::Right),
        ("begins with", Side::Left),
    ]);
    table.elastic(&[4]);
    for one in &report.largest {
        table.row(vec![
            (Ink::Bold, units::bytes(one.retained_bytes)),
            plain(units::count(one.retained_objects)),
            plain(one.object.address.clone()),
            plain(units::bytes(one.object.slot_bytes)),
            (
                Ink::Dim,
                one.contents.as_ref().map_or_else(String::new, words),
            ),
        ]);
    }
    if report.more > 0 {
        table.row(vec![
            plain(""),
            plain(""),
            (Ink::Dim, units::counted(report.more, "more object")),
        ]);
    }
    table.write(&mut page, 2);
    page.finish()
}

/// Each object with what is in its fields.
fn with_fields(page: &mut Page, report: &TypeReport) {
    for one in &report.largest {
        let mut line = Line::new().pad_to(2).add(Ink::Bold, &one.object.address);
        let retained = match one.retained_objects {
            1 => units::bytes(one.retained_bytes),
            count => format!(
                "{}, retains {} in {}",
                units::bytes(one.object.slot_bytes),
                units::bytes(one.retained_bytes),
                units::counted(count, "object")
            ),
        };
        line.push(Ink::Plain, format!("  {retained}"));
        page.line(line);
        page.wrapped(6, Ink::Plain, &said(one));
    }
    if report.more > 0 {
        page.wrapped(2, Ink::Dim, &units::counted(report.more, "more object"));
    }
}

/// The fields of an object that something was stored into.
fn said(one: &Instance) -> String {
    let is_known = |field: &FieldValue| field.value.is_some() || field.unread_bytes.is_some();
    let is_told = |field: &&FieldValue| !field.is_zero && is_known(field);
    let told = one.fields.iter().filter(is_told);
    let field = |field: &FieldValue| match (&field.value, field.unread_bytes) {
        (None, Some(bytes)) => format!("{}: {} of text, not read", field.name, units::bytes(bytes)),
        (value, _) => format!("{}: {}", field.name, value.as_deref().unwrap_or_default()),
    };
    let mut parts: Vec<String> = told.take(MOST_FIELDS).map(field).collect();
    let rest = one.fields.iter().filter(|field| !field.is_zero).count() - parts.len();
    match rest as u64 + one.fields_more {
        0 if parts.is_empty() => "nothing but zeros".into(),
        0 => parts.join(", "),
        more => {
            parts.push(format!("{} more", units::count(more)));
            parts.join(", ")
        }
    }
}

/// Contents on a line.
fn words(contents: &Contents) -> String {
    match &contents.text {
        Some(text) => format!("\"{text}\""),
        None => contents.hex.clone(),
    }
}
