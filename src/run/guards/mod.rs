//! What watches a run: each guard looks at every step, says what a person should know, and ends the run where going on does
//! harm.

mod agreement;
mod finite;
mod no_signal;
mod processors;
mod soundness;

use anyhow::{Error, Result};

pub(super) use self::agreement::Agreement;
pub(super) use self::finite::Finite;
pub(super) use self::no_signal::NoSignal;
pub(super) use self::processors::Processors;
pub(super) use self::soundness::Soundness;
use super::writer::RunWriter;
use super::{Failure, Setup};
use crate::model::Policy;
use crate::step::StepRecord;
use crate::types::{MetricRow, NotFinite};

/// A step as a guard sees it, and the run around it.
pub(super) struct Watched<'a> {
    pub setup: &'a Setup,
    pub writer: &'a RunWriter,
    pub policy: &'a Policy,
    pub record: &'a StepRecord,
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
}

/// All of them.
#[derive(Default)]
pub(super) struct Guards {
    pub agreement: Agreement,
    pub finite: Finite,
    pub no_signal: NoSignal,
    pub processors: Processors,
    pub soundness: Soundness,
}

impl Guards {
    /// Lets each look at the step, in order; gives what a person should be told.
    ///
    /// # Errors
    /// The first error of a guard.
    pub(super) fn after_step(&mut self, step: &Watched<'_>) -> Result<Vec<String>> {
        let said = self.all().into_iter().map(|guard| guard.after_step(step));
        Ok(said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// All that speaks against saving `policy`.
    ///
    /// # Errors
    /// If the policy cannot be asked.
    pub(super) fn before_saving(&mut self, setup: &Setup, policy: &Policy) -> Result<Vec<Objection>> {
        let said = self.all().into_iter().map(|guard| guard.before_saving(setup, policy));
        Ok(said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// What they know that a run goes on with: how many updates in a row were refused.
    pub(super) fn refused_in_a_row(&self) -> u32 {
        self.finite.refused_in_a_row
    }

    /// Goes on from what [`Guards::refused_in_a_row`] said.
    pub(super) fn restore(&mut self, refused_in_a_row: u32) {
        self.finite.refused_in_a_row = refused_in_a_row;
    }

    fn all(&mut self) -> [&mut dyn Guard; 5] {
        let Self { agreement, finite, no_signal, processors, soundness } = self;
        [agreement, finite, no_signal, processors, soundness]
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
