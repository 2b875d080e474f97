//! [`instances`]: the objects of one type.

use super::head;
use super::heap::heading;
use super::table::{Side, Table, plain};
use crate::page::{Ink, Line, Look, Page};
use crate::{Amount, Contents, TypeReport, units};

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

/// Contents on a line.
fn words(contents: &Contents) -> String {
    match &contents.text {
        Some(text) => format!("\"{text}\""),
        None => contents.hex.clone(),
    }
}
