//! Every system call that letgo makes on a live process, and what the kernel answers.
//!
//! A [`Process`] is opened by pid and stays that process: a reused pid is noticed. Its memory is
//! read with [`LiveMemory`], its page table with [`residency()`], all of its threads are stopped
//! for a bounded time with [`Stop`]. [`cgroup`] tells what its container sees, [`hosts`] lists all
//! processes, [`doctor`] tells what this machine allows and [`Denial`] who said no.
//!
//! This crate interprets no Go structure and writes to no target. It takes no decision: what is
//! worth reading is for others to say. Text that comes from the kernel is parsed by public
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
pub mod hosts;
mod memory;
pub mod process;
pub mod residency;
mod stop;
mod sys;
pub mod system;

pub use denial::{Denial, Obstacle};
pub use error::Error;
pub use memory::LiveMemory;
pub use process::Process;
pub use residency::{Method, Scan, residency};
pub use stop::{Registers, Stop, StopReport, Stopped, StoppedThread};
