//! Verbs and exit codes: 0 done, 1 something failed, 2 bad recipe or arguments, 3 resume refused, 4 diverged, 5 a rank was lost,
//! 128 + n stopped by signal n (SIGINT 130, SIGTERM 143, SIGHUP 129, SIGQUIT 131, SIGUSR1 138, SIGUSR2 140, SIGXCPU 152) after a checkpoint.

mod audit;
mod bench;
mod check;
mod circuit;
mod compare;
mod data;
mod doctor;
mod eval;
mod examples;
mod export;
mod flags;
mod grade;
mod inspect;
mod panic;
mod plan;
mod policy;
mod recipes;
mod replay;
mod report;
mod sample;
mod scale_heads;
mod shell;
mod train;
mod verify;
mod version;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use distributed::World;

use crate::observe::log::{self, Loudness};
use crate::ranks::Elsewhere;
use crate::recipe::Problems;
use crate::run::Failure;
use crate::types::{NotFinite, masked, printable, program, shell_word};

/// Structure-aware RL post-training for language models.
#[derive(Parser)]
#[command(name = "rlcredit", version, about, arg_required_else_help = true)]
struct Arguments {
    /// Threads that compute
    ///
    /// Without it RLCREDIT_THREADS, OMP_NUM_THREADS, or as many as this process may use
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    threads: Option<usize>,
    /// Say nothing but warnings, errors and results
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say also what is for debugging
    ///
    /// RUST_LOG says it module by module
    #[arg(short, long, global = true, hide_short_help = true)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Train a policy as a recipe says
    Train(train::Train),
    /// Measure models on held-out problems
    Eval(Box<eval::Eval>),
    /// Train arms of a recipe over seeds, or compare runs that are there
    Compare(compare::Compare),
    /// Let a policy answer a prompt, or talk with it
    Sample(sample::Sample),
    /// Show what attention says about responses, and the credit of their tokens
    Inspect(Box<inspect::Inspect>),
    /// Say which credit will help a policy, before training is paid for
    Audit(audit::Audit),
    /// Find the attention heads and edges that carry an answer
    Circuit(circuit::Circuit),
    /// Write a policy as a folder that stands alone, adapters merged
    Export(export::Export),
    /// Make a step of a run once more, by its own settings and others
    Replay(replay::Replay),
    /// Show how runs went on one page for a browser: curves, responses, lengths, times, settings and history
    Report(report::Report),
    /// Judge answers against gold ones, without a model
    Grade(grade::Grade),
    /// Find everything wrong with a recipe, without loading a model
    Check(check::Check),
    /// Try a few short steps of a recipe: is it right here?
    Verify(verify::Verify),
    /// Say what a run will hold in memory and how long it takes
    Plan(Box<plan::Plan>),
    /// List the recipes that come with the program, copy one, explain a key
    Recipes(recipes::Recipes),
    /// Show problems, what can be read of them, and how a model will see them
    Data(Box<data::Data>),
    /// Time generation and training on fixed work
    Bench(bench::Bench),
    /// Say whether this machine is ready, and what to do where it is not
    Doctor(doctor::Doctor),
    /// Write what a shell completes
    Completions(shell::Completions),
    /// Write the pages for `man`
    Man(shell::Man),
}

/// The command line as it was started, flags in the order of the house and examples below the help.
pub(crate) fn command_line() -> Command {
    flags::arranged(Arguments::command(), program())
}

/// What a run says that saves before it stops.
const STOPPING: &str = "stopping, and saving what is there (again: quit without saving)";

/// Runs the verb that the command line names.
pub fn main() -> ExitCode {
    let given = command_line().try_get_matches();
    let read = given.and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = read.unwrap_or_else(|error| refuse(&error));
    let loudness = match (arguments.quiet, arguments.verbose) {
        (true, _) => Loudness::Quiet,
        (false, true) => Loudness::Verbose,
        (false, false) => Loudness::Usual,
    };
    log::begin(loudness);
    crate::model::device::prepare_process();
    if let Err(error) = crate::threads::prepare(arguments.threads) {
        complain(&format!("{error:#}"));
        return ExitCode::from(2);
    }
    let result = panic::catch(|| match arguments.verb {
        Verb::Train(verb) => verb.run(),
        Verb::Eval(verb) => verb.run(),
        Verb::Compare(verb) => verb.run(),
        Verb::Sample(verb) => verb.run(),
        Verb::Inspect(verb) => verb.run(),
        Verb::Audit(verb) => verb.run(),
        Verb::Circuit(verb) => verb.run(),
        Verb::Export(verb) => verb.run(),
        Verb::Replay(verb) => verb.run(),
        Verb::Report(verb) => verb.run(),
        Verb::Grade(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Verify(verb) => verb.run(),
        Verb::Plan(verb) => verb.run(),
        Verb::Recipes(verb) => verb.run(),
        Verb::Data(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Doctor(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
    });
    match result {
        Some(Ok(code)) => code,
        Some(Err(error)) => {
            if !is_said_elsewhere(&error) {
                complain(&format!("{}{error:#}", who()));
            }
            ExitCode::from(exit_code(&error))
        }
        None => ExitCode::FAILURE,
    }
}

/// Ends the process over arguments that do not read, or after help.
fn refuse(error: &clap::Error) -> ! {
    if error.kind() == ErrorKind::DisplayVersion {
        let said = say_drawn(version::version());
        process::exit(said.map_or(1, |()| 0));
    }
    let given: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(hint) = flags::hint(error, &given) {
        complain(&hint);
        process::exit(2);
    }
    let said = error.render().to_string();
    let shown = masked(&said);
    let shown = printable(&shown);
    if shown == said {
        error.exit();
    }
    let _ = write!(io::stderr(), "{shown}");
    process::exit(error.exit_code());
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit_code();
    }
    if let Some(elsewhere) = error.downcast_ref::<Elsewhere>() {
        return elsewhere.code;
    }
    if error.is::<Problems>() {
        2
    } else if error.is::<NotFinite>() {
        4
    } else {
        1
    }
}

/// Which rank speaks, where it is not the first of several.
fn who() -> String {
    let rank = World::from_environment().ok().flatten().map_or(0, |world| world.rank);
    if rank > 0 { format!("rank {rank}: ") } else { String::new() }
}

/// Whether another rank says it.
fn is_said_elsewhere(error: &anyhow::Error) -> bool {
    let lost = || matches!(error.downcast_ref(), Some(Failure::Lost { speaks: false, .. }));
    error.downcast_ref::<Elsewhere>().is_some_and(|elsewhere| !elsewhere.speaks) || lost()
}

/// Prints an error; where nobody can read it there is nothing left to do.
fn complain(message: &str) {
    log::keep_error(message);
    let _ = writeln!(io::stderr(), "error: {}", printable(&masked(message)));
}

/// Says something beside the result.
fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&line.to_string()));
}

/// Says which parts of given texts a tokenizer does not know, if there are any.
fn warn_of_unknown(parts: &[String]) {
    if !parts.is_empty() {
        let parts: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
        let parts = parts.join(", ");
        remark(format_args!(
            "warning: the vocabulary does not have {parts}; the model sees no more than that something unknown is there"
        ));
    }
}

/// Prints a line of the verb's result: to a terminal what it shows, to all others what it is.
fn say(line: impl Display) -> Result<()> {
    let line = line.to_string();
    if io::stdout().is_terminal() { say_drawn(printable(&line)) } else { say_drawn(line) }
}

/// Prints a line of the verb's result as it is, with what colours it. A reader that has seen enough (`| head -1`) is no error,
/// nor is a terminal that has gone away: the work goes on for what is kept of it.
fn say_drawn(line: impl Display) -> Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if !is_unread(&error, io::stdout()) => Err(error).context("could not write the result"),
        _ => Ok(()),
    }
}

/// Whether writing to `out` failed with `error` because nobody is left to read it.
fn is_unread(error: &io::Error, out: impl AsFd) -> bool {
    // Of a terminal that has gone away the kernel says what it says of a disk that fails.
    let of_device = || {
        let file = out.as_fd().try_clone_to_owned().map(File::from);
        file.and_then(|file| file.metadata()).is_ok_and(|found| found.file_type().is_char_device())
    };
    error.kind() == io::ErrorKind::BrokenPipe || (error.raw_os_error() == Some(libc::EIO) && of_device())
}

/// The command line as a shell takes it, without what is secret of addresses.
fn command() -> String {
    let arguments = std::env::args().skip(1).map(|argument| shell_word(&masked(&argument)));
    std::iter::once(String::from("rlcredit")).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Whether an argument is as it should be.
fn require(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::BadInput(message()).into()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn output_is_unread_where_its_reader_is_gone_and_nowhere_else() {
        let (device, disk) = (|| File::open("/dev/null").unwrap(), || tempfile::tempfile().unwrap());
        let is_unread = |code, out| is_unread(&io::Error::from_raw_os_error(code), out);
        assert!(is_unread(libc::EPIPE, device()) && is_unread(libc::EIO, device()));
        assert!(!is_unread(libc::EIO, disk()));
        assert!(!is_unread(libc::ENOSPC, device()) && !is_unread(libc::ENOSPC, disk()));
    }
}
