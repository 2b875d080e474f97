//! Policies as pure state machines: what to store into a running Go program, and when.
//!
//! A policy sees a [`Look`], a few counters of the target, and answers with the next [`Move`] or
//! with [`Store`]s. Who reads and who writes is behind two traits, [`Actuator`] and [`Running`],
//! so that every policy runs in tests against a runtime that a test made up.
//!
//! [`Release`] gives back what can be given back; [`tune`] sets GOGC and the memory limit.
//!
//! Reads no memory, writes none, and knows no address: a [`Knob`] is a name. What the runtime
//! computes from a setting (a heap goal) is computed by whoever knows its arithmetic.

mod actuator;
mod environment;
mod knob;
mod release;
pub mod tune;

pub use actuator::{Actuator, Look, Running, Wake};
pub use environment::Environment;
pub use knob::{Knob, Lifetime, Store};
pub use release::{End, Limits, Move, Outcome, Point, Release, run};
