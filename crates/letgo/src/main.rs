//! The command: reads its arguments, runs a verb, says what went wrong.

use std::process::ExitCode;

use clap::Parser;
use letgo::cli::{Cli, Verb};
use letgo::exit::Exit;
use letgo::terminal::{Color, Terminal};
use letgo::{coming, complaint, copy};
use letgo::{
    completion, diff, doctor, goroutines, heap, lab, man, ps, release, run, schema, snap, tune,
    watchdog, why,
};
use letgo_linux::LargeInHugePages;

/// A graph of millions of objects is a few dozen large lists.
#[global_allocator]
static MEMORY: LargeInHugePages = LargeInHugePages;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match coming::complaint(&error) {
            Some(complaint) => {
                let terminal = Terminal::detect(Color::Auto, true);
                eprint!("{}", complaint::told(&complaint.into(), &terminal));
                return Exit::Usage.into();
            }
            None => error.exit(),
        },
    };
    let terminal = Terminal::detect(cli.global.color, cli.global.quiet);
    let result = match &cli.verb {
        Verb::Why(args) => why::run(args, &terminal),
        Verb::Heap(args) => heap::run(args, &terminal),
        Verb::Diff(args) => diff::run(args, &terminal),
        Verb::Goroutines(args) => goroutines::run(args, &terminal),
        Verb::Snap(args) => snap::run(args, &terminal),
        Verb::Ps(args) => ps::run(args, &terminal),
        Verb::Release(args) => release::run(args, &terminal),
        Verb::Tune(args) => tune::run(args, &terminal),
        Verb::Run(args) => run::run(args, &terminal),
        Verb::Watchdog(args) => watchdog::run(args),
        Verb::Copy(args) => copy::run(args),
        Verb::Lab(args) => lab::run(args, cli.global.quiet, &terminal),
        Verb::Doctor(args) => doctor::run(args, &terminal),
        Verb::Schema(args) => schema::run(args, &terminal),
        Verb::Completion(args) => completion::run(args, &terminal),
        Verb::Man(args) => man::run(args, &terminal),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprint!("{}", complaint::told(&error, &terminal));
            Exit::of(&error).into()
        }
    }
}
