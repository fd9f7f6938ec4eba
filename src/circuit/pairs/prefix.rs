//! Pairs of two models' ways to begin an answer to the same problem (*Thinking Sparks*): as the model that is looked at begins it, and as
//! its base does.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::Pair;
use crate::model::Policy;
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig, require_finite};
use crate::types::{GenRequest, Prompt, Purpose, RunRandom, TokenId};

/// Rows decoded at once.
const ROWS: usize = 64;

/// The `n` most likely tokens that `policy` begins its answer to each of `prompts` with. What would end an answer does not.
///
/// # Errors
/// If they cannot be generated; that of `check`.
pub(crate) fn openings(
    policy: &Policy,
    prompts: &[Arc<Prompt>],
    n: usize,
    check: &dyn Fn() -> Result<()>,
) -> Result<Vec<Vec<TokenId>>> {
    let request =
        |prompt: &Arc<Prompt>| GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample: 0 };
    let requests: Vec<GenRequest> = prompts.iter().map(request).collect();
    let sampling = SamplingConfig {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        max_new_tokens: n,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: ROWS,
    };
    let generation = Generation { random: RunRandom::new(0), purpose: Purpose::Sample, step: 0, sampling };
    // No token ends a response, so that all have as many.
    let mut engine = DecodeEngine::new(Vec::new(), ROWS, 16384);
    let generated = engine.generate(policy, &requests, &generation, &mut |_| check())?;
    require_finite(&requests, &generated.completions)?;
    Ok(generated.completions.into_iter().map(|done| done.tokens).collect())
}

/// Pairs of `prompts` whose openings `own` and `base` differ, at most `most`.
///
/// # Errors
/// If there is none.
pub(crate) fn prefix(
    prompts: &[Arc<Prompt>],
    own: &[Vec<TokenId>],
    base: &[Vec<TokenId>],
    most: usize,
) -> Result<Vec<Pair>> {
    let pair = |((prompt, own), base): ((&Arc<Prompt>, &Vec<TokenId>), &Vec<TokenId>)| {
        let differs = own.iter().zip(base).any(|(a, b)| a != b);
        let behind = |opening: &[TokenId]| [&prompt.tokens, opening].concat();
        differs.then(|| Pair {
            place: format!("problem {}", prompt.id),
            clean: behind(own),
            corrupted: behind(base),
            clean_answer: None,
            corrupted_answer: None,
        })
    };
    let pairs: Vec<Pair> = prompts.iter().zip(own).zip(base).filter_map(pair).take(most).collect();
    ensure!(
        !pairs.is_empty(),
        "both models begin their answers to all {} problems alike; take longer openings (--opening-tokens), or another base",
        prompts.len()
    );
    Ok(pairs)
}
