//! What kinds are called.

use super::*;

impl Kinds {
    /// Whether a kind is a part of a map, by the name that the compiler gave to its type.
    pub(crate) fn is_map_part(&self, what: What) -> bool {
        match what {
            What::Value(at) | What::Row(at) => map_part(&self.table.name(at)).is_some(),
            _ => false,
        }
    }

    /// The name of a kind, as a person would say it.
    pub(crate) fn name(&self, what: What) -> String {
        let of = |at: Addr| self.table.name(at);
        if let What::Value(at) | What::Row(at) = what
            && let Some(name) = map_part(&of(at))
        {
            return name;
        }
        match what {
            What::Value(at) | What::Map(at) | What::Chan(at) => of(at),
            What::Row(at) => format!("[]{}", of(at)),
            What::Text => "string bytes".to_owned(),
            What::Small => "tiny objects".to_owned(),
            What::MapDirectory(at) => format!("{} directory", of(at)),
            What::MapTable(at) => format!("{} table", of(at)),
            What::MapSlots(at) if self.has_groups(at) => format!("{} groups", of(at)),
            What::MapSlots(at) => format!("{} buckets", of(at)),
            What::MapExtra(at) | What::MapOverflow(at) | What::MapOverflowList(at) => {
                format!("{} overflow", of(at))
            }
            What::ChanBuffer(at) => format!("{} buffer", of(at)),
            What::Closure(entry) if entry.is_null() => "closure".to_owned(),
            What::Closure(entry) => format!("closure {entry}"),
        }
    }
}

/// What to call groups and buckets by the names that the compiler gives to their types.
fn map_part(name: &str) -> Option<String> {
    let groups = name.strip_prefix("map.group[");
    let buckets = name.strip_prefix("map.bucket[");
    let groups = groups.map(|rest| format!("map[{rest} groups"));
    groups.or_else(|| buckets.map(|rest| format!("map[{rest} buckets")))
}
