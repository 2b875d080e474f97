//! The letgo binary as a library: one file a verb, and what the verbs share.
//!
//! [`cli`] is the command line; [`why`], [`heap`], [`diff`], [`goroutines`], [`ps`], [`release`],
//! [`tune`],
//! [`run`], [`lab`], [`doctor`], [`schema`], [`completion`] and [`man`] are the verbs. What they
//! share: [`select`] finds the process that is meant, [`inspect`] reads it, [`control`] writes to
//! it, [`terminal`] knows what can be drawn, [`frozen`] makes a frozen copy of it, [`progress`]
//! says what takes long, [`output`] writes a report and finds the exit code, [`complaint`] says
//! what is wrong and what to do, [`coming`] which verbs are still to come.
//!
//! Holds no logic that a library could: reading is in `linux`, `gobin` and `goruntime`, the sum in
//! `account`, the rules in `diagnose`, the drawing in `report`.

pub mod cli;
pub mod coming;
pub mod complaint;
pub mod completion;
pub mod control;
pub mod copy;
pub mod diff;
pub mod doctor;
pub mod exit;
pub mod facts;
pub mod frozen;
pub mod goroutines;
pub mod heap;
pub mod html;
pub mod inspect;
pub mod lab;
pub mod man;
pub mod output;
pub mod own;
pub mod progress;
pub mod ps;
pub mod release;
pub mod run;
pub mod schema;
pub mod select;
pub mod signals;
pub mod snap;
pub mod terminal;
pub mod tune;
pub mod watchdog;
pub mod why;
