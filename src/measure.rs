//! Measuring: what the models say about the tokens that were sampled, once and together for all who asked.
//!
//! Tested against transformers in `src/tests/numerics/{parity,signals}.rs`.

use anyhow::Result;

use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Critic, Policy};
use crate::signal::{self, Grouping, Reader, SignalConfig};
use crate::types::{
    HeadSignals, MeasuredTree, Needs, OldLogprobs, PathField, RatioStart, Signals, Step, Tree,
};

/// How responses go through a model.
#[derive(Clone, Copy)]
pub(crate) struct Passes<'a> {
    /// Tokens per forward pass, common beginnings once.
    pub max_tokens: usize,
    /// Asked before each pass; an error ends the work.
    pub check: &'a dyn Fn() -> Result<()>,
}

impl Passes<'_> {
    /// Passes that nobody ends.
    #[must_use]
    pub(crate) fn new(max_tokens: usize) -> Self {
        Self { max_tokens, check: &|| Ok(()) }
    }
}

/// What a policy says about the tokens of responses, a list for each response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TokenStats {
    /// Log-probability of each response token.
    pub logprobs: Vec<Vec<f32>>,
    /// Entropy of the distribution that each response token came from, nats.
    pub entropies: Vec<Vec<f32>>,
}

/// Log-probabilities and entropies of `responses` under `policy` at `temperature`.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(crate) fn logprobs(
    policy: &Policy,
    responses: &[Sequence<'_>],
    temperature: f64,
    passes: Passes<'_>,
) -> Result<TokenStats> {
    let mut found = TokenStats::with_capacity(responses.len());
    for group in pack(responses, passes.max_tokens, Reads::Predictors) {
        (passes.check)()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| responses[*i]).collect();
        let batch = TokenBatch::new(&rows, Reads::Predictors, policy.network.placement.device);
        let hidden = policy.network.hidden(&batch.inputs, None)?;
        found.put(&group, policy.head(temperature).stats(&batch.pick(&hidden), &batch.targets)?, &batch)?;
    }
    Ok(found)
}

/// Attention of `policy` over `responses`, head by head.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(crate) fn attention(
    policy: &Policy,
    responses: &[Sequence<'_>],
    config: &SignalConfig,
    passes: Passes<'_>,
) -> Result<Vec<HeadSignals>> {
    let layers = config.layers_of(policy.network.layout.layers.len());
    let mut found = no_signals(responses.len());
    for group in pack(responses, passes.max_tokens, Reads::All) {
        (passes.check)()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| responses[*i]).collect();
        let batch = TokenBatch::new(&rows, Reads::All, policy.network.placement.device);
        let mut reader = Reader::new(config, &layers, &rows);
        reader.run(policy, &batch.inputs)?;
        put(&mut found, &group, reader.finish()?);
    }
    Ok(found)
}

/// [`logprobs`] and [`attention`] from the same passes.
///
/// # Errors
/// As of both.
pub(crate) fn logprobs_and_attention(
    policy: &Policy,
    responses: &[Sequence<'_>],
    temperature: f64,
    config: &SignalConfig,
    passes: Passes<'_>,
) -> Result<(TokenStats, Vec<HeadSignals>)> {
    let layers = config.layers_of(policy.network.layout.layers.len());
    let (mut found, mut signals) = (TokenStats::with_capacity(responses.len()), no_signals(responses.len()));
    // The last token predicts nothing that is asked for, but it looks back.
    for group in pack(responses, passes.max_tokens, Reads::All) {
        (passes.check)()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| responses[*i]).collect();
        let batch = TokenBatch::new(&rows, Reads::All, policy.network.placement.device);
        let mut reader = Reader::new(config, &layers, &rows);
        let hidden = policy.network.hidden(&batch.inputs, Some(&mut |tapped| reader.see(tapped)))?;
        found.put(&group, policy.head(temperature).stats(&batch.pick(&hidden), &batch.targets)?, &batch)?;
        put(&mut signals, &group, reader.finish()?);
    }
    Ok((found, signals))
}

/// What `critic` expects before each token of every response.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(crate) fn values(
    critic: &Critic,
    responses: &[Sequence<'_>],
    passes: Passes<'_>,
) -> Result<Vec<Vec<f32>>> {
    let head = critic.head();
    let mut values = vec![Vec::new(); responses.len()];
    for group in pack(responses, passes.max_tokens, Reads::Predictors) {
        (passes.check)()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| responses[*i]).collect();
        let batch = TokenBatch::new(&rows, Reads::Predictors, critic.network.placement.device);
        let hidden = critic.network.hidden(&batch.inputs, None)?;
        put(&mut values, &group, batch.by_sequence(&head.values(&batch.pick(&hidden)))?);
    }
    Ok(values)
}

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
}

/// Measures every leaf of `trees`, sampled in `step`. Attention that the sampler has read of all leaves, `sampled`, is not read
/// again. Signals are averaged over the heads that `grouping` says, which chooses among them where it is due.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(crate) fn measure(
    models: Models<'_>,
    measures: Measures<'_>,
    trees: Vec<Tree>,
    sampled: Vec<HeadSignals>,
    step: Step,
    grouping: &mut Grouping,
) -> Result<Vec<MeasuredTree>> {
    let Models { policy, reference, critic } = models;
    let Measures { needs, start, temperature, signals: config, passes } = measures;
    let responses = responses(&trees);
    let reads = needs.signals() && sampled.len() != responses.len();
    let stats = needs.old_logprobs;
    let (own, signals) = match (stats, reads) {
        (true, true) => logprobs_and_attention(policy, &responses, temperature, config, passes)?,
        (true, false) => (logprobs(policy, &responses, temperature, passes)?, sampled),
        (false, true) => (TokenStats::default(), attention(policy, &responses, config, passes)?),
        (false, false) => (TokenStats::default(), sampled),
    };
    let reference = reference.filter(|_| needs.ref_logprobs);
    let reference = reference.map(|model| logprobs(model, &responses, temperature, passes)).transpose()?;
    let critic = critic.filter(|_| needs.values);
    let values = critic.map(|critic| values(critic, &responses, passes)).transpose()?;
    let signals =
        if needs.signals() { averaged(&trees, &signals, step, config, grouping)? } else { Vec::new() };

    let mut old_logprobs = fields(&trees, stats.then_some(own.logprobs))?;
    let mut entropies = fields(&trees, stats.then_some(own.entropies))?;
    let mut ref_logprobs = fields(&trees, reference.map(|found| found.logprobs))?;
    let mut values = fields(&trees, values)?;
    let mut signals = signals.into_iter();
    let measured = trees.into_iter().map(|tree| MeasuredTree {
        old_logprobs: match (start, old_logprobs.next()) {
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

impl TokenStats {
    /// For `n` responses, of which nothing is known yet.
    fn with_capacity(n: usize) -> Self {
        Self { logprobs: vec![Vec::new(); n], entropies: vec![Vec::new(); n] }
    }

    /// Puts what was found of the tokens of `batch`, the responses `group`, where it belongs.
    fn put(&mut self, group: &[usize], found: crate::model::TokenStats, batch: &TokenBatch) -> Result<()> {
        put(&mut self.logprobs, group, batch.by_sequence(&found.logprobs)?);
        put(&mut self.entropies, group, batch.by_sequence(&found.entropies)?);
        Ok(())
    }
}

fn no_signals(n: usize) -> Vec<HeadSignals> {
    vec![HeadSignals { heads: Vec::new() }; n]
}

/// The signals of each tree, over the groups of heads.
fn averaged(
    trees: &[Tree],
    responses: &[HeadSignals],
    step: Step,
    config: &SignalConfig,
    grouping: &mut Grouping,
) -> Result<Vec<Signals>> {
    if responses.is_empty() {
        return Ok(Vec::new());
    }
    let groups = grouping.at(step, config, responses)?;
    let mut rest = responses;
    let of_tree = |tree: &Tree| {
        let (leaves, others) = rest.split_at(tree.leaves.len());
        rest = others;
        signal::average(tree, leaves, groups)
    };
    trees.iter().map(of_tree).collect()
}

/// The responses of `trees`, leaf after leaf.
fn responses<'t>(trees: &'t [Tree]) -> Vec<Sequence<'t>> {
    let of_tree = |tree: &'t Tree| {
        tree.leaves.iter().map(|leaf| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
    };
    trees.iter().flat_map(of_tree).collect()
}

/// Puts `values`, one for each of `group`, where they belong.
fn put<T>(all: &mut [T], group: &[usize], values: Vec<T>) {
    group.iter().zip(values).for_each(|(i, value)| all[*i] = value);
}

/// One field per tree out of one list per leaf; nothing where nothing was measured.
fn fields(
    trees: &[Tree],
    leaves: Option<Vec<Vec<f32>>>,
) -> Result<impl Iterator<Item = PathField<f32>> + use<>> {
    let asked = leaves.is_some();
    let mut leaves = leaves.unwrap_or_default().into_iter();
    let of_tree = |tree: &Tree| PathField::new(tree, leaves.by_ref().take(tree.leaves.len()).collect());
    Ok(trees.iter().filter(|_| asked).map(of_tree).collect::<Result<Vec<_>>>()?.into_iter())
}
