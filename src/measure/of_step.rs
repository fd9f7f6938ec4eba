//! Measuring the responses of a step: each rank reads its share of the trees, and all know what came of it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Passes, TokenStats, attention, logprobs, logprobs_and_attention, values};
use crate::batch::Sequence;
use crate::model::{Critic, Policy};
use crate::ranks::Ranks;
use crate::signal::{self, Grouping, SignalConfig};
use crate::types::{
    Attention, HeadSignals, MeasuredTree, Needs, OldLogprobs, PathField, RatioStart, Signals, Step, Tree,
};

/// The models that a step may ask.
#[derive(Clone, Copy)]
pub(crate) struct Models<'a> {
    /// The policy as it is before the step's first update.
    pub policy: &'a Policy,
    /// What a KL penalty holds it to.
    pub reference: Option<&'a Policy>,
    /// What advantages rest on, where they rest on one.
    pub critic: Option<&'a Critic>,
}

/// What is to be measured of the responses of a step, and how.
#[derive(Clone, Copy)]
pub(crate) struct Measures<'a> {
    /// What the later stages want.
    pub needs: Needs,
    /// Where the ratio of the loss starts.
    pub start: RatioStart,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// How attention is read.
    pub signals: &'a SignalConfig,
    /// How the models are asked.
    pub passes: Passes<'a>,
    /// Those that measure together: each its share of the trees, or those whose attention its sampler has read.
    pub ranks: &'a Ranks,
}

/// What was read of some trees, response after response; nothing where nobody asked.
struct Read {
    own: Option<TokenStats>,
    reference: Option<TokenStats>,
    values: Option<Vec<Vec<f32>>>,
    attention: Vec<HeadSignals>,
}

/// What was measured of one tree.
#[derive(Serialize, Deserialize)]
struct Found {
    logprobs: Option<PathField<f32>>,
    entropies: Option<PathField<f32>>,
    reference: Option<PathField<f32>>,
    values: Option<PathField<f32>>,
    signals: Option<Signals>,
}

/// Measures every leaf of `trees`, sampled in `step`. `attention` that is known of all leaves is not read again. Signals are averaged
/// over the heads that `grouping` says, which chooses among them where it is due, unless they are known as averages.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(crate) fn measure(
    models: Models<'_>,
    mut measures: Measures<'_>,
    trees: Vec<Tree>,
    attention: Attention,
    step: Step,
    grouping: &mut Grouping,
) -> Result<Vec<MeasuredTree>> {
    let ranks = measures.ranks;
    let (sampled, averaged) = match attention {
        Attention::Heads(sampled) => (sampled, None),
        Attention::Averaged(signals) => {
            measures.needs = Needs { waad: false, fai: false, ..measures.needs };
            (Vec::new(), Some(signals))
        }
    };
    let mut averaged = averaged.map(Vec::into_iter);
    let places = places(&trees, &sampled, ranks);
    let own: Vec<&Tree> = places.iter().map(|place| &trees[*place]).collect();
    let sampled = sampled.into_iter().filter(|signals| !signals.is_elsewhere()).collect();
    let read = grouped(read(models, measures, &own, sampled), measures, step, grouping)?;
    let found = found(&own, read, measures, grouping);
    // Attention that was sampled tells each rank which trees are its own, but not whose the others are.
    let said = found.map(|found| places.into_iter().zip(found).collect::<Vec<(usize, Found)>>());
    let mut found: Vec<Option<Found>> = trees.iter().map(|_| None).collect();
    for (place, of_tree) in ranks.exchange(said)?.into_iter().flatten() {
        found[place] = Some(of_tree);
    }
    let measured = trees.into_iter().zip(found).map(|(tree, found)| {
        let found =
            found.with_context(|| format!("prompt {}: no rank has measured its tree", tree.prompt.id))?;
        Ok(MeasuredTree {
            old_logprobs: match (measures.start, found.logprobs) {
                (RatioStart::Sampler, _) => OldLogprobs::Sampler,
                (_, Some(measured)) => OldLogprobs::Measured(measured),
                (_, None) => OldLogprobs::FirstPass,
            },
            tree,
            entropies: found.entropies,
            ref_logprobs: found.reference,
            signals: averaged.as_mut().map_or(found.signals, Iterator::next),
            values: found.values,
        })
    });
    measured.collect()
}

/// Which trees this rank measures: those whose attention its sampler has read, where it has read any.
fn places(trees: &[Tree], sampled: &[HeadSignals], ranks: &Ranks) -> Vec<usize> {
    if sampled.is_empty() {
        let cost = |tree: &Tree| tree.prompt.tokens.len() + tree.n_sampled_tokens();
        return ranks.share(&trees.iter().map(cost).collect::<Vec<_>>()).collect();
    }
    let mut rest = sampled;
    let is_own = |tree: &Tree| {
        let (leaves, others) = rest.split_at(tree.leaves.len());
        rest = others;
        !leaves.iter().any(HeadSignals::is_elsewhere)
    };
    let own: Vec<bool> = trees.iter().map(is_own).collect();
    (0..trees.len()).filter(|place| own[*place]).collect()
}

/// Asks the models about the responses of `trees`.
fn read(
    models: Models<'_>,
    measures: Measures<'_>,
    trees: &[&Tree],
    sampled: Vec<HeadSignals>,
) -> Result<Read> {
    let Models { policy, reference, critic } = models;
    let Measures { needs, temperature, signals: config, passes, .. } = measures;
    let responses = responses(trees);
    let reads = needs.signals() && sampled.len() != responses.len();
    let (own, attention) = match (needs.old_logprobs, reads) {
        (true, true) => {
            let (own, attention) = logprobs_and_attention(policy, &responses, temperature, config, passes)?;
            (Some(own), attention)
        }
        (true, false) => (Some(logprobs(policy, &responses, temperature, passes)?), sampled),
        (false, true) => (None, attention(policy, &responses, config, passes)?),
        (false, false) => (None, sampled),
    };
    let reference = reference.filter(|_| needs.ref_logprobs);
    let reference = reference.map(|model| logprobs(model, &responses, temperature, passes)).transpose()?;
    let critic = critic.filter(|_| needs.values);
    let values = critic.map(|critic| values(critic, &responses, passes)).transpose()?;
    Ok(Read { own, reference, values, attention })
}

/// `read`, and the groups of heads in force for `step`, where signals are wanted: by the spans of all responses, whoever has read
/// them.
fn grouped(
    read: Result<Read>,
    Measures { needs, signals: config, ranks, .. }: Measures<'_>,
    step: Step,
    grouping: &mut Grouping,
) -> Result<Read> {
    if !needs.signals() || !grouping.is_due(step, config) {
        return ranks.all_well(read);
    }
    let read = ranks.all_well(read)?;
    let spans = match ranks.is_alone() {
        true => None,
        false => {
            let own: Vec<HeadSignals> = read.attention.iter().map(HeadSignals::spans).collect();
            Some(ranks.exchange(Ok(own))?.concat())
        }
    };
    let spans = spans.as_ref().unwrap_or(&read.attention);
    if !spans.is_empty() {
        grouping.choose(config, spans)?;
    }
    Ok(read)
}

/// What was read of `trees`, tree by tree.
fn found(trees: &[&Tree], read: Read, measures: Measures<'_>, grouping: &Grouping) -> Result<Vec<Found>> {
    let Read { own, reference, values, attention } = read;
    let (own, entropies) = own.map(|own| (own.logprobs, own.entropies)).unzip();
    let mut lists =
        [own, entropies, reference.map(|found| found.logprobs), values].map(|list| list.map(Vec::into_iter));
    let mut rest = &attention[..];
    let of_tree = |tree: &&Tree| {
        let n = tree.leaves.len();
        let mut fields = lists.each_mut().into_iter().map(|list| {
            list.as_mut().map(|list| PathField::new(tree, list.by_ref().take(n).collect())).transpose()
        });
        let mut field = || fields.next().unwrap_or(Ok(None));
        let (logprobs, entropies, reference, values) = (field()?, field()?, field()?, field()?);
        let groups = grouping.groups().filter(|_| measures.needs.signals());
        let signals = groups.map(|groups| {
            let (leaves, others) = rest.split_at(n);
            rest = others;
            signal::average(tree, leaves, groups)
        });
        Ok(Found { logprobs, entropies, reference, values, signals: signals.transpose()? })
    };
    trees.iter().map(of_tree).collect()
}

/// The responses of `trees`, leaf after leaf.
fn responses<'t>(trees: &[&'t Tree]) -> Vec<Sequence<'t>> {
    let of_tree = |tree: &&'t Tree| {
        let tree = *tree;
        tree.leaves.iter().map(|leaf| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
    };
    trees.iter().flat_map(of_tree).collect()
}
