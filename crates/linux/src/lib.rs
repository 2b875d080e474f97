//! Every system call that letgo makes on a live process, and what the kernel answers.
//!
//! A [`Process`] is opened by pid and stays that process: a reused pid is noticed. Its memory is
//! read with [`LiveMemory`], its page table with [`residency()`], all of its threads are stopped
//! for a bounded time with [`Stop`]. [`cgroup`] tells what its container sees, [`hosts`] lists all
//! processes, [`doctor`] tells what this machine allows and [`Denial`] who said no.
//!
//! A [`Writer`] stores single words into it, each written down in a [`journal`] before, after
//! [`may_write`] has said that nothing stands in the way; a [`watchdog`] puts back what is not to
//! stay when letgo dies. A [`FrozenCopy`] is made by a call that a thread of the target is
//! led through and back. Nothing else here changes a target.
//!
//! This crate interprets no Go structure. It takes no decision: what is worth reading or writing is
//! for others to say. Text that comes from the kernel is parsed by public
//! functions on `&str` that never panic, so that they can be tested and fuzzed without a process.
//!
//! `unsafe` is allowed in `sys` only, where each system call is wrapped once.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod cgroup;
mod denial;
pub mod doctor;
mod error;
pub mod frozen;
pub mod hosts;
pub mod journal;
mod memory;
mod preflight;
pub mod process;
pub mod residency;
pub mod steps;
mod stop;
mod sys;
pub mod system;
pub mod watchdog;
pub mod write;

pub use denial::{Denial, Obstacle};
pub use error::Error;
pub use frozen::{FrozenCopy, Gadgets};
pub use memory::LiveMemory;
pub use preflight::{Refusal, may_write};
pub use process::Process;
pub use residency::{Method, Scan, residency};
pub use stop::{Registers, Stop, StopReport, Stopped, StoppedThread};
pub use sys::{Haste, LargeInHugePages};
pub use write::{Word, Writer};
