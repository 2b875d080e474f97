//! Plain data out: JSON, text and the schema that users rely on.
//!
//! The types are the contract: [`WhyReport`] is `letgo.why/1`, [`PsReport`] is `letgo.ps/1`,
//! [`DoctorReport`] is `letgo.doctor/1`, [`ReleaseReport`] is `letgo.release/1`, [`TuneReport`] is
//! `letgo.tune/1`, [`HeapReport`] is `letgo.heap/1`, [`PathReport`] is `letgo.path/1`,
//! [`TypeReport`] is `letgo.type/1`, [`SqlReport`] is `letgo.sql/1`, [`GoroutinesReport`] is
//! `letgo.goroutines/1`, [`DiffReport`] is `letgo.diff/1`,
//! [`lab::LabReport`] is `letgo.lab/1`. [`text`] and [`markdown`] draw them, [`schema`] describes
//! them.
//!
//! Does not compute: whatever is shown was found out below, or is a share of two such figures.
//! Does not write anywhere: everything here returns a value.
//!
//! Rules of the contract: fields are added, never changed or removed; addresses are hex strings;
//! an absent field is not zero; enums are open; a parent equals the sum of its children.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod diff;
mod doctor;
mod extent;
mod finding;
mod goroutines;
mod heap;
mod html;
mod instances;
pub mod lab;
pub mod markdown;
mod names;
mod open;
pub mod page;
mod paths;
mod ps;
mod release;
mod rss;
mod runtime;
pub mod schema;
mod sql;
mod target;
pub mod text;
pub mod units;
mod why;

pub use diff::{
    AmountDelta, ClassDiff, Delta, DiffReport, DiffTotals, GoroutineDiff, HolderDiff, HolderRest,
    LeafDiff, Moment, Still, StillOf, TypeDiff, Unchanged,
};
pub use doctor::{Check, DoctorReport};
pub use extent::{Virtual, VirtualNode};
pub use finding::{Finding, Location, Remedy, Share};
pub use goroutines::{
    CallFrame, GoroutineGroup, GoroutinesReport, LabelSet, LeakSummary, StatusCount,
};
pub use heap::{
    Amount, Elements, HeapClass, HeapReport, HeapTotals, HeapType, HeldObject, Holder, HolderGroup,
    HolderRoot, Rest, TypesConflicts, TypesRest,
};
pub use html::{HtmlReport, MOST_NAME, Region, Segment, Space, Tile, html};
pub use instances::{Contents, FieldValue, Instance, TypeReport};
pub use open::{
    Basis, Confidence, Ending, GoroutineStatus, HolderKind, Method, PlaceKind, RunState, Severity,
    Source, State, Unit, Unproven, Verdict,
};
pub use page::Look;
pub use paths::{
    Hop, PathAsked, PathKind, PathReport, PathRest, PathRoot, PathStep, PathWay, Place,
};
pub use ps::{PsReport, PsRow};
pub use release::{
    CurvePoint, KeptBy, Memory, Predicted, ReleaseReport, Settings, StoreReport, TuneReport, Watch,
};
pub use rss::{Equality, Node, Piece, Rss, SizeClass};
pub use runtime::{GcCpu, Runtime};
pub use sql::SqlReport;
pub use target::{Container, Environment, Pressure, Setting, Target};
pub use why::{Change, CoverageReport, GraphReport, Own, SkipReport, Taken, WhyReport};

/// A report as JSON, indented, with a line feed at its end.
pub fn json<T: serde::Serialize>(report: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|json| json + "\n")
}
