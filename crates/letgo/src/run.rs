//! `letgo run`: starts a program with a GOGC and a memory limit in its environment.
//!
//! letgo becomes the program (`execve`), so that its status, its signals and its place in the tree
//! of processes are its own.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use letgo_govern::{Actuator, Environment, Knob, Store};

use crate::cli::{RunArgs, SettingArgs};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Starts the program; returns only where that failed.
///
/// # Errors
/// A [`Complaint`].
pub fn run(args: &RunArgs, _terminal: &Terminal) -> Result<Exit> {
    let environment = environment(args.settings)?;
    let Some((program, rest)) = args.command.split_first() else {
        return Err(Complaint::usage("there is no program to start", "Give one after --").into());
    };
    let error = Command::new(program)
        .args(rest)
        .envs(&environment.variables)
        .exec();
    let exit = match error.kind() {
        ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::NotStarted,
    };
    let wrong = format!("{} cannot be started: {error}", program.to_string_lossy());
    let complaint = Complaint::no_report(wrong, "Check its path and its permissions");
    Err(Complaint { exit, ..complaint }.into())
}

fn environment(settings: SettingArgs) -> Result<Environment, Complaint> {
    if settings.gogc == Some(-1) && matches!(settings.limit, None | Some(i64::MAX)) {
        return Err(Complaint::usage(
            "GOGC=off without a memory limit would never collect",
            "Add --limit SIZE",
        ));
    }
    let gogc = settings.gogc.map(|percent| {
        let bits = i64::from(percent).cast_unsigned();
        Store::lasting(Knob::GcPercent, bits, "asked for")
    });
    let limit = settings
        .limit
        .map(|limit| Store::lasting(Knob::MemoryLimit, limit.cast_unsigned(), "asked for"));
    let mut environment = Environment::default();
    for store in limit.into_iter().chain(gogc) {
        // Both knobs are in the environment of every Go program.
        let _ = environment.store(&store);
    }
    Ok(environment)
}
