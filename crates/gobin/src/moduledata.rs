//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use letgo_target::{Addr, AddrRange};
use serde::{Deserialize, Serialize};

/// The head of `runtime.moduledata`, whose shape is one from 1.18 on. Link-time addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moduledata {
    pub addr: Addr,
    pub pc_header: Addr,
    pub text: AddrRange,
    pub noptrdata: AddrRange,
    pub data: AddrRange,
    pub bss: AddrRange,
    pub noptrbss: AddrRange,
}
