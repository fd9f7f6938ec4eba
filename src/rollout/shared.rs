//! An engine for ranks that generate together: each answers the requests of its prompts, and all of them get all answers.
//!
//! Draws depend on coordinates alone, so who answers what changes nothing but the rounding of who computes together.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

use super::{Counts, Generated, Generation, RolloutEngine, Served};
use crate::model::Policy;
use crate::ranks::Ranks;
use crate::types::{Completion, GenRequest, HeadSignals, Progress};

/// An engine's answers, shared out.
pub(crate) struct SharedEngine<E> {
    engine: E,
    ranks: Ranks,
    /// Who answered which prompts in which step. Branches go there, where keys and values of what they share are.
    owners: (u64, HashMap<u64, usize>),
}

impl<E: RolloutEngine> SharedEngine<E> {
    /// One in which each of `ranks` has an engine such as this.
    #[must_use]
    pub(crate) fn new(engine: E, ranks: Ranks) -> Self {
        Self { engine, ranks, owners: (0, HashMap::new()) }
    }

    /// Which rank answers each request of `step`: those of one prompt the same, prompts in turn. Where there are others than the step has
    /// seen, all are dealt anew, so that a run that goes on deals as it would have.
    fn deal(&mut self, step: u64, requests: &[GenRequest]) -> Vec<usize> {
        let (of, owners) = &mut self.owners;
        if *of != step || requests.iter().any(|request| !owners.contains_key(&request.prompt.id)) {
            *of = step;
            owners.clear();
        }
        let size = self.ranks.size();
        let owner = |request: &GenRequest| {
            let next = owners.len() % size;
            *owners.entry(request.prompt.id).or_insert(next)
        };
        requests.iter().map(owner).collect()
    }
}

impl<E: RolloutEngine> RolloutEngine for SharedEngine<E> {
    /// As every engine does. Attention that was read comes for this rank's own answers; the others have none.
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        self.engine.prepare(policy, requests, &generation.sampling, finished)?;
        if self.ranks.is_alone() {
            return self.engine.generate(policy, requests, generation, finished);
        }
        let owners = self.deal(generation.step, requests);
        let is_own = |owner: usize| owner == self.ranks.rank();
        let own: Vec<GenRequest> = requests
            .iter()
            .zip(&owners)
            .filter(|(_, owner)| is_own(**owner))
            .map(|(r, _)| r.clone())
            .collect();
        let answered = match own.is_empty() {
            true => Ok(Generated::default()),
            false => self.engine.generate(policy, &own, generation, finished),
        };
        let mut signals = Vec::new();
        let answered = answered.map(|Generated { completions, signals: read, counts, served }| {
            signals = read;
            (completions, counts, served, !signals.is_empty())
        });
        type Answers = (Vec<Completion>, Counts, Option<Served>, bool);
        let all: Vec<Answers> = match self.engine.keeps_time() {
            true => self.ranks.exchange_at_leisure(answered)?,
            false => self.ranks.exchange(answered)?,
        };
        // A stop that this rank alone has heard of by now is one of all where they next ask each other.
        let _ = finished(requests.len() - own.len());
        let (mut counts, mut reads, mut served) = (Counts::default(), false, None::<Served>);
        let mut answers: Vec<_> = all
            .into_iter()
            .map(|(completions, count, of_rank, read)| {
                counts += count;
                reads |= read;
                if let Some(of_rank) = of_rank {
                    // They have published at the same time.
                    let all = served.get_or_insert_default();
                    let publish_s = all.publish_s.max(of_rank.publish_s);
                    *all += of_rank;
                    all.publish_s = publish_s;
                }
                completions.into_iter()
            })
            .collect();
        let completion =
            |owner: &usize| answers[*owner].next().context("a rank has left a request unanswered");
        let completions = owners.iter().map(completion).collect::<Result<_>>()?;
        let mut signals = signals.into_iter();
        let read = |owner: &usize| match is_own(*owner) {
            true => signals.next().context("attention of a response is missing"),
            false => Ok(HeadSignals::elsewhere()),
        };
        let signals = if reads { owners.iter().map(read).collect::<Result<_>>()? } else { Vec::new() };
        Ok(Generated { completions, signals, counts, served })
    }
}
