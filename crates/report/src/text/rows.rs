//! [`rows`]: the account's leaves as the few rows that fit one screen.
//!
//! Leaves that are small or of one kind are folded, never dropped: the rows sum to what the
//! leaves sum to.

use crate::{SizeClass, WhyReport, units};

/// Most rows; the smallest are folded into the last.
const MOST_ROWS: usize = 10;

/// From here on a leaf of a kind has a row of its own, if it is also 5 % of RSS.
const LARGE: u64 = 16 << 20;

/// Leaves that are shown as one row, unless one of them is large by itself: what the row is
/// called when it has them all, what it is called without the large ones, and their ids.
const KINDS: [(&str, &str, &[&str]); 2] = [
    (
        "GC and runtime structures",
        "rest of the runtime",
        &[
            "runtime.gc",
            "runtime.mspan",
            "runtime.mcache",
            "runtime.profile_buckets",
            "runtime.other",
            "runtime.uncounted",
        ],
    ),
    (
        "binary and mapped files",
        "rest of binary and files",
        &[
            "binary.text",
            "binary.rodata",
            "binary.data",
            "binary.bss",
            "maps.file",
        ],
    ),
];

/// One row of the drawn account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// What it is.
    pub(super) label: String,
    /// Its bytes, resident ones where that is known.
    pub(super) bytes: u64,
    /// What is special about it, or nothing.
    pub(super) hint: String,
    /// Number of leaves in it.
    pub(super) leaves: usize,
    /// Must be seen, however small.
    pub(super) alarming: bool,
}

/// A leaf, of whichever tree.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    id: &'a str,
    label: &'a str,
    bytes: u64,
    hint: Option<&'a str>,
}

fn leaves(report: &WhyReport) -> Vec<Leaf<'_>> {
    let rss = report.rss.iter().flat_map(crate::Rss::leaves);
    let rss = rss.map(|node| Leaf {
        id: &node.id,
        label: &node.label,
        bytes: node.resident_bytes,
        hint: node.hint.as_deref(),
    });
    let extent = report.extent.iter().filter(|_| report.rss.is_none());
    let extent = extent.flat_map(crate::Virtual::leaves).map(|node| Leaf {
        id: &node.id,
        label: &node.label,
        bytes: node.virtual_bytes,
        hint: node.hint.as_deref(),
    });
    rss.chain(extent).collect()
}

/// The rows, most bytes first, with the folded rest at the end.
pub(super) fn rows(report: &WhyReport) -> Vec<Row> {
    let total = report.whole_bytes();
    let mut leaves = leaves(report);
    leaves.retain(|leaf| leaf.bytes > 0);

    let mut rows = Vec::new();
    for (all, rest, ids) in KINDS {
        let of_kind = |leaf: &Leaf<'_>| ids.contains(&leaf.id);
        let small = |leaf: &Leaf<'_>| of_kind(leaf) && !is_large(leaf.bytes, total);
        let folded: Vec<Leaf<'_>> = leaves.iter().copied().filter(small).collect();
        if folded.len() > 1 {
            leaves.retain(|leaf| !small(leaf));
            let whole = !leaves.iter().any(of_kind);
            rows.push(Row {
                label: if whole { all } else { rest }.into(),
                bytes: folded.iter().map(|leaf| leaf.bytes).sum(),
                hint: String::new(),
                leaves: folded.len(),
                alarming: false,
            });
        }
    }
    rows.extend(leaves.into_iter().map(|leaf| Row {
        label: leaf.label.to_owned(),
        bytes: leaf.bytes,
        hint: hint(report, &leaf),
        leaves: 1,
        alarming: leaf.id == "unattributed",
    }));
    fold_small(rows, total)
}

fn fold_small(mut rows: Vec<Row>, total: u64) -> Vec<Row> {
    rows.sort_by_key(|row| std::cmp::Reverse((row.alarming, row.bytes)));
    let is_kept = |(i, row): (usize, &Row)| {
        row.alarming || (i + 1 < MOST_ROWS && reaches(row.bytes, 1, total))
    };
    let kept = rows
        .iter()
        .enumerate()
        .filter(|(i, row)| is_kept((*i, row)));
    let kept = kept.count();
    let rest = rows.split_off(kept);
    let leaves: usize = rest.iter().map(|row| row.leaves).sum();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    if rest.len() > 1 {
        rows.push(Row {
            label: format!("other ({leaves} kinds)"),
            bytes: rest.iter().map(|row| row.bytes).sum(),
            hint: String::new(),
            leaves,
            alarming: false,
        });
    } else {
        rows.extend(rest);
    }
    rows
}

fn is_large(bytes: u64, total: u64) -> bool {
    bytes >= LARGE && reaches(bytes, 5, total)
}

fn reaches(bytes: u64, percent: u64, total: u64) -> bool {
    u128::from(bytes) * 100 >= u128::from(total) * u128::from(percent)
}

/// The leaf's own hint, or what the report says elsewhere about this kind of leaf.
fn hint(report: &WhyReport, leaf: &Leaf<'_>) -> String {
    if let Some(hint) = leaf.hint {
        return hint.to_owned();
    }
    match leaf.id {
        "heap.free_slots" => worst_class(report).unwrap_or_default(),
        "heap.idle" => release(report).unwrap_or_default(),
        "stacks.goroutine" => report
            .runtime
            .goroutines
            .map(|count| units::counted(count, "goroutine"))
            .unwrap_or_default(),
        "stacks.os_thread" => report
            .runtime
            .threads
            .map(|count| units::counted(count, "thread"))
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn worst_class(report: &WhyReport) -> Option<String> {
    let classes = report.size_classes.iter();
    let worst = classes.max_by_key(|class| free_bytes(class))?;
    let used = units::percent(worst.used_slots, worst.slots);
    (worst.slot_bytes > 0 && free_bytes(worst) > 0)
        .then(|| format!("worst: {} B class, {used} used", worst.slot_bytes))
}

/// What lies free in the spans of a class: what of that is resident, where it is known.
pub(super) fn free_bytes(class: &SizeClass) -> u64 {
    let free = class.slots.saturating_sub(class.used_slots);
    let virtual_bytes = free.saturating_mul(class.slot_bytes);
    class.free_resident_bytes.unwrap_or(virtual_bytes)
}

/// The command that a finding offers to give idle spans back.
fn release(report: &WhyReport) -> Option<String> {
    let mut findings = report.findings.iter();
    let finding = findings.find(|finding| finding.id == "idle-not-returned")?;
    let remedy = finding
        .remedies
        .iter()
        .find(|remedy| remedy.what == "now")?;
    Some(remedy.command.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> [WhyReport; 3] {
        [
            include_str!("../../samples/why-idle.json"),
            include_str!("../../samples/why-healthy.json"),
            include_str!("../../samples/why-torn.json"),
        ]
        .map(|json| serde_json::from_str(json).unwrap())
    }

    #[test]
    fn folding_loses_no_byte_and_no_leaf() {
        for mut report in samples() {
            for scale in [1, 10, 1000] {
                let mut rss = report.rss.clone().unwrap();
                rss.bytes /= scale;
                report.rss = Some(rss.clone());
                let rows = rows(&report);
                let leaves = rss.leaves();
                let sum: u64 = leaves.iter().map(|leaf| leaf.resident_bytes).sum();
                assert_eq!(rows.iter().map(|row| row.bytes).sum::<u64>(), sum);
                let used = leaves.iter().filter(|leaf| leaf.resident_bytes > 0);
                let shown: usize = rows.iter().map(|row| row.leaves).sum();
                assert_eq!(shown, used.count());
                assert!(rows.len() <= MOST_ROWS, "{rows:?}");
            }
        }
    }

    #[test]
    fn what_is_not_attributed_is_never_folded() {
        let [_, _, torn] = samples();
        let rows = rows(&torn);
        assert!(rows.iter().any(|row| row.alarming && row.bytes == 36 << 10));
    }

    #[test]
    fn a_leaf_of_a_later_letgo_is_a_row_like_any_other() {
        let [mut report, ..] = samples();
        let rss = report.rss.as_mut().unwrap();
        let mut leaf = rss.leaves().first().copied().cloned().unwrap();
        leaf.id = "wasm.memory".into();
        leaf.label = "wasm memory".into();
        rss.tree.push(leaf);
        assert!(rows(&report).iter().any(|row| row.label == "wasm memory"));
    }
}
