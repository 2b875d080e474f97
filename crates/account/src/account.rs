//! [`account`]: the sweep that gives every resident byte one owner.
//!
//! Owners in order of priority: the heap's address space (see [`crate::heap`]), the runtime's
//! structures, images, thread stacks, sanitizer shadow, glibc's malloc, and the mappings' names.
//! Each takes what those before it left over, so that the leaves partition the resident bytes
//! whatever the target says. A byte outside of every mapping is `unattributed`.

use letgo_goruntime::{Census, Metadata, Sys};
use letgo_target::{
    Addr, AddrRange, Coverage, Mapping, OS_PAGE, ReadMemory, Residency, ResidentBytes,
};

use crate::claims::{Claim, Claims};
use crate::cursor::Cursor;
use crate::malloc::MallocArenas;
use crate::reach::{Reach, Reached};
use crate::slots::SlotSource;
use crate::tally::{Tallies, Tally};
use crate::thread_stack::{Proof, ThreadStack};
use crate::tree::{self, Node, Source};
use crate::{
    Error, ImageSegment, Leaf, Sanitizer, SizeClass, Sketch, heap, image, malloc, maps, sanitizer,
};
use crate::{VirtBytes, thread_stack};

/// Mappings that [`Account::largest`] lists.
const LARGEST: usize = 16;

/// Whether the target ran while it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// It stood still: stopped, a frozen copy, a core.
    Frozen,
    /// It ran.
    Running,
}

/// What an account is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What the runtime knows of its memory.
    pub census: &'a Census,
    /// Where allocation and mark bits of single spans come from.
    pub slots: &'a dyn SlotSource,
    /// What is reachable, where there is a graph of the same moment. Where it is not whole, what
    /// it says to be garbage is an upper bound.
    pub reach: Option<&'a dyn Reach>,
    /// The target's memory, for headers of libraries and of glibc's malloc. Only resident pages
    /// are read.
    pub memory: &'a dyn ReadMemory,
    /// The kernel's page table.
    pub residency: &'a Residency,
    /// The kernel's list of mappings, by address.
    pub mappings: &'a [Mapping],
    /// Loadable segments of the program itself, load bias added; libraries are found.
    pub program: &'a [ImageSegment],
    /// The instrumentation that the program was built with.
    pub sanitizer: Option<Sanitizer>,
    /// Stack pointers of threads as the kernel reports them, where it does.
    pub stack_pointers: &'a [Addr],
    /// `Rss` of `smaps`, where known: the sum's second source.
    pub rss: Option<ResidentBytes>,
    /// Whether the target ran meanwhile.
    pub method: Method,
}

/// A mapping, or all mappings of one file, with the bytes of it that are of one leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LargeMapping {
    /// The kernel's name; empty for plain anonymous memory.
    pub name: String,
    /// What it was held to be.
    pub leaf: Leaf,
    /// First to last byte.
    pub range: AddrRange,
    /// Bytes.
    pub tally: Tally,
}

/// Where every resident byte belongs.
#[derive(Clone, Debug)]
pub struct Account {
    /// The tree; its root is everything.
    pub tree: Node,
    /// How well each size class is used.
    pub size_classes: Vec<SizeClass>,
    /// What the graph adds, where there is one.
    pub reached: Option<Reached>,
    /// Bytes of heap spans in use that are neither resident nor swapped: allocated, never
    /// touched, or given back by the kernel.
    pub untouched: VirtBytes,
    /// The largest mappings outside of the Go runtime and the images, by resident bytes.
    pub largest: Vec<LargeMapping>,
    /// Stacks of OS threads outside of the Go heap, by address.
    pub thread_stacks: Vec<ThreadStack>,
    /// glibc's arenas beside the main one.
    pub malloc_arenas: MallocArenas,
    /// The sum of the leaves less `Rss` of `smaps`, where that was given. 0 on a target that
    /// stands still.
    pub drift: Option<i128>,
    /// What the account itself could not see; beside the census's own coverage.
    pub coverage: Coverage,
    tallies: Tallies,
}

impl Account {
    /// Bytes of one leaf.
    pub fn leaf(&self, leaf: Leaf) -> Tally {
        self.tallies.of(leaf)
    }

    /// The sum of all leaves.
    pub fn total(&self) -> Tally {
        self.tree.tally
    }
}

/// Gives every resident byte its owner.
///
/// # Errors
/// Only what makes the whole target unreadable. What is wrong with single structures goes
/// into [`Account::coverage`].
///
/// # Consistency
/// Of a running target, census, residency and mappings are of different moments; each resident
/// byte has one owner all the same, by what the census said.
pub fn account(inputs: &Inputs<'_>) -> Result<Account, Error> {
    sweep(inputs, None)
}

/// The same, with where the bytes of each leaf lie: `sketch` is empty before.
///
/// # Errors
/// As of [`account`].
pub fn account_drawn(inputs: &Inputs<'_>, sketch: Sketch) -> Result<(Account, Sketch), Error> {
    let mut account = sweep(inputs, Some(Box::new(sketch)))?;
    let drawn = account.tallies.sketch.take().unwrap_or_default();
    Ok((account, *drawn))
}

/// Reads what [`account`] will read of the target's memory, and nothing else: for a memory that
/// keeps what was read of a target that is to be let go.
pub fn read_ahead(inputs: &Inputs<'_>) {
    drop(claim_all(inputs));
}

fn sweep(inputs: &Inputs<'_>, sketch: Option<Box<Sketch>>) -> Result<Account, Error> {
    let heap = heap::walk(
        inputs.census,
        inputs.residency,
        inputs.slots,
        inputs.reach,
        sketch,
    )?;
    let Claimed {
        claims,
        stacks,
        malloc_arenas,
    } = claim_all(inputs);
    let mut tallies = heap.tallies;
    let mut large = Vec::new();
    let mut cursor = Cursor::new(inputs.residency);
    for claim in claims.as_slice() {
        let mut tally = Tally::default();
        cursor.visit(claim.range, |run| {
            tally.add_run(run);
            if let Some(leaf) = claim.leaf {
                tallies.draw(leaf, run);
            }
        });
        let Some(leaf) = claim.leaf else { continue };
        if claim.counted {
            tally.virt = VirtBytes(claim.range.len());
        }
        tallies.add(leaf, tally);
        large.extend(large_part(claim, leaf, tally, inputs.mappings));
    }
    unattributed(inputs.residency, claims.as_slice(), &mut tallies);
    let walk = match inputs.method {
        Method::Frozen => Source::WalkFrozen,
        Method::Running => Source::WalkRunning,
    };
    let tree = tree::build(&tallies, walk, heap.reached.is_some());
    let drift = inputs
        .rss
        .map(|rss| i128::from(tree.tally.resident.0) - i128::from(rss.0));
    Ok(Account {
        untouched: untouched(&tallies),
        tree,
        size_classes: heap.size_classes,
        reached: heap.reached,
        largest: largest(large),
        thread_stacks: with_residency(stacks, inputs.residency),
        malloc_arenas,
        drift,
        coverage: heap.coverage,
        tallies,
    })
}

/// All claims, and what is told apart among them.
struct Claimed {
    claims: Claims,
    stacks: Vec<(AddrRange, Proof, usize)>,
    malloc_arenas: MallocArenas,
}

fn claim_all(inputs: &Inputs<'_>) -> Claimed {
    let (mappings, residency) = (inputs.mappings, inputs.residency);
    let mut claims = Claims::default();
    let heap = heap::space(inputs.census).into_iter().map(|range| Claim {
        range,
        leaf: None,
        counted: false,
        mapping: None,
    });
    claims.add_layer(heap.collect());
    let metadata = &inputs.census.metadata;
    claims.add_layer(metadata.iter().map(metadata_claim).collect());
    claims.add_layer(metadata.iter().map(rounding_claim).collect());
    for layer in image::claims(inputs.program, mappings, residency, inputs.memory) {
        claims.add_layer(layer);
    }
    claims.add_layer(sanitizer::claims(inputs.sanitizer, mappings));
    let threads = &inputs.census.threads;
    let stacks = thread_stack::find(threads, inputs.stack_pointers, mappings, &claims);
    claims.add_layer(thread_stack::claims(&stacks));
    let (layer, malloc_arenas) = malloc::claims(mappings, &claims, residency, inputs.memory);
    claims.add_layer(layer);
    claims.add_layer(maps::claims(mappings));
    Claimed {
        claims,
        stacks,
        malloc_arenas,
    }
}

fn metadata_claim(metadata: &Metadata) -> Claim {
    let leaf = match metadata.sys {
        Sys::Gc => Leaf::RuntimeGc,
        Sys::Mspan => Leaf::RuntimeMspan,
        Sys::Mcache => Leaf::RuntimeMcache,
        Sys::BuckHash => Leaf::RuntimeProfileBuckets,
        Sys::Other => Leaf::RuntimeOther,
        Sys::OsStack => Leaf::StacksFree,
        Sys::Uncounted => Leaf::RuntimeUncounted,
    };
    Claim::new(metadata.range, leaf)
}

/// What is left of the os pages around a structure that nobody else has.
fn rounding_claim(metadata: &Metadata) -> Claim {
    Claim::new(metadata.range.widen(OS_PAGE), Leaf::RuntimeUncounted)
}

/// Pages that lie in no claim.
fn unattributed(residency: &Residency, claims: &[Claim], tallies: &mut Tallies) {
    let mut add = |run| tallies.add_run(Leaf::Unattributed, run);
    let mut cursor = Cursor::new(residency);
    let mut at = Addr::NULL;
    for claim in claims {
        cursor.visit(AddrRange::new(at, claim.range.start()), &mut add);
        at = at.max(claim.range.end());
    }
    cursor.visit(AddrRange::new(at, Addr(u64::MAX)), add);
}

fn untouched(tallies: &Tallies) -> VirtBytes {
    let in_use = [
        Leaf::HeapReachable,
        Leaf::HeapObjects,
        Leaf::HeapGarbage,
        Leaf::HeapFreeSlots,
        Leaf::HeapSpanTail,
        Leaf::HeapSpanBitmap,
    ];
    let untouched = in_use.map(|leaf| {
        let tally = tallies.of(leaf);
        let touched = tally.resident.0.saturating_add(tally.swapped);
        VirtBytes(tally.virt.0.saturating_sub(touched))
    });
    untouched.into_iter().sum()
}

/// A claim as a part of a mapping that [`Account::largest`] may list.
fn large_part(
    claim: &Claim,
    leaf: Leaf,
    tally: Tally,
    mappings: &[Mapping],
) -> Option<LargeMapping> {
    let listed = matches!(
        leaf,
        Leaf::MapsFile | Leaf::MapsShm | Leaf::MapsAnon | Leaf::CgoMalloc
    );
    let mapping = mappings.get(claim.mapping?)?;
    let touched = tally.resident.0 > 0 || tally.swapped > 0;
    (listed && touched).then(|| LargeMapping {
        name: mapping.name.clone(),
        leaf,
        range: claim.range,
        tally,
    })
}

/// Joins the parts of one file, or of one leaf that lie side by side, and keeps the largest.
fn largest(mut parts: Vec<LargeMapping>) -> Vec<LargeMapping> {
    parts.sort_by(|a, b| (a.leaf, &a.name, a.range).cmp(&(b.leaf, &b.name, b.range)));
    let mut joined: Vec<LargeMapping> = Vec::new();
    for part in parts {
        let same = |last: &&mut LargeMapping| {
            let file = !part.name.is_empty() && !part.name.starts_with('[');
            let beside = last.range.end() == part.range.start();
            last.leaf == part.leaf && last.name == part.name && (file || beside)
        };
        match joined.last_mut().filter(same) {
            Some(last) => {
                last.tally += part.tally;
                let end = last.range.end().max(part.range.end());
                last.range = AddrRange::new(last.range.start(), end);
            }
            None => joined.push(part),
        }
    }
    joined.sort_by_key(|mapping| std::cmp::Reverse(mapping.tally.resident));
    joined.truncate(LARGEST);
    joined
}

fn with_residency(
    stacks: Vec<(AddrRange, Proof, usize)>,
    residency: &Residency,
) -> Vec<ThreadStack> {
    let stack = |(range, proof, _)| ThreadStack {
        range,
        resident: residency.resident_in(range),
        proof,
    };
    stacks.into_iter().map(stack).collect()
}
