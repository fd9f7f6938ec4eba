//! `rlcredit plan RECIPE`: what a run will hold and how long a step will take, before it is launched.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use distributed::World;
use tch::{Device, Kind};

use crate::bench::{BenchConfig, bench};
use crate::credit::strategy::CreditConfig;
use crate::model::{Dtype, ModelConfig, Placement, matmul_peak};
use crate::plan::{self, Gpu, Room, Speed, Subject, advice, remedies, times};
use crate::ranks::Shard;
use crate::recipe::{Draft, Recipe};
use crate::run::{Failure, Setup};
use crate::types::{counted, program};

/// Ranks that a machine usually has.
const USUAL: usize = 8;

#[derive(Args)]
pub(super) struct Plan {
    /// The recipe, a TOML file; - reads standard input
    #[arg(value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: PathBuf,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Ranks that train together [default: the launcher's, or 1]
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// Ranks on a machine, which share its main memory
    ///
    /// Without it all of them, up to 8
    #[arg(long, value_name = "N")]
    local_ranks: Option<usize>,
    /// Plan for this GPU instead of this machine
    ///
    /// b200, h200, h100, a100, a100-40gb, l40s, a10, l4 or rtx4090
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,
    #[command(flatten)]
    limits: Limits,
    /// Folder with config.json, of a model that is not here
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Time some short steps of this model on this machine
    ///
    /// Instead of reckoning with shares of the machine's fastest product
    #[arg(long)]
    calibrate: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// How much memory there is.
#[derive(Args)]
pub(super) struct Limits {
    /// Memory that may be taken, in GB [default: all of it]
    ///
    /// Of each GPU, or of this machine where the run computes on its processor
    #[arg(long, value_name = "GB", hide_short_help = true)]
    memory: Option<f64>,
    /// Memory of each GPU that an inference server takes, in GB
    #[arg(long, value_name = "GB", hide_short_help = true)]
    server_memory: Option<f64>,
}

impl Limits {
    fn check(&self) -> Result<()> {
        for (argument, value) in [("--memory", self.memory), ("--server-memory", self.server_memory)] {
            let is_size = value.is_none_or(|gb| gb.is_finite() && gb > 0.0);
            super::require(is_size, || format!("{argument}: got {value:?}, expected GB above 0"))?;
        }
        Ok(())
    }

    fn room(&self, subject: &Subject) -> (Room, Option<String>) {
        let (on_gpu, local) = (subject.is_cuda(), subject.local_ranks);
        match self.memory {
            Some(gb) => (Room::named(gb * 1e9, on_gpu, local), None),
            None => Room::here(on_gpu, local),
        }
    }
}

/// Refuses the run `setup` of as many ranks as `world` has where it cannot fit into memory.
///
/// # Errors
/// A [`Failure`] that says what is too large, and what would make it smaller.
pub(super) fn require_room(setup: &Setup, world: Option<&World>, limits: &Limits) -> Result<()> {
    limits.check()?;
    let (ranks, local_ranks) = world.map_or((1, 1), |world| (world.size, world.local_size));
    let mut subject = of_setup(setup, ranks, local_ranks);
    subject.server = limits.server_memory.unwrap_or(0.0) * 1e9;
    let (room, _) = limits.room(&subject);
    let plan = plan::Plan::new(&subject)?;
    if plan.fits(&room) {
        return Ok(());
    }
    let (found, fits) = remedies(&subject, &room)?;
    let lines: Vec<String> = std::iter::once(plan.verdict(&room)).chain(advice(&found, fits)).collect();
    Err(Failure::BadInput(format!(
        "the run {}\n  {} plan shows all of it; --even-if-too-large trains nevertheless",
        lines.join("\n  "),
        program()
    ))
    .into())
}

/// The run `setup` of so many ranks.
pub(super) fn of_setup(setup: &Setup, ranks: usize, local_ranks: usize) -> Subject {
    let longest = setup.data.placed().map(|(prompt, _)| prompt.tokens.len()).max();
    Subject {
        recipe: setup.recipe.clone(),
        model: setup.model.clone(),
        placement: setup.placement,
        longest_prompt: longest,
        n_eval: Some(setup.data.n_eval()),
        ranks,
        local_ranks,
        server: 0.0,
    }
}

/// Of a recipe whose model or problems are not all here, its shape.
fn of_recipe(recipe: Recipe, model: ModelConfig, placement: Placement) -> Subject {
    Subject {
        recipe,
        model,
        placement,
        longest_prompt: None,
        n_eval: None,
        ranks: 1,
        local_ranks: 1,
        server: 0.0,
    }
}

/// How fast this machine computes `subject`, where that can be told in a moment.
///
/// # Errors
/// If it cannot be computed at all.
pub(super) fn here(subject: &Subject) -> Result<Option<Speed>> {
    if subject.is_cuda() {
        let (_, driver) = Room::here(true, 1);
        return Ok(driver.as_deref().and_then(Gpu::by_driver).map(Speed::of_gpu));
    }
    let peak = matmul_peak(subject.backend(), subject.placement)?;
    // Ranks of a machine share its cores.
    Ok(Some(Speed::of_processor(peak / subject.local_ranks as f64)))
}

/// Where a GPU is named, that; whatever this machine has.
fn placement(recipe: &Recipe, gpu: Option<&Gpu>) -> Result<Placement> {
    if gpu.is_none() {
        return Placement::from_settings(&recipe.model);
    }
    let kind = if recipe.model.dtype == Dtype::F32 { Kind::Float } else { Kind::BFloat16 };
    Ok(Placement { device: Device::Cuda(0), kind, backend: recipe.model.backend })
}

/// The shape of a model that is not here: as the program knows it.
fn known(recipe: &Recipe) -> Result<Option<ModelConfig>> {
    match (&recipe.model.hub, &recipe.model.path) {
        (Some(hub), _) => plan::known(hub),
        (None, Some(path)) => plan::known_by_folder(path),
        (None, None) => Ok(None),
    }
}

impl Plan {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.limits.check()?;
        let gpu: Option<Gpu> =
            self.gpu.as_deref().map(str::parse).transpose().context("--gpu").map_err(Failure::bad_input)?;
        for (argument, value) in [("--ranks", self.ranks), ("--local-ranks", self.local_ranks)] {
            super::require(value.is_none_or(|n| n > 0), || {
                format!("{argument}: got 0, expected at least 1")
            })?;
        }
        super::require(!(self.calibrate && gpu.is_some()), || {
            "--calibrate times this machine, --gpu plans for another; leave one of them out".to_owned()
        })?;
        let (mut subject, setup, note) = self.subject(gpu.as_ref())?;
        let world = World::from_environment().map_err(|error| Failure::BadInput(error.to_string()))?;
        subject.ranks = self.ranks.or(world.as_ref().map(|world| world.size)).unwrap_or(1);
        let local = self.local_ranks.or(world.as_ref().map(|world| world.local_size));
        subject.local_ranks = local.unwrap_or(subject.ranks.min(USUAL)).min(subject.ranks);
        subject.server = self.limits.server_memory.unwrap_or(0.0) * 1e9;
        let (room, driver) = match (&gpu, self.limits.memory) {
            (Some(gpu), None) => (Room::of_gpu(gpu), None),
            _ => self.limits.room(&subject),
        };
        let gpu = gpu.or_else(|| Gpu::by_driver(driver.as_deref()?).copied());
        let speed = self.speed(&subject, gpu.as_ref(), setup.as_ref())?;
        self.show(&subject, &room, speed.as_ref(), note)
    }

    /// What is planned; the run as it is set up where all of it is here, and else what is taken in its place.
    fn subject(&self, gpu: Option<&Gpu>) -> Result<(Subject, Option<Setup>, Option<String>)> {
        let load = || Draft::load(&self.recipe, &self.overrides);
        if let Some(folder) = &self.config {
            let recipe = load()?.finish()?;
            let model = ModelConfig::from_folder(folder).map_err(Failure::bad_input)?;
            let placement = placement(&recipe, gpu)?;
            return Ok((of_recipe(recipe, model, placement), None, None));
        }
        match Setup::of_draft(load()?) {
            Ok(setup) => {
                let mut subject = of_setup(&setup, 1, 1);
                subject.placement = placement(&setup.recipe, gpu)?;
                Ok((subject, Some(setup), None))
            }
            Err(error) => {
                let recipe = load()?.finish()?;
                let Some(model) = known(&recipe)? else {
                    return Err(error.context(
                        "the model's shape is not known; --config names a folder with its config.json",
                    ));
                };
                let placement = placement(&recipe, gpu).map_err(Failure::bad_input)?;
                let said = format!("{error:#}");
                let first = said.lines().next().unwrap_or_default();
                let note = format!(
                    "planned from the recipe and the model's published shape, since not all is here: {first}"
                );
                Ok((of_recipe(recipe, model, placement), None, Some(note)))
            }
        }
    }

    /// How fast a rank computes, where that is known.
    fn speed(&self, subject: &Subject, gpu: Option<&Gpu>, setup: Option<&Setup>) -> Result<Option<Speed>> {
        if self.calibrate {
            let source =
                setup.and_then(|setup| setup.source.as_ref()).filter(|source| source.adapter.is_none());
            let recipe = &subject.recipe;
            let report = bench(&BenchConfig {
                model: source.map(|source| source.folder.clone()),
                prompts: 2,
                prompt_file: None,
                group: 4,
                new_tokens: subject.recipe.sampling.max_new_tokens.min(64),
                steps: 2,
                max_tokens: recipe.batch.max_tokens,
                gradient_checkpointing: false,
                credit: CreditConfig::named("uniform")?,
                dtype: recipe.model.dtype,
                device: recipe.model.device,
                backend: recipe.model.backend,
            })
            .map_err(Failure::bad_input)?;
            return Ok(Some(Speed {
                peak: 1e9 * report.matmul_peak_gflops,
                bandwidth: None,
                generate: report.generate_share_of_peak,
                train: report.train_share_of_peak,
            }));
        }
        if let Some(gpu) = gpu {
            return Ok(Some(Speed::of_gpu(gpu)));
        }
        here(subject)
    }

    fn show(
        &self,
        subject: &Subject,
        room: &Room,
        speed: Option<&Speed>,
        note: Option<String>,
    ) -> Result<ExitCode> {
        let plan = plan::Plan::new(subject)?;
        let fits = plan.fits(room);
        let times = speed.map(|speed| times(subject, speed));
        let (found, mended) = if fits { (Vec::new(), true) } else { remedies(subject, room)? };
        if self.json {
            let report = serde_json::json!({
                "recipe": subject.recipe.run.name,
                "n_params": subject.n_params(),
                "plan": plan,
                "peak_bytes": plan.peak(),
                "usable_bytes": room.usable(),
                "fits": fits,
                "remedies": found,
                "fits_then": mended,
                "seconds": times,
                "note": note,
            });
            super::say(report)?;
        } else {
            if let Some(note) = note {
                super::say(format_args!("note: {note}"))?;
            }
            let on = if subject.is_cuda() { "a GPU" } else { "the CPU" };
            super::say(format_args!(
                "{}: {:.1} M parameters, {} on {on}, backend {}, {}{}",
                subject.recipe.run.name,
                subject.n_params() as f64 / 1e6,
                subject.placement.dtype(),
                subject.backend(),
                counted(subject.ranks, "rank"),
                match (subject.ranks, subject.recipe.parallel.shard) {
                    (1, _) => "",
                    (_, Shard::None) => " that share nothing",
                    (_, Shard::Optimizer) => " that share masters and moments",
                    (_, Shard::Gradients) => " that share masters, moments and gradients",
                },
            ))?;
            super::say_drawn(plan.table())?;
            super::say(plan.verdict(room))?;
            for line in advice(&found, mended) {
                super::say(format_args!("  {line}"))?;
            }
            if let Some(times) = times {
                super::say(format_args!("estimated: {}", times.said(subject.recipe.run.steps)))?;
            }
        }
        Ok(if fits { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}
