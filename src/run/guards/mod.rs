//! What watches a run: each guard looks at every step, says what a person should know, and ends the run where going on does
//! harm.

mod agreement;
mod collapse;
mod cut_off;
mod few_signals;
mod finite;
mod no_signal;
mod processors;
mod servers;
mod silence;
mod soundness;
mod streak;

use anyhow::{Error, Result};

use self::agreement::Agreement;
use self::collapse::Collapse;
use self::cut_off::CutOff;
use self::few_signals::FewSignals;
use self::finite::Finite;
use self::no_signal::NoSignal;
use self::processors::Processors;
use self::servers::Servers;
use self::silence::Silence;
use self::soundness::Soundness;
use super::writer::RunWriter;
use super::{Failure, Setup};
use crate::model::Policy;
use crate::step::StepRecord;
use crate::types::{MetricRow, NotFinite};

/// A step as a guard sees it, and the run around it.
pub(super) struct Watched<'a> {
    /// What the run is made from.
    pub setup: &'a Setup,
    /// Where it writes.
    pub writer: &'a RunWriter,
    /// The policy behind the step.
    pub policy: &'a Policy,
    /// The step.
    pub record: &'a StepRecord,
    /// Its metrics.
    pub row: &'a MetricRow,
}

/// What speaks against saving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// Nothing is known to be wrong, but the next steps will tell.
    NotNow,
    /// The policy is broken: why.
    Never(String),
}

/// Watches one thing.
pub(super) trait Guard {
    /// Looks at a step behind its update, before anything of it is kept. What it gives, a person is told.
    ///
    /// # Errors
    /// A [`Failure`] that ends the run.
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let _ = step;
        Ok(None)
    }

    /// What speaks against saving the policy now.
    ///
    /// # Errors
    /// If the policy cannot be asked.
    fn before_saving(&self, setup: &Setup, policy: &Policy) -> Result<Option<Objection>> {
        let _ = (setup, policy);
        Ok(None)
    }

    /// What a run goes on with: how many updates in a row, up to the last, it saw refused.
    fn refused_in_a_row(&self) -> u32 {
        0
    }
}

/// All of them, in the order in which they look.
pub(super) struct Guards(Vec<Box<dyn Guard>>);

impl Guards {
    /// Those of a run whose last `refused_in_a_row` updates were refused.
    #[must_use]
    pub(super) fn new(refused_in_a_row: u32) -> Self {
        Self(vec![
            Box::new(Agreement),
            Box::new(Finite { refused_in_a_row }),
            Box::new(NoSignal::default()),
            Box::new(FewSignals::default()),
            Box::new(Silence::default()),
            Box::new(CutOff::default()),
            Box::new(Collapse::default()),
            Box::new(Processors::default()),
            Box::new(Servers),
            Box::new(Soundness),
        ])
    }

    /// Lets each look at the step, in order; gives what a person should be told.
    ///
    /// # Errors
    /// The first error of a guard.
    pub(super) fn after_step(&mut self, step: &Watched<'_>) -> Result<Vec<String>> {
        let said = self.0.iter_mut().map(|guard| guard.after_step(step));
        Ok(said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// All that speaks against saving `policy`.
    ///
    /// # Errors
    /// If the policy cannot be asked.
    pub(super) fn before_saving(&self, setup: &Setup, policy: &Policy) -> Result<Vec<Objection>> {
        let said = self.0.iter().map(|guard| guard.before_saving(setup, policy));
        Ok(said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// See [`Guard::refused_in_a_row`].
    #[must_use]
    pub(super) fn refused_in_a_row(&self) -> u32 {
        self.0.iter().map(|guard| guard.refused_in_a_row()).max().unwrap_or(0)
    }
}

/// What to change where updates lead astray.
pub(super) fn smaller_updates(setup: &Setup) -> String {
    let optim = &setup.recipe.optim;
    format!("lower [optim] lr = {} or [optim] max_grad_norm = {}", optim.lr, optim.max_grad_norm)
}

/// The end of a run whose evaluation met a distribution that is not finite; other errors stay what they are.
pub(super) fn diverged(when: &str, error: Error, remedy: &str) -> Error {
    match error.downcast_ref::<NotFinite>() {
        Some(what) => Failure::Diverged(format!("evaluation {when}: {what}; {remedy}")).into(),
        None => error,
    }
}
