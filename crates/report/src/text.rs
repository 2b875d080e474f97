//! The reports as a person reads them.
//!
//! Each function returns text and writes nothing. Width, colour and characters come from the
//! caller as a [`crate::Look`]; what is drawn never depends on where it goes.

mod diff;
mod doctor;
mod explain;
mod findings;
mod goroutines;
mod head;
mod healthy;
mod heap;
mod instances;
mod lab;
mod paths;
mod ps;
mod release;
mod rows;
mod table;
mod tune;
mod why;

pub use diff::diff;
pub use doctor::doctor;
pub use goroutines::{GoroutineRows, goroutines};
pub use heap::heap;
pub use instances::instances;
pub use lab::lab;
pub(crate) use lab::setting as lab_setting;
pub use paths::path;
pub use ps::{PsColumns, ps};
pub use release::{CurveRows, release, release_head, release_tail};
pub use tune::tune;
pub use why::why;
