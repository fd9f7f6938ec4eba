//! Measuring: what the models say about the tokens that were sampled, once and together for all who asked.

use anyhow::Result;

use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Critic, Policy};
use crate::signal::{self, Grouping, Reader, SignalConfig};
use crate::types::{
    HeadSignals, MeasuredTree, Needs, OldLogprobs, PathField, RatioStart, Signals, Step, Tree,
};

/// The models to ask and how.
pub struct Measurer<'a> {
    /// The policy as it is before the step's first update.
    pub policy: &'a Policy,
    /// The reference, where a KL penalty wants one.
    pub reference: Option<&'a Policy>,
    /// The critic, where advantages rest on one.
    pub critic: Option<&'a Critic>,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// Tokens per forward pass, common beginnings once.
    pub max_tokens: usize,
    /// How attention is read.
    pub signals: &'a SignalConfig,
    /// Asked before each pass; an error ends the work.
    pub check: &'a dyn Fn() -> Result<()>,
}

/// What one pass over the responses found, a list per response in the order of trees and leaves; empty where it did not
/// look.
#[derive(Default)]
pub struct Found {
    /// Log-probability of each response token.
    pub logprobs: Vec<Vec<f32>>,
    /// Entropy of the distribution that each response token came from, nats.
    pub entropies: Vec<Vec<f32>>,
    /// Statistics of attention, head by head.
    pub signals: Vec<HeadSignals>,
}

impl Measurer<'_> {
    /// Measures what `needs` names on every leaf of `trees`, sampled in `step`, whose ratio is to `start` there. Attention that the sampler has read of all
    /// leaves, `sampled`, is not read again. Signals are averaged over the heads that `grouping` says, which chooses among them
    /// where it is due.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub fn measure(
        &self,
        trees: Vec<Tree>,
        sampled: Vec<HeadSignals>,
        (needs, start): (Needs, RatioStart),
        step: Step,
        grouping: &mut Grouping,
    ) -> Result<Vec<MeasuredTree>> {
        let sequences = sequences(&trees);
        let read = needs.signals && sampled.len() != sequences.len();
        let stats = needs.old_logprobs || start == RatioStart::Measured;
        let mut own = self.ask(self.policy, &sequences, stats, read)?;
        if needs.signals && !read {
            own.signals = sampled;
        }
        let reference = match self.reference.filter(|_| needs.ref_logprobs) {
            Some(reference) => self.ask(reference, &sequences, true, false)?,
            None => Found::default(),
        };
        let values = match self.critic.filter(|_| needs.values) {
            Some(critic) => self.values(critic, &sequences)?,
            None => Vec::new(),
        };
        let signals = self.averaged(&trees, &own.signals, step, grouping)?;

        let mut logprobs = fields(&trees, stats, own.logprobs)?;
        let mut entropies = fields(&trees, stats, own.entropies)?;
        let mut ref_logprobs = fields(&trees, !reference.logprobs.is_empty(), reference.logprobs)?;
        let mut values = fields(&trees, !values.is_empty(), values)?;
        let mut signals = signals.into_iter();
        let measured = trees.into_iter().map(|tree| MeasuredTree {
            old_logprobs: match (start, logprobs.next()) {
                (RatioStart::Sampler, _) => OldLogprobs::Sampler,
                (_, Some(measured)) => OldLogprobs::Measured(measured),
                (_, None) => OldLogprobs::FirstPass,
            },
            tree,
            entropies: entropies.next(),
            ref_logprobs: ref_logprobs.next(),
            signals: signals.next(),
            values: values.next(),
        });
        Ok(measured.collect())
    }

    /// Log-probabilities and entropies (`stats`) and attention signals (`signals`) of every response under `model`.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub fn ask(
        &self,
        model: &Policy,
        sequences: &[Sequence<'_>],
        stats: bool,
        signals: bool,
    ) -> Result<Found> {
        let mut found = Found::default();
        if stats {
            found.logprobs = vec![Vec::new(); sequences.len()];
            found.entropies = vec![Vec::new(); sequences.len()];
        }
        if signals {
            found.signals = vec![HeadSignals { heads: Vec::new() }; sequences.len()];
        }
        if !stats && !signals {
            return Ok(found);
        }
        let layers = self.signals.layers.of(model.layout.layers.len());
        // The last token predicts nothing that is asked for, but it looks back.
        let reads = if signals { Reads::All } else { Reads::Predictors };
        for group in pack(sequences, self.max_tokens, reads) {
            (self.check)()?;
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&rows, reads, model.placement.device);
            let mut reader = Reader::new(self.signals, &layers, &rows);
            if stats {
                let hidden =
                    model.hidden(&batch.inputs, signals.then_some(&mut |tapped| reader.see(tapped)))?;
                let stats = model.head(self.temperature).stats(&batch.pick(&hidden), &batch.targets)?;
                place(&mut found.logprobs, &group, batch.by_sequence(&stats.logprobs)?);
                place(&mut found.entropies, &group, batch.by_sequence(&stats.entropies)?);
            } else {
                reader.run(model, &batch.inputs)?;
            }
            if signals {
                place(&mut found.signals, &group, reader.finish()?);
            }
        }
        Ok(found)
    }

    /// What `critic` expects before each token of every response.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub fn values(&self, critic: &Critic, sequences: &[Sequence<'_>]) -> Result<Vec<Vec<f32>>> {
        let head = critic.head();
        let mut values = vec![Vec::new(); sequences.len()];
        for group in pack(sequences, self.max_tokens, Reads::Predictors) {
            (self.check)()?;
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&rows, Reads::Predictors, critic.placement.device);
            let hidden = critic.hidden(&batch.inputs, None)?;
            place(&mut values, &group, batch.by_sequence(&head.values(&batch.pick(&hidden)))?);
        }
        Ok(values)
    }

    /// The signals of each tree, over the groups of heads; empty if nothing was read.
    fn averaged(
        &self,
        trees: &[Tree],
        responses: &[HeadSignals],
        step: Step,
        grouping: &mut Grouping,
    ) -> Result<Vec<Signals>> {
        if responses.is_empty() {
            return Ok(Vec::new());
        }
        let groups = grouping.at(step, self.signals, responses)?;
        let mut rest = responses;
        let of_tree = |tree: &Tree| {
            let (leaves, others) = rest.split_at(tree.leaves.len());
            rest = others;
            signal::average(tree, leaves, groups)
        };
        trees.iter().map(of_tree).collect()
    }
}

/// The responses of `trees`, leaf after leaf.
fn sequences<'t>(trees: &'t [Tree]) -> Vec<Sequence<'t>> {
    let of_tree = |tree: &'t Tree| {
        tree.leaves.iter().map(|leaf| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
    };
    trees.iter().flat_map(of_tree).collect()
}

/// Puts `values`, one for each of `group`, where they belong.
fn place<T>(all: &mut [T], group: &[usize], values: Vec<T>) {
    group.iter().zip(values).for_each(|(i, value)| all[*i] = value);
}

/// One field per tree out of one list per leaf; nothing if it was not `asked` for.
fn fields(
    trees: &[Tree],
    asked: bool,
    leaves: Vec<Vec<f32>>,
) -> Result<impl Iterator<Item = PathField<f32>> + use<>> {
    let mut leaves = leaves.into_iter();
    let trees = trees.iter().filter(|_| asked);
    let fields = trees.map(|tree| PathField::new(tree, leaves.by_ref().take(tree.leaves.len()).collect()));
    Ok(fields.collect::<Result<Vec<_>>>()?.into_iter())
}
