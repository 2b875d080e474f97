//! [`ProfileBuckets`]: the memory, block and mutex profile's buckets, counted.
//!
//! `runtime.mbuckets` and its siblings grow for as long as new stacks appear and are never freed.
//! Counts and bytes only; the stacks are not read here.

use letgo_target::Addr;

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
