//! What a call must keep to, and what ends its responses.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::model::Policy;
use crate::rollout::SamplingConfig;
use crate::text::{Stops, Tokenizer};
use crate::types::{GenRequest, counted};

/// The strings of `sampling` that end a response, in texts of `tokenizer`.
///
/// # Errors
/// If there are some, and no tokenizer.
pub(in crate::rollout) fn stops(
    tokenizer: Option<&Arc<Tokenizer>>,
    sampling: &SamplingConfig,
) -> Result<Option<Stops>> {
    if sampling.stop.is_empty() {
        return Ok(None);
    }
    let tokenizer = tokenizer.context("strings end responses, and there is no tokenizer to find them by")?;
    Ok(Stops::new(&sampling.stop, tokenizer))
}

/// That every response fits the model.
pub(in crate::rollout) fn check_lengths(
    policy: &Policy,
    requests: &[GenRequest],
    sampling: &SamplingConfig,
) -> Result<()> {
    for request in requests {
        let prompt = &request.prompt;
        ensure!(
            request.prefix.len() < sampling.max_new_tokens,
            "prompt {}, sample {}: a prefix of {} leaves no room below max_new_tokens = {}",
            prompt.id,
            request.sample,
            counted(request.prefix.len(), "token"),
            sampling.max_new_tokens
        );
        let longest = prompt.tokens.len().saturating_add(sampling.max_new_tokens);
        ensure!(
            i64::try_from(longest)
                .is_ok_and(|longest| longest <= policy.network.config.max_position_embeddings),
            "prompt {}: {} prompt tokens and max_new_tokens = {} need {longest} positions, the model has {}; lower \
             [sampling] max_new_tokens or drop long prompts",
            prompt.id,
            prompt.tokens.len(),
            sampling.max_new_tokens,
            policy.network.config.max_position_embeddings
        );
    }
    Ok(())
}
