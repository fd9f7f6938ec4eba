//! How a policy learns from its responses: advantages, credit, the update.

use super::super::{Recipe, rules::Rules};
use crate::credit::advantage::AdvantageConfig;

pub(super) fn advantage(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { run, advantage, critic, importance_sampling, .. } = recipe;
    rules.of_section("advantage", advantage.build().rules());
    let gae = matches!(advantage, AdvantageConfig::Gae(_));
    rules.broken_if(gae && critic.is_none(), &["advantage.type", "critic"], || {
        "[advantage] `type` = \"gae\" needs a critic: add a section [critic] with optim = { lr = ... }".into()
    });
    rules.broken_if(!gae && critic.is_some(), &["critic", "advantage.type"], || {
        "[critic] has no effect without [advantage] `type` = \"gae\"; leave it out, or choose that".into()
    });
    if let Some(critic) = critic {
        rules.not_negative("critic.clip", critic.clip);
        rules.of_section("critic.optim", critic.optim.rules());
        rules.broken_if(critic.warmup_steps >= run.steps, &["critic.warmup_steps", "run.steps"], || {
            format!(
                "[critic] `warmup_steps`: got {}, expected below [run] `steps` = {}, or the policy never learns",
                critic.warmup_steps, run.steps
            )
        });
    }
    if let Some(importance) = importance_sampling {
        rules.of_section("importance_sampling", importance.rules());
    }
}

pub(super) fn credit(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { credit, signals, sampling, .. } = recipe;
    for (index, strategy) in credit.iter().enumerate() {
        rules.of_section(&format!("credit.{index}"), strategy.rules());
    }
    rules.of_part("signals", signals.problems());
    let [near, _] = signals.horizon;
    rules.broken_if(
        near >= sampling.max_new_tokens && credit.iter().any(|entry| entry.needs().fai),
        &["signals.horizon", "sampling.max_new_tokens"],
        || {
            format!(
                "[signals] `horizon`: got {:?}, expected its nearer end below [sampling] `max_new_tokens` = {}, or no token \
                 has a future attention influence",
                signals.horizon, sampling.max_new_tokens
            )
        },
    );
}

pub(super) fn update(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { loss, optim, batch, sampling, .. } = recipe;
    rules.of_section("loss", loss.rules());
    rules.of_section("optim", optim.rules());

    rules.positive("batch.prompts", batch.prompts as u64);
    rules.positive("batch.minibatches", batch.minibatches as u64);
    rules.positive("batch.epochs", batch.epochs as u64);
    rules.broken_if(
        batch.prompts > 0 && batch.minibatches > 0 && !batch.prompts.is_multiple_of(batch.minibatches),
        &["batch.minibatches", "batch.prompts"],
        || {
            let [below, above] = divisors_around(batch.prompts, batch.minibatches);
            format!(
                "[batch] `minibatches`: got {}, expected a divisor of `prompts` = {}, such as {below} or {above}",
                batch.minibatches, batch.prompts
            )
        },
    );
    rules.broken_if(batch.max_tokens <= sampling.max_new_tokens, &["batch.max_tokens", "sampling.max_new_tokens"], || {
        format!(
            "[batch] `max_tokens`: got {}, expected at least {}: [sampling] `max_new_tokens` = {} and a prompt",
            batch.max_tokens,
            sampling.max_new_tokens.saturating_add(1),
            sampling.max_new_tokens
        )
    });
}

/// A divisor of `n` below `near` and one above, the nearest where a short search finds them. Where `near` is above `n`,
/// both are at most `n`.
fn divisors_around(n: usize, near: usize) -> [usize; 2] {
    const REACH: usize = 10_000;
    let divides = |d: &usize| n.is_multiple_of(*d);
    let below = (1..near.min(n)).rev().take(REACH).find(divides).unwrap_or(1);
    [below, (near..n).take(REACH).find(divides).unwrap_or(n)]
}
