//! `rlcredit train RECIPE`, `rlcredit train RUN --resume`, or `rlcredit train --from RUN@STEP --name NEW`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use distributed::World;

use crate::interrupt::Interrupt;
use crate::observe::Console;
use crate::recipe::Draft;
use crate::report;
use crate::run::{Failure, Fork, Origin, Outcome, Request, Setup, has_diverged, history, keep_time, train};
use crate::run_folder::{RunAt, RunFolder};
use crate::types::{program, shell_word};

#[derive(Args)]
pub(super) struct Train {
    /// The recipe, a TOML file, or a run with --resume; - reads standard input
    ///
    /// With --resume the folder of a run may be named instead of a recipe: then the run's own recipe counts, and its name and place.
    /// With --from it may be missing, and the recipe of the parent counts
    #[arg(value_name = "RECIPE", value_parser = super::flags::input(), required_unless_present = "from")]
    recipe: Option<PathBuf>,
    /// Continue the run of that name from its newest checkpoint
    #[arg(long)]
    resume: bool,
    /// Let this key change as the run goes on
    ///
    /// With --resume: a key, or a section of keys, that shapes learning; the run's history says so. May be given again
    #[arg(long, value_name = "KEY", requires = "resume")]
    allow: Vec<String>,
    /// Fork: begin a new run from a checkpoint of another
    ///
    /// Called --name; RUN@STEP, RUN@best, or RUN for its newest
    #[arg(long, value_name = "RUN@STEP", requires = "name", conflicts_with = "resume")]
    from: Option<String>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Name of the run, instead of the recipe's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder that holds the runs [default: runs]
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Begin also where the run cannot fit into memory
    ///
    /// As far as can be told; `plan` shows what a run holds
    #[arg(long, hide_short_help = true)]
    even_if_too_large: bool,
    #[command(flatten)]
    limits: super::plan::Limits,
}

/// Where a run comes from and where it lies.
struct Place {
    recipe: PathBuf,
    /// What stands in for the text of that file.
    text: Option<String>,
    /// Instead of the recipe's name.
    name: Option<String>,
    runs: PathBuf,
    /// Whether the recipe is the one that the run itself has written down.
    own: bool,
}

impl Train {
    /// The recipe that was named, or that of the run whose folder was.
    fn place(&self) -> Result<Place> {
        let runs = || self.runs.clone().unwrap_or_else(|| PathBuf::from("runs"));
        let Some(given) = &self.recipe else {
            let parent = self.fork()?.context("expected a recipe or --from")?;
            let (recipe, text) =
                (parent.folder.resolved(), Some(parent.recipe().map_err(Failure::bad_input)?));
            return Ok(Place { recipe, text, name: self.name.clone(), runs: runs(), own: true });
        };
        if !given.is_dir() {
            return Ok(Place {
                recipe: given.clone(),
                text: None,
                name: self.name.clone(),
                runs: runs(),
                own: false,
            });
        }
        let shown = given.display();
        super::require(self.resume, || {
            format!(
                "{shown}: a folder; expected a recipe, a TOML file. The folder of a run is continued with --resume"
            )
        })?;
        super::require(self.name.is_none() && self.runs.is_none(), || {
            format!("{shown}: the folder of a run says its name and place; leave out --name and --runs")
        })?;
        // `.` and `..` have no name of their own.
        let whole = || given.canonicalize().with_context(|| shown.to_string());
        let folder = if given.file_name().is_some() { given.clone() } else { whole()? };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let runs = folder.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let run = RunFolder::open(runs, &name).map_err(Failure::resume_refused)?;
        Ok(Place { recipe: run.resolved(), text: None, name: Some(name), runs: runs.to_owned(), own: true })
    }

    /// Which checkpoint of which run it is forked from, if it is.
    fn fork(&self) -> Result<Option<Fork>> {
        let Some(from) = &self.from else { return Ok(None) };
        let at = RunAt::parse(from).map_err(Failure::bad_input)?;
        Fork::new(at.folder, at.step).context("--from").map_err(Failure::bad_input).map(Some)
    }

    pub(super) fn run(self) -> Result<ExitCode> {
        let Place { recipe, text, name, runs, own } = self.place()?;
        let fork = self.fork()?;
        let name = name.as_deref().map(name_override);
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(name).collect();
        let world = World::from_environment().map_err(|error| Failure::BadInput(error.to_string()))?;
        let speaks = world.as_ref().is_none_or(|world| world.rank == 0);
        let console = Arc::new(if speaks { Console::new() } else { Console::silent() });
        let phase = console.step_phase("set up", 0);
        let mut draft = match text {
            Some(text) => Draft::parse(&recipe.display().to_string(), &text, &overrides)?,
            None => Draft::load(&recipe, &overrides)?,
        };
        let given = (!own).then(|| draft.text().to_owned());
        let read = draft.notes();
        if self.resume {
            draft.change(|recipe| keep_time(recipe, [runs.join(&recipe.run.name)]));
        }
        let mut setup = Setup::of_draft(draft)?;
        phase.finish();
        if !self.even_if_too_large {
            super::plan::require_room(&setup, world.as_ref(), &self.limits)?;
        }
        if let Some(world) = &world {
            let _phase = console.step_phase("meet the other ranks", 0);
            setup.meet(world, super::exit_code)?;
        }
        if own {
            let outside =
                setup.recipe.reward.iter().filter_map(|entry| entry.grader.settings().reaches_out());
            outside.for_each(|what| console.note(format_args!("note: [[reward]] of the run {what}")));
            let sinks = setup.recipe.observe.sink.iter().map(|sink| sink.settings().reaches_out());
            sinks.for_each(|what| console.note(format_args!("note: [[observe.sink]] of the run {what}")));
        }
        for note in read.into_iter().chain(setup.recipe.notes()) {
            console.note(note);
        }
        let folder = runs.join(&setup.recipe.run.name);
        let (teller, begun) = (Arc::clone(&console), RunFolder::at(&folder));
        let interrupt = Interrupt::install(move |signal, at_once| {
            let how = if at_once { "stopped, there is nothing to save" } else { super::STOPPING };
            teller.note(format_args!("{signal}: {how}"));
            if at_once && begun.resolved().is_file() {
                teller.note(go_on(begun.root()));
            }
        })?;
        let origin = match (fork, self.resume) {
            (Some(fork), _) => Origin::Forked(fork),
            (None, true) => Origin::Resumed { allow: self.allow },
            (None, false) => Origin::New,
        };
        let request = Request { setup, given, sft_folder: runs.clone(), runs, origin, set: self.overrides };
        let outcome = train(request, &console, &interrupt);
        if speaks {
            report_if_over(&folder, &outcome, &console);
        }
        Ok(match outcome? {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Interrupted(signal) => {
                console.note(go_on(&folder));
                ExitCode::from(signal.exit_code())
            }
        })
    }
}

/// Writes the report of the run in `folder`, if it is over: done, or diverged, which is then in its history.
fn report_if_over(folder: &Path, outcome: &Result<Outcome>, console: &Console) {
    match outcome {
        Ok(Outcome::Done) => {}
        Err(error) if has_diverged(error) && folder.is_dir() => {
            match history::add_divergence(&RunFolder::at(folder), &format!("{error:#}")) {
                Ok(note) => note.into_iter().for_each(|note| console.note(note)),
                Err(error) => {
                    console.note(format_args!(
                        "note: its history does not say that the run diverged: {error:#}"
                    ));
                }
            }
        }
        _ => return,
    }
    console.note(report::write_at_end(folder));
}

/// How the run in `folder` goes on.
fn go_on(folder: &Path) -> String {
    format!("go on with: {} train {} --resume", program(), shell_word(&folder.display().to_string()))
}

/// The override that calls a run `name`.
pub(super) fn name_override(name: &str) -> String {
    format!("run.name={}", toml::Value::String(name.to_owned()))
}
