//! [`Report`]: a `letgo.why/1` report beside sources that are not letgo.
//!
//! The second sources are the `runtime.MemStats` that the target read of itself, and the kernel's
//! `smaps` by [`crate::rss`]. The report is taken as plain JSON, by the names of the contract:
//! letgo's own types are not used, so that a mistake in them cannot hide itself.
//!
//! Does not start anything (see [`crate::Trial`]) and does not decide what is tolerable on a
//! running target.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Figures, Rss};

/// What the background scavenger may return between the target's own look and its stop.
///
/// It returns 64 KiB a step and may use 1 % of one CPU (`mgcscavenge.go`, `scavengePercent`); a
/// stop comes within milliseconds, 64 steps are far more than fit. It never takes anything back.
pub const RELEASED_MEANWHILE: u64 = 64 * (64 << 10);

/// What a target may allocate between its own look and its stop: printing allocates nothing, and
/// the ticker of `healthy` makes 1 KiB every 20 ms.
pub const ALLOCATED_MEANWHILE: u64 = 16 << 10;

/// The most anonymous memory that a pure Go program has outside of its runtime.
pub const MOST_ANON: u64 = 256 << 10;

/// One figure from two sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// What is compared.
    pub name: &'static str,
    /// The report's figure.
    pub ours: u64,
    /// The second source's.
    pub theirs: u64,
    /// Lowest and highest difference, ours less theirs, that is right.
    pub right: (i128, i128),
}

impl Row {
    fn equal(name: &'static str, ours: u64, theirs: u64) -> Row {
        Row {
            name,
            ours,
            theirs,
            right: (0, 0),
        }
    }

    /// Ours less theirs.
    pub fn difference(&self) -> i128 {
        i128::from(self.ours) - i128::from(self.theirs)
    }

    /// Whether the difference is right.
    pub fn holds(&self) -> bool {
        (self.right.0..=self.right.1).contains(&self.difference())
    }
}

/// Leaves whose virtual bytes sum to a field of `runtime.MemStats`, to the byte.
const LEAVES_OF: [(&str, &[&str]); 9] = [
    ("HeapInuse", IN_USE),
    ("HeapIdle", &["heap.idle", "heap.returned_resident"]),
    ("HeapSys", HEAP),
    ("StackSys", &["stacks.goroutine", "stacks.free"]),
    ("MSpanSys", &["runtime.mspan"]),
    ("MCacheSys", &["runtime.mcache"]),
    ("BuckHashSys", &["runtime.profile_buckets"]),
    ("GCSys", &["runtime.gc"]),
    ("OtherSys", &["runtime.other"]),
];

const IN_USE: &[&str] = &[
    "heap.reachable",
    "heap.objects",
    "heap.garbage",
    "heap.free_slots",
    "heap.span_tail",
    "heap.span_bitmap",
];
const HEAP: &[&str] = &[
    "heap.reachable",
    "heap.objects",
    "heap.garbage",
    "heap.free_slots",
    "heap.span_tail",
    "heap.span_bitmap",
    "heap.idle",
    "heap.returned_resident",
];

/// Counters that the report shows beside the tree, and the fields that they must equal.
const COUNTERS: [(&str, &str); 7] = [
    ("StackInuse", "/runtime/stack_inuse"),
    ("HeapInuse", "/runtime/heap_inuse"),
    ("HeapIdle", "/runtime/heap_idle"),
    ("HeapSys", "/runtime/heap_sys"),
    ("NextGC", "/runtime/next_gc"),
    ("NumGC", "/runtime/num_gc"),
    ("Goroutines", "/runtime/goroutines"),
];

/// A parsed `letgo.why/1` report.
#[derive(Clone, Debug)]
pub struct Report(Value);

impl Report {
    /// Parses what `letgo why -o json` wrote.
    ///
    /// # Errors
    /// Where it is no JSON, or of another schema.
    pub fn parse(text: &str) -> Result<Report> {
        let value: Value = serde_json::from_str(text).context("the report is no JSON")?;
        let schema = value.pointer("/schema").and_then(Value::as_str);
        ensure!(schema == Some("letgo.why/1"), "its schema is {schema:?}");
        Ok(Report(value))
    }

    /// What is at a JSON pointer, such as `/taken/coverage/torn`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The number at a JSON pointer.
    ///
    /// # Errors
    /// Where there is none: an absent figure is not zero.
    pub fn number(&self, pointer: &str) -> Result<u64> {
        let number = self.at(pointer).and_then(Value::as_u64);
        number.with_context(|| format!("the report has no number at {pointer}"))
    }

    /// Resident bytes of all leaves together.
    ///
    /// # Errors
    /// Where a leaf lacks them.
    pub fn resident(&self) -> Result<u64> {
        let mut sum = 0;
        for leaf in self
            .nodes()?
            .iter()
            .filter(|node| children(node).is_empty())
        {
            sum += figure(leaf, "resident_bytes")?;
        }
        Ok(sum)
    }

    /// A figure of the leaf with this id, such as `resident_bytes`; a leaf without any bytes is
    /// left out of the tree.
    ///
    /// # Errors
    /// Where the leaf is there and lacks the figure.
    pub fn leaf(&self, id: &str, name: &str) -> Result<u64> {
        let nodes = self.nodes()?;
        let found = nodes.iter().find(|node| node["id"] == id);
        found.map_or(Ok(0), |node| figure(node, name))
    }

    /// Everything that the target's own `runtime.MemStats` says, beside the report.
    ///
    /// # Errors
    /// Where the report lacks a figure.
    pub fn beside_memstats(&self, memstats: &Figures) -> Result<Vec<Row>> {
        let virt = |ids: &[&str]| {
            let bytes = ids.iter().map(|id| self.leaf(id, "virtual_bytes"));
            bytes.sum::<Result<u64>>()
        };
        let mut rows = Vec::new();
        for (name, leaves) in LEAVES_OF {
            rows.push(Row::equal(name, virt(leaves)?, memstats.get(name)));
        }
        for (name, pointer) in COUNTERS {
            rows.push(Row::equal(name, self.number(pointer)?, memstats.get(name)));
        }
        rows.push(Row {
            name: "HeapReleased",
            ours: virt(&["heap.returned_resident"])?,
            theirs: memstats.get("HeapReleased"),
            right: (0, RELEASED_MEANWHILE.into()),
        });
        rows.push(Row {
            name: "HeapAlloc",
            ours: virt(&["heap.reachable", "heap.objects", "heap.garbage"])?,
            theirs: memstats.get("HeapAlloc"),
            right: (0, ALLOCATED_MEANWHILE.into()),
        });
        Ok(rows)
    }

    /// What the kernel says before and after the reading, beside the report.
    ///
    /// # Errors
    /// Where the report lacks a figure.
    pub fn beside_kernel(&self, before: Rss, after: Rss) -> Result<Vec<Row>> {
        let swapped = self.number("/rss/swap_bytes")?;
        Ok(vec![
            Row::equal("Rss", self.resident()?, before.rss),
            Row::equal("Swap", swapped, before.swap),
            Row::equal("Rss afterwards", after.rss, before.rss),
            Row::equal(
                "unattributed",
                self.leaf("unattributed", "resident_bytes")?,
                0,
            ),
        ])
    }

    /// The most anonymous memory outside of the runtime that is right in a pure Go program.
    ///
    /// # Errors
    /// Where the report lacks a figure.
    pub fn anon(&self) -> Result<Row> {
        Ok(Row {
            name: "maps.anon",
            ours: self.leaf("maps.anon", "virtual_bytes")?,
            theirs: 0,
            right: (0, MOST_ANON.into()),
        })
    }

    /// What is wrong with the report in itself: a parent that is not the sum of its children, a
    /// sum that is not the tree's, a reading that is not complete.
    ///
    /// # Errors
    /// Where the report lacks a figure.
    pub fn flaws(&self) -> Result<Vec<String>> {
        let mut flaws = Vec::new();
        for node in self.nodes()? {
            for name in ["resident_bytes", "virtual_bytes", "swap_bytes"] {
                let parts = children(node).iter().map(|child| figure(child, name));
                let sum = parts.sum::<Result<u64>>()?;
                let own = figure(node, name)?;
                if !children(node).is_empty() && sum != own {
                    flaws.push(format!(
                        "{} of {} is {own}, its parts {sum}",
                        name, node["id"]
                    ));
                }
            }
        }
        let said =
            self.number("/rss/attributed_bytes")? + self.number("/rss/unattributed_bytes")?;
        if said != self.resident()? {
            flaws.push(format!("rss says {said}, the leaves {}", self.resident()?));
        }
        if self.at("/taken/coverage/complete") != Some(&Value::Bool(true)) {
            flaws.push(format!("not complete: {:?}", self.at("/taken/coverage")));
        }
        Ok(flaws)
    }

    /// Names of the counters in the target's memory that the tree does not equal.
    pub fn unequal(&self) -> Vec<&str> {
        let equalities = self.at("/equalities").and_then(Value::as_array);
        let unequal = equalities.into_iter().flatten();
        unequal
            .filter(|equality| equality["ours"] != equality["runtime"])
            .filter_map(|equality| equality["name"].as_str())
            .collect()
    }

    /// All nodes of the tree, parents first.
    fn nodes(&self) -> Result<Vec<&Value>> {
        let roots = self.at("/rss/tree").and_then(Value::as_array);
        let mut rest: Vec<&Value> = roots.context("the report has no tree")?.iter().collect();
        let mut nodes = Vec::new();
        while let Some(node) = rest.pop() {
            nodes.push(node);
            rest.extend(children(node));
        }
        Ok(nodes)
    }
}

fn children(node: &Value) -> &[Value] {
    node["children"].as_array().map_or(&[], Vec::as_slice)
}

fn figure(node: &Value, name: &str) -> Result<u64> {
    let number = node[name].as_u64();
    number.with_context(|| format!("{} has no number {name}", node["id"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(heap: u64, objects: u64) -> Report {
        let leaf = |id: &str, bytes: u64| {
            serde_json::json!({"id": id, "resident_bytes": bytes, "virtual_bytes": bytes,
                "swap_bytes": 0, "children": []})
        };
        let mut parent = leaf("heap", heap);
        parent["children"] = serde_json::json!([leaf("heap.objects", objects)]);
        let whole = serde_json::json!({"schema": "letgo.why/1",
            "rss": {"attributed_bytes": objects, "unattributed_bytes": 0, "swap_bytes": 0,
                "tree": [parent]},
            "taken": {"coverage": {"complete": true}},
            "equalities": [{"name": "HeapSys", "ours": objects, "runtime": heap}]});
        Report::parse(&whole.to_string()).unwrap()
    }

    #[test]
    fn leaves_are_summed_and_parents_are_checked() {
        let right = report(4096, 4096);
        assert_eq!(right.resident().unwrap(), 4096);
        assert_eq!(right.flaws().unwrap(), [""; 0]);
        assert_eq!(right.unequal(), [""; 0]);
        let wrong = report(8192, 4096);
        assert_eq!(wrong.flaws().unwrap().len(), 2, "{:?}", wrong.flaws());
        assert_eq!(wrong.unequal(), ["HeapSys"]);
    }

    #[test]
    fn one_byte_beside_the_kernel_is_a_difference() {
        let kernel = |rss| Rss {
            rss,
            ..Rss::default()
        };
        let rows = |before, after| {
            let rows = report(4096, 4096).beside_kernel(kernel(before), kernel(after));
            rows.unwrap().iter().filter(|row| !row.holds()).count()
        };
        assert_eq!(rows(4096, 4096), 0);
        assert_eq!(rows(4097, 4097), 1);
        assert_eq!(rows(4096, 8192), 1);
    }

    #[test]
    fn what_is_absent_is_not_zero() {
        assert!(report(0, 0).number("/runtime/heap_sys").is_err());
        assert!(Report::parse("{}").is_err());
    }

    #[test]
    fn returned_memory_only_grows() {
        let released = |ours| Row {
            name: "HeapReleased",
            ours,
            theirs: 1 << 20,
            right: (0, RELEASED_MEANWHILE.into()),
        };
        assert!(released(1 << 20).holds());
        assert!(released((1 << 20) + 65536).holds());
        assert!(!released((1 << 20) - 65536).holds());
    }
}
