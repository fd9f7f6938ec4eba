//! What a run writes down: metrics, rollouts, evaluations, checkpoints, the summary.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::about::{about, describe};
use super::circuit::CircuitWatch;
use super::fork::Forked;
use super::history::{self, Event};
use super::home::Home;
use super::inputs::InputFiles;
use super::{Setup, saved_dtype};
use crate::checkpoint::{TrainState, save_model, save_model_in, write_sealed, write_together};
use crate::environment::Environment;
use crate::eval::{Evaluation, Evaluator};
use crate::files::write_whole;
use crate::interrupt::Interrupt;
use crate::model::{Network, Policy};
use crate::observe::{Console, Ending, Forecast, MetricSink, Opened, Sample, Samples, Schedule};
use crate::observe::{glossary, log, rollouts};
use crate::ranks::Ranks;
use crate::rollout::SharedEngine;
use crate::types::{MetricRow, RunId, Step, TrainedTree};

/// The open files of a run.
pub(super) struct RunWriter {
    pub home: Home,
    /// None on other ranks than the first, which alone writes.
    sinks: Vec<Box<dyn MetricSink>>,
    /// None on other ranks, too.
    samples: Option<Samples>,
    /// The rows of processes before this one.
    rows: Vec<(Step, MetricRow)>,
    /// Seconds that the last evaluation took.
    evaluation_s: Cell<Option<f64>>,
    ranks: Ranks,
    /// When this process took the run up.
    pub opened: Instant,
}

impl RunWriter {
    /// Opens the files of the run in `home`. From here on its folder is changed.
    pub(super) fn open(
        setup: &Setup,
        home: Home,
        console: &Console,
        given: Option<&str>,
        set: &[String],
    ) -> Result<Self> {
        let (opened, ranks) = (Instant::now(), setup.teams.main.clone());
        let mut this = Self {
            home,
            sinks: Vec::new(),
            samples: None,
            rows: Vec::new(),
            evaluation_s: Cell::new(None),
            ranks,
            opened,
        };
        if !this.ranks.is_first() {
            return Ok(this);
        }
        let event = this.home.event(set);
        let Home { folder, manifest, resumed_at, forked_at, last_row, .. } = &mut this.home;
        if resumed_at.is_none() {
            InputFiles::of_now(setup)?.write(folder)?;
        }
        let mut notes: Vec<String> = history::add(folder, event)?.into_iter().collect();
        folder.write_recipe(manifest, given, &setup.recipe.lasting()?.to_toml()?)?;
        log::open(&folder.log())?;
        let environment = Environment {
            run: Some(manifest.run.clone()),
            ..Environment::here(setup.placement, setup.backend())
        };
        tracing::debug!("rlcredit {}: {}", environment.rlcredit, environment.command.join(" "));
        notes.extend(environment.write(&folder.env())?);
        let about = about(setup, folder, manifest, *last_row)?;
        let Opened { sinks, samples, rows } =
            setup.recipe.observe.open(folder, &about, *forked_at, *resumed_at)?;
        (this.sinks, this.samples, this.rows) = (sinks, Some(samples), rows);
        notes.extend(this.home.abandon()?);
        describe(setup, this.home.folder.root(), &environment, &this.ranks, console);
        for note in notes {
            console.note(note);
        }
        setup.data.notes().into_iter().for_each(|note| console.warn(note));
        Ok(this)
    }

    /// When the run will be done, as far as can be told now.
    pub(super) fn forecast(&self, setup: &Setup) -> Forecast {
        let recipe = &setup.recipe;
        let circuit = recipe.circuit.as_ref().map_or(0, |circuit| circuit.every);
        let schedule = Schedule {
            steps: recipe.run.steps,
            every: [recipe.eval.every, circuit, recipe.checkpoint.every],
            max_new_tokens: recipe.sampling.max_new_tokens,
        };
        let mut forecast = Forecast::new(schedule, self.evaluation_s.get());
        self.rows.iter().for_each(|(_, row)| forecast.see(row));
        forecast
    }

    /// What is measured of heads on the way, if anything is.
    pub(super) fn circuit(&self, setup: &Setup) -> Result<Option<CircuitWatch>> {
        CircuitWatch::open(setup, self.home.folder.circuit(), self.home.goes_on_at())
    }

    /// What it was forked from, in the process that forks it.
    pub(super) fn forked(&self) -> Option<&Forked> {
        self.home.forked.as_ref()
    }

    /// Where it lies.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Which run it is.
    pub(super) fn run(&self) -> &RunId {
        &self.home.manifest.run
    }

    /// Folder of weights on their way to servers.
    pub(super) fn weights(&self) -> PathBuf {
        self.home.folder.weights()
    }

    /// Folder of the audit after `step`.
    pub(super) fn audit_folder(&self, step: Step) -> PathBuf {
        self.home.folder.audit(step)
    }

    /// Evaluates `policy` on all sets and writes the results under `eval/<moment>.json`, the responses beside it.
    pub(super) fn evaluate(
        &self,
        moment: &str,
        setup: &Setup,
        policy: &Policy,
        console: &Console,
        interrupt: &Interrupt,
    ) -> Result<Vec<Evaluation>> {
        let (begun, evaluators) = (Instant::now(), setup.evaluators());
        let total: usize = evaluators.iter().map(Evaluator::n_responses).sum();
        let phase = console.step_phase("evaluate", total as u64);
        let mut engine = SharedEngine::new(setup.engine(), self.ranks.clone());
        let mut evaluations = Vec::with_capacity(evaluators.len());
        for evaluator in &evaluators {
            let advance = &mut |n| {
                phase.advance(n as u64, "");
                interrupt.check()
            };
            let evaluation = evaluator.run(policy, &mut engine, advance)?;
            evaluations.push(evaluation);
            let Some(evaluation) = evaluations.last().filter(|_| self.ranks.is_first()) else { continue };
            write_whole(&self.home.folder.eval_items(moment, &evaluator.set.name), |mut w| {
                for item in &evaluation.items {
                    serde_json::to_writer(&mut w, item)?;
                    w.write_all(b"\n")?;
                }
                Ok(())
            })?;
        }
        phase.finish();
        self.evaluation_s.set(Some(begun.elapsed().as_secs_f64()));
        if !self.ranks.is_first() {
            return Ok(evaluations);
        }
        for Evaluation { report, items, .. } in &evaluations {
            report.copies(items).into_iter().for_each(|note| console.note(note));
        }
        let reports =
            evaluations.iter().map(|Evaluation { report, .. }| (report.set.clone(), report.to_json()));
        let reports: serde_json::Map<String, Value> = reports.collect();
        write_whole(&self.home.folder.eval(moment), |w| Ok(serde_json::to_writer_pretty(w, &reports)?))?;
        Ok(evaluations)
    }

    /// Hands a step's metrics to all sinks.
    ///
    /// # Errors
    /// If a key has two writers or no entry in the glossary, or a sink fails.
    pub(super) fn write_row(&mut self, step: Step, row: &MetricRow) -> Result<()> {
        glossary::check(row)?;
        self.sinks.iter_mut().try_for_each(|sink| sink.write(step, row))
    }

    /// Writes the responses of a step, and shows some of them, if the recipe wants it.
    pub(super) fn write_responses(
        &mut self,
        setup: &Setup,
        step: Step,
        trees: &[TrainedTree],
        console: &Console,
    ) -> Result<()> {
        let config = &setup.recipe.observe;
        if !self.ranks.is_first() {
            return Ok(());
        }
        if config.wants_rollouts(step) {
            rollouts::write(&self.home.folder.rollouts(step), step, trees)?;
        }
        let Some(sample) = Sample::of(step, trees).filter(|_| config.wants_sample(step)) else {
            return Ok(());
        };
        console.sample(&sample);
        self.samples.as_mut().map_or(Ok(()), |samples| samples.write(&sample))?;
        self.sinks.iter_mut().try_for_each(|sink| sink.sample(&sample))
    }

    /// Tells all who get rows how the run ended, and waits until they have.
    pub(super) fn end(&mut self, ending: &Ending, console: &Console) {
        self.sinks.iter_mut().for_each(|sink| sink.end(ending));
        let _phase = console.step_phase("end", 0);
        self.sinks.clear();
    }

    /// Writes the batch of an update that was refused.
    pub(super) fn dump(&self, step: Step, trees: &[TrainedTree]) -> Result<PathBuf> {
        let path = self.home.folder.refused(step);
        if !self.ranks.is_first() {
            return Ok(path);
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("could not create {}", parent.display()))?;
        }
        rollouts::write(&path, step, trees)?;
        Ok(path)
    }

    /// Keeps the policy as it is now as the reference of the KL penalty, if the recipe has one.
    pub(super) fn keep_reference(&self, setup: &Setup, policy: &Policy) -> Result<()> {
        if setup.recipe.loss.kl().is_none() {
            return Ok(());
        }
        let (network, weights) = (&policy.network, policy.network.to_first()?);
        self.ranks.first(|| {
            let weights = weights.context("the first rank has no weights")?;
            write_sealed(&self.home.folder.reference(), Some(&self.home.manifest.run), 0, |dir| {
                save_model(dir, &network.config, network.trainable(), &weights, &setup.tokenizer)
            })
        })
    }

    /// The reference that was kept, that of `policy`.
    pub(super) fn load_reference(&self, setup: &Setup, policy: &Policy) -> Result<Option<Policy>> {
        self.home.load_reference(setup, policy)
    }

    /// Which checkpoint is the newest, as a part of a sentence.
    pub(super) fn newest_checkpoint(&self) -> Result<String> {
        Ok(match self.home.store.latest()? {
            Some(latest) => format!("the newest checkpoint is {}", latest.folder.display()),
            None => String::from("there is no checkpoint yet"),
        })
    }
}

impl RunWriter {
    /// Names the checkpoint of `step`, if there is one, as the best so far.
    pub(super) fn mark_best(&self, step: Step) -> Result<()> {
        if self.ranks.is_first() { self.home.store.mark_best(step) } else { Ok(()) }
    }

    /// Writes down what happened to the run.
    pub(super) fn add_to_history(&self, event: Event) -> Result<()> {
        if self.ranks.is_first() { history::add(&self.home.folder, event).map(drop) } else { Ok(()) }
    }

    /// Keeps `policy` as it is after `step` for good, in the precision of the model that it was, without what training would go on by,
    /// unless it is kept: then it is the same, since
    /// [`Home::abandon`] leaves nothing of another course.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep_model(&self, setup: &Setup, policy: &Policy, step: Step) -> Result<()> {
        let (network, weights) = (&policy.network, policy.network.to_first()?);
        self.ranks.first(|| {
            let weights = weights.context("the first rank has no weights")?;
            // Where that model is gone by now, what is kept is as exact as it can be.
            let dtype = saved_dtype(&setup.recipe.model).unwrap_or_default();
            let (config, learnt) = (&network.config, network.trainable());
            let fill = |dir: &Path| {
                save_model_in(&dir.join("model"), config, learnt, &weights, &setup.tokenizer, dtype)
            };
            self.home.models()?.write(step, fill).map(drop)
        })
    }

    /// Writes `state`, that after `step`, as a checkpoint: the first rank all but moments, each rank its own moments. It is there once all of
    /// them are done. Gives its folder.
    ///
    /// # Errors
    /// If a rank cannot write.
    pub(super) fn checkpoint(
        &mut self,
        setup: &Setup,
        network: &Network,
        state: TrainState,
        step: Step,
    ) -> Result<PathBuf> {
        let (moments, shard) = (state.moments(), setup.recipe.parallel.shard);
        let fill = |dir: &Path| state.save(dir, network, &setup.tokenizer);
        let share = |dir: &Path| moments.save(dir, network, shard);
        let path = write_together(&self.ranks, Some(&self.home.store), step, fill, share)?;
        let Home { manifest, folder, .. } = &mut self.home;
        self.ranks.first(|| manifest.note_saved(folder, step))?;
        Ok(path)
    }
}

impl Drop for RunWriter {
    /// Whoever has not ended the run has met an error before its first step, which is told elsewhere.
    fn drop(&mut self) {
        let ending = Ending::Failed("the run failed before its first step; its run.log says how".to_owned());
        self.sinks.iter_mut().for_each(|sink| sink.end(&ending));
    }
}
