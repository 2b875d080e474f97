//! The registry of rules, in the order in which they claim bytes.
//!
//! Each rule has an id, which is part of the contract, and a function that looks at a [`Case`]
//! and is silent or has a [`Draft`] to offer, or several. A rule knows nothing of the others; where
//! two would claim the same bytes, the earlier one gets them.

mod backlog;
#[cfg(test)]
mod boundaries;
mod buckets;
mod cgo;
mod churn;
mod container;
mod containers;
pub(crate) mod contexts;
mod files;
mod fragmentation;
mod gc;
#[cfg(test)]
mod goroutines;
mod graveyard;
mod growing;
mod growth;
mod headroom;
mod holders;
mod idle;
mod leak;
mod limit;
mod pinned;
#[cfg(test)]
mod reached;
mod returned;
mod sentry;
mod stale;
#[cfg(test)]
mod tests;
mod thp;
mod threads;

use crate::draft::{Case, Draft};

/// One rule.
pub(crate) struct Rule {
    /// The id of its finding.
    pub(crate) id: &'static str,
    /// Looks; silent where nothing stands out. Most rules have one thing to say.
    pub(crate) check: fn(&Case<'_>) -> Vec<Draft>,
}

/// Rules whose finding is that memory is resident, or where: without a page table they say nothing.
const NEED_RESIDENCY: [&str; 7] = [
    "returned-still-resident",
    "thread-stacks",
    "gvisor-sentry",
    "mapped-file",
    "cgo-growth",
    "thp-bloat",
    "container-limit-near",
];

impl Rule {
    /// Whether it has nothing to say where it is not known what is resident.
    pub(crate) fn needs_residency(&self) -> bool {
        NEED_RESIDENCY.contains(&self.id)
    }
}

macro_rules! rules {
    ($($id:literal => $check:path,)+) => {
        /// All rules. Owners of a leaf come first, then those that say why a leaf is large.
        pub(crate) const RULES: &[Rule] = &[$(Rule {
            id: $id,
            check: |case| Vec::from_iter($check(case)),
        },)+];
    };
}

rules! {
    "idle-not-returned" => idle::not_returned,
    "returned-still-resident" => returned::still_resident,
    "pinned-spans" => pinned::spans,
    "fragmentation" => fragmentation::free_slots,
    "profile-buckets" => buckets::profile_buckets,
    "thread-stacks" => threads::stacks,
    "gvisor-sentry" => sentry::gvisor,
    "mapped-file" => files::mapped_file,
    "cgo-growth" => cgo::malloc,
    "goroutine-leak" => leak::blocked,
    "context-retained" => contexts::retained,
    "goroutine-growth" => growth::herds,
    "channel-backlog" => backlog::queued,
    "map-never-shrinks" => containers::sparse_maps,
    "slice-pinning" => containers::pinned,
    "buffer-slack" => containers::roomy,
    "growing-holder" => growing::holders,
    "global-holder" => holders::global_holder,
    "goroutine-graveyard" => graveyard::dead_goroutines,
    "gc-off" => gc::off,
    "gc-stalled" => gc::stalled,
    "headroom-high" => headroom::high,
    "thp-bloat" => thp::bloat,
    "gc-death-spiral" => churn::death_spiral,
    "alloc-churn" => churn::alloc_churn,
    "limit-stale" => stale::limit_stale,
    "limit-too-high" => limit::too_high,
    "limit-missing" => limit::missing,
    "container-limit-near" => container::limit_near,
}
