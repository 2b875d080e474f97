//! [`ProfileBuckets`]: the memory, block and mutex profile's buckets, counted.
//!
//! `runtime.mbuckets` and its siblings grow for as long as new stacks appear and are never freed.
//! Counts and bytes only; the stacks are not read here.
//!
//! A bucket is a header, `nstk` words of stack and a record, made by `persistentalloc` and never
//! freed. The lists are linked by `allnext`, newest first, so that neighbours in a list are
//! neighbours in memory and one os page serves many.
//!
//! Source: src/runtime/mprof.go, `newBucket`, `stkbucket`; go1.19 to go1.27.

use letgo_target::{Addr, Coverage, Fault, OS_PAGE};
use rustc_hash::FxHashSet;

use crate::view::View;
use crate::{Error, Limits};

/// Buckets in the hash table. Source: src/runtime/mprof.go, `buckHashSize`, one since 1.0.
const HASH_SIZE: u64 = 179_999;
/// Bytes of a `blockRecord`: a float64 and an int64.
const BLOCK_RECORD: u64 = 16;
/// Most frames that are believed. Source: src/runtime/mprof.go, `maxProfStackDepth`.
const MOST_FRAMES: u64 = 1 << 16;

/// Buckets between two looks at the clock.
const LOOK_AT_CLOCK: u64 = 1024;

/// `memProfile`, `blockProfile`, `mutexProfile`. Source: src/runtime/mprof.go, `bucketType`.
pub(crate) const KINDS: [(&str, u64); 3] = [
    ("runtime.mbuckets", 1),
    ("runtime.bbuckets", 2),
    ("runtime.xbuckets", 3),
];

/// One list of `runtime.bucket`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketList {
    /// Buckets found.
    pub count: u64,
    /// Their bytes, header, stack and record.
    pub bytes: u64,
    /// Address and length of each, in list order.
    pub buckets: Vec<(Addr, u64)>,
}

/// All three lists and the hash table (`runtime.buckhash`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileBuckets {
    /// `runtime.mbuckets`
    pub memory: BucketList,
    /// `runtime.bbuckets`
    pub block: BucketList,
    /// `runtime.xbuckets`
    pub mutex: BucketList,
    /// `runtime.buckhash`: address and length of the table, if it was made.
    pub table: Option<(Addr, u64)>,
}

/// Reads all three lists. A list whose variable was not found is skipped.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn read(
    view: View<'_>,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<ProfileBuckets, Error> {
    let mut lists = [
        BucketList::default(),
        BucketList::default(),
        BucketList::default(),
    ];
    for ((name, kind), list) in KINDS.into_iter().zip(&mut lists) {
        let Some(global) = view.runtime.global(name) else {
            coverage.skip(name, "it was not found in the program");
            continue;
        };
        *list = read_list(view, global, kind, limits, coverage)?;
    }
    let [memory, block, mutex] = lists;
    let table = match view.runtime.global("runtime.buckhash") {
        Some(global) => Some(Addr(letgo_target::read_u64(view.memory, global)?)),
        None => None,
    };
    Ok(ProfileBuckets {
        memory,
        block,
        mutex,
        table: table
            .filter(|table| !table.is_null())
            .map(|table| (table, HASH_SIZE * 8)),
    })
}

fn read_list(
    view: View<'_>,
    global: Addr,
    kind: u64,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<BucketList, Error> {
    let fields = &view.layout().bucket;
    let record = match kind {
        1 => u64::from(view.layout().mem_record.size),
        _ => BLOCK_RECORD,
    };
    let mut page = Page::default();
    let mut list = BucketList::default();
    let mut seen = FxHashSet::default();
    let mut next = Addr(letgo_target::read_u64(view.memory, global)?);
    while !next.is_null() {
        if list.count >= limits.buckets {
            coverage.skip("bucket", "there are more than the limit");
            break;
        }
        if list.count.is_multiple_of(LOOK_AT_CLOCK) && view.is_late() {
            coverage.skip("bucket", "there was no time to read the rest");
            break;
        }
        if !seen.insert(next) {
            coverage.skip("bucket", "a list of buckets runs in a circle");
            break;
        }
        let mut bytes = vec![0; fields.size as usize];
        match page.read(view, next, &mut bytes) {
            Ok(()) => {}
            Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
            Err(fault) => {
                coverage.skip("bucket", fault.to_string());
                break;
            }
        }
        let frames = fields.nstk.get(&bytes);
        if fields.typ.get(&bytes) != kind || frames > MOST_FRAMES {
            coverage.skip("bucket", "it is not of its list's kind");
            break;
        }
        let len = u64::from(fields.size) + frames * 8 + record;
        list.count += 1;
        list.bytes += len;
        list.buckets.push((next, len));
        next = fields.allnext.addr(&bytes);
    }
    Ok(list)
}

/// The os page that was read last.
#[derive(Default)]
struct Page {
    addr: Addr,
    bytes: Vec<u8>,
}

impl Page {
    fn read(&mut self, view: View<'_>, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let page = addr.align_down(OS_PAGE);
        let offset = usize::try_from(addr.since(page)).unwrap_or(usize::MAX);
        let end = offset.saturating_add(buf.len());
        if self.bytes.is_empty() || self.addr != page {
            self.bytes.resize(usize::try_from(OS_PAGE).unwrap_or(0), 0);
            self.addr = page;
            if let Err(fault) = view.memory.read(page, &mut self.bytes) {
                self.bytes.clear();
                return Err(fault);
            }
        }
        match self.bytes.get(offset..end) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => view.memory.read(addr, buf),
        }
    }
}
