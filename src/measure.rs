//! Measuring: what the models say about the tokens that were sampled, once and together for all who asked.
//!
//! Tested against transformers in `src/tests/numerics/{parity,signals}.rs`.

mod of_step;

use anyhow::Result;

pub(crate) use of_step::{Measures, Models, measure};

use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Critic, Policy};
use crate::signal::{Reader, SignalConfig};
use crate::types::HeadSignals;

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

/// Puts `values`, one for each of `group`, where they belong.
fn put<T>(all: &mut [T], group: &[usize], values: Vec<T>) {
    group.iter().zip(values).for_each(|(i, value)| all[*i] = value);
}
