//! The command: reads its arguments, runs a verb, says what went wrong.

use std::process::ExitCode;

use clap::Parser;
use letgo::cli::{Cli, Verb};
use letgo::complaint;
use letgo::exit::Exit;
use letgo::terminal::Terminal;
use letgo::{completion, doctor, lab, man, ps, release, run, schema, tune, watchdog, why};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::detect(cli.global.color, cli.global.quiet);
    let result = match &cli.verb {
        Verb::Why(args) => why::run(args, &terminal),
        Verb::Ps(args) => ps::run(args, &terminal),
        Verb::Release(args) => release::run(args, &terminal),
        Verb::Tune(args) => tune::run(args, &terminal),
        Verb::Run(args) => run::run(args, &terminal),
        Verb::Watchdog(args) => watchdog::run(args),
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
