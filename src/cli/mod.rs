//! Verbs and exit codes: 0 done, 1 something failed, 2 bad recipe or arguments, 3 resume refused, 4 diverged,
//! 130 / 143 interrupted after a checkpoint.

mod bench;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rlcredit::recipe::Problems;
use rlcredit::run::Failure;

/// Structure-aware RL post-training for language models.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Train a policy as a recipe says
    Train(train::Train),
    /// Time generation and training on fixed work
    Bench(bench::Bench),
}

/// Runs the verb that the command line names.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    rlcredit::model::device::prepare_process();
    let result = match arguments.verb {
        Verb::Train(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(exit_code(&error))
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit_code();
    }
    if error.is::<Problems>() { 2 } else { 1 }
}
