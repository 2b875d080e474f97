//! What `--explain` adds: the whole tree with its sources, the equalities with the runtime's own
//! counters, the size classes, the settings, the container, and what the reading cost.

use super::rows::free_bytes;
use super::table::{Cell, Side, Table, plain};
use crate::page::{Ink, Line, Page};
use crate::{Container, GraphReport, Node, Rss, Virtual, VirtualNode, WhyReport, units};

/// Size classes that are listed, worst first; the rest is one row.
const MOST_CLASSES: usize = 20;
/// Pieces that are listed of one leaf.
const MOST_PIECES: usize = 3;

/// Writes every section that the report has something for.
pub(super) fn write(page: &mut Page, report: &WhyReport) {
    tree(page, report);
    pieces(page, report);
    equalities(page, report);
    classes(page, report);
    settings(page, report);
    if let Some(container) = &report.target.container {
        container_section(page, container);
    }
    reading(page, report);
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(Line::new().add(Ink::Bold, text));
}

fn tree(page: &mut Page, report: &WhyReport) {
    heading(page, "Every byte");
    match (&report.rss, &report.extent) {
        (Some(rss), _) => resident(page, rss),
        (None, Some(extent)) => mapped(page, extent),
        (None, None) => {}
    }
}

fn mapped(page: &mut Page, extent: &Virtual) {
    let columns = [
        ("", Side::Left),
        ("virtual", Side::Right),
        ("source", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for node in &extent.tree {
        mapped_branch(&mut table, node, 0);
    }
    table.row(vec![plain("sum"), exact(extent.bytes)]);
    table.row(vec![
        plain("given back beside it"),
        exact(extent.returned_bytes),
    ]);
    table.write(page, 2);
}

fn mapped_branch(table: &mut Table<'_>, node: &VirtualNode, depth: usize) {
    if node.virtual_bytes == 0 {
        return;
    }
    let ink = if depth == 0 { Ink::Bold } else { Ink::Plain };
    table.row(vec![
        (ink, format!("{}{}", "  ".repeat(depth), node.label)),
        (ink, units::count(node.virtual_bytes)),
        (Ink::Dim, node.source.to_string()),
    ]);
    for child in &node.children {
        mapped_branch(table, child, depth + 1);
    }
}

fn resident(page: &mut Page, rss: &Rss) {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("resident", Side::Right),
        ("virtual", Side::Right),
        ("swapped", Side::Right),
        ("source", Side::Left),
    ]);
    for node in &rss.tree {
        branch(&mut table, node, 0);
    }
    let sum = rss.tree.iter().map(|node| node.resident_bytes).sum();
    table.row(vec![plain("sum"), exact(sum)]);
    let kernel = vec![
        plain("the kernel's Rss"),
        exact(rss.bytes),
        plain(""),
        swapped(rss.swap_bytes),
        (Ink::Dim, "kernel".into()),
    ];
    table.row(kernel);
    table.write(page, 2);
}

fn branch(table: &mut Table<'_>, node: &Node, depth: usize) {
    if node.resident_bytes == 0 && node.virtual_bytes == 0 && node.swap_bytes == 0 {
        return;
    }
    let ink = if depth == 0 { Ink::Bold } else { Ink::Plain };
    table.row(vec![
        (ink, format!("{}{}", "  ".repeat(depth), node.label)),
        (ink, units::count(node.resident_bytes)),
        plain(units::count(node.virtual_bytes)),
        swapped(node.swap_bytes),
        (Ink::Dim, node.source.to_string()),
    ]);
    for child in &node.children {
        branch(table, child, depth + 1);
    }
}

fn exact(bytes: u64) -> Cell {
    plain(units::count(bytes))
}

fn swapped(bytes: u64) -> Cell {
    if bytes == 0 {
        (Ink::Dim, "-".into())
    } else {
        (Ink::Yellow, units::count(bytes))
    }
}

fn pieces(page: &mut Page, report: &WhyReport) {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("at", Side::Left),
        ("resident", Side::Right),
        ("virtual", Side::Right),
        ("what", Side::Left),
    ]);
    table.elastic(&[4]);
    let mut any = false;
    for leaf in report.rss.iter().flat_map(Rss::leaves) {
        for (i, piece) in leaf.largest.iter().take(MOST_PIECES).enumerate() {
            any = true;
            let label = if i == 0 { leaf.label.as_str() } else { "" };
            table.row(vec![
                plain(label),
                (Ink::Dim, piece.address.clone()),
                plain(units::bytes(piece.resident_bytes)),
                plain(units::bytes(piece.virtual_bytes)),
                plain(if piece.what.is_empty() {
                    "anonymous"
                } else {
                    &piece.what
                }),
            ]);
        }
    }
    if any {
        heading(page, "Largest pieces");
        table.write(page, 2);
    }
}

fn equalities(page: &mut Page, report: &WhyReport) {
    if report.equalities.is_empty() {
        return;
    }
    heading(page, "Against the runtime's own counters");
    let mut table = Table::new(&[
        ("", Side::Left),
        ("ours", Side::Right),
        ("the runtime's", Side::Right),
        ("", Side::Left),
    ]);
    for each in &report.equalities {
        let verdict = if each.ours == each.runtime {
            (Ink::Green, "equal".into())
        } else {
            let apart = each.ours.abs_diff(each.runtime);
            let sign = if each.ours < each.runtime { '-' } else { '+' };
            (Ink::Yellow, format!("{sign}{}", units::count(apart)))
        };
        let (ours, runtime) = (exact(each.ours), exact(each.runtime));
        table.row(vec![plain(each.name.clone()), ours, runtime, verdict]);
    }
    table.write(page, 2);
}

fn classes(page: &mut Page, report: &WhyReport) {
    let mut classes: Vec<_> = report.size_classes.iter().collect();
    if classes.is_empty() {
        return;
    }
    classes.sort_by_key(|class| std::cmp::Reverse(free_bytes(class)));
    heading(page, "Size classes, by bytes that lie free in them");
    let mut table = Table::new(&[
        ("slot", Side::Right),
        ("spans", Side::Right),
        ("slots", Side::Right),
        ("used", Side::Right),
        ("resident", Side::Right),
        ("free", Side::Right),
    ]);
    for class in classes.iter().take(MOST_CLASSES) {
        let slot = match class.slot_bytes {
            0 => "large".into(),
            bytes => units::count(bytes),
        };
        table.row(vec![
            plain(slot),
            exact(class.spans),
            exact(class.slots),
            plain(units::percent(class.used_slots, class.slots)),
            plain(class.resident_bytes.map_or("-".into(), units::bytes)),
            plain(units::bytes(free_bytes(class))),
        ]);
    }
    table.write(page, 2);
    let rest = classes.iter().skip(MOST_CLASSES);
    let more = classes.len().saturating_sub(MOST_CLASSES);
    if more > 0 {
        let free: u64 = rest.map(|class| free_bytes(class)).sum();
        let text = format!("{more} more classes, {} free", units::bytes(free));
        page.wrapped(2, Ink::Dim, &text);
    }
}

fn settings(page: &mut Page, report: &WhyReport) {
    if report.environment.is_empty() {
        return;
    }
    heading(page, "Settings");
    let mut table = Table::new(&[
        ("", Side::Left),
        ("environment", Side::Left),
        ("in force", Side::Left),
        ("", Side::Left),
    ]);
    for (name, setting) in report.environment.settings() {
        // What a core's process was started with is not looked for in its memory.
        let unset = report.rss.as_ref().map_or("not known", |_| "not set");
        let asked = setting.environment.as_deref().unwrap_or(unset);
        let live = setting.live.as_deref().unwrap_or("not known");
        let differs = if setting.differs {
            "changed since the start"
        } else {
            ""
        };
        table.row(vec![
            plain(name),
            plain(asked),
            plain(live),
            (Ink::Yellow, differs.into()),
        ]);
    }
    table.write(page, 2);
}

fn container_section(page: &mut Page, container: &Container) {
    heading(page, "Container or cgroup");
    let named = [("pod", &container.pod), ("cgroup", &container.cgroup)];
    page.wrapped(2, Ink::Plain, &format!("id {}", container.id));
    for (name, value) in named {
        if let Some(value) = value {
            page.wrapped(2, Ink::Plain, &format!("{name} {value}"));
        }
    }
    let mut table = Table::new(&[("", Side::Left), ("", Side::Right)]);
    let figures = [
        ("limit", container.limit),
        ("charged now", Some(container.current)),
        ("working set", Some(container.working_set)),
        ("peak", container.peak),
        ("high", container.high),
        ("anonymous", container.anon),
        ("file", container.file),
        ("kernel", container.kernel),
        ("sockets", container.sock),
        ("swap", container.swap),
    ];
    for (name, bytes) in figures {
        if let Some(bytes) = bytes {
            table.row(vec![plain(name), plain(units::bytes(bytes))]);
        }
    }
    let counts = [
        ("times at the limit", container.oom_events),
        ("OOM kills", container.oom_kills),
    ];
    for (name, number) in counts {
        if let Some(number) = number {
            table.row(vec![plain(name), plain(units::count(number))]);
        }
    }
    table.write(page, 2);
    if let Some(pressure) = &container.pressure {
        let some = units::fraction(pressure.some_60s);
        let full = units::fraction(pressure.full_60s);
        let text = format!("memory pressure over a minute: some {some}, full {full} of the time");
        page.wrapped(2, Ink::Plain, &text);
    }
}

fn reading(page: &mut Page, report: &WhyReport) {
    heading(page, "This reading");
    let (taken, own) = (&report.taken, &report.letgo);
    let mut text = format!("{}, took {}", taken.at, units::time(taken.wall_ns));
    if taken.pause_ns_max > 0 {
        text += &format!(", paused {}", units::time(taken.pause_ns_max));
        if let Some(predicted) = taken.pause_ns_predicted {
            text += &format!(" (expected {})", units::time(predicted));
        }
    }
    page.wrapped(2, Ink::Plain, &text);
    if let Some(graph) = &taken.graph {
        page.wrapped(2, Ink::Plain, &graph_text(graph));
    }
    let torn = match taken.coverage.torn {
        0 => "nothing changed under it".into(),
        torn => format!("{} repeated or repaired", units::counted(torn, "torn read")),
    };
    let skipped = taken.coverage.skipped.iter().map(|skip| skip.count);
    let left_out = match skipped.sum::<u64>() + taken.coverage.skipped_more {
        0 => "nothing left out".into(),
        count => format!("{} left out", units::count(count)),
    };
    page.wrapped(2, Ink::Plain, &format!("{torn}, {left_out}"));
    let mut cost = format!("letgo {}", own.version);
    if let Some(cpu) = own.cpu_ns {
        cost += &format!(", {} of CPU", units::time(cpu));
    }
    if let Some(rss) = own.rss_bytes_max {
        cost += &format!(", {} resident at most", units::bytes(rss));
    }
    page.wrapped(2, Ink::Plain, &cost);
}

/// What the object graph counted.
fn graph_text(graph: &GraphReport) -> String {
    let amount = |objects, bytes| {
        let objects = units::counted(objects, "object");
        format!("{objects} ({})", units::bytes(bytes))
    };
    let mut text = format!(
        "object graph: {} reachable, {} garbage",
        amount(graph.reachable_objects, graph.reachable_bytes),
        amount(graph.garbage_objects, graph.garbage_bytes)
    );
    if graph.guessed_objects > 0 {
        let guessed = amount(graph.guessed_objects, graph.guessed_bytes);
        text += &format!(", {guessed} of the reachable by a guess");
    }
    if graph.dead_reachable > 0 {
        let dead = units::count(graph.dead_reachable);
        text += &format!(", {dead} that the last GC had found dead");
    }
    if graph.unknown_objects > 0 {
        text += &format!(", {} not known", units::count(graph.unknown_objects));
    }
    let whole = if graph.complete { "" } else { ", with gaps" };
    let (copied, took) = (units::bytes(graph.copied_bytes), units::time(graph.wall_ns));
    text += &format!("; {copied} copied, {took}");
    if graph.mark_ns > 0 {
        let (read, mark) = (units::time(graph.read_ns), units::time(graph.mark_ns));
        text += &format!(" (reading {read}, marking {mark})");
    }
    text + whole
}
