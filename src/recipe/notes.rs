//! What makes sense in a recipe, but may not be meant.

use super::Recipe;
use crate::{
    loss::{KlConfig, KlPlace},
    rollout::explore::ExploreConfig,
    types::KlEstimator,
};

/// What a person should know of a recipe that works all the same.
pub(super) fn notes(recipe: &Recipe) -> Vec<String> {
    let mut notes = Vec::new();
    let sampling = &recipe.sampling;
    if sampling.top_p < 1.0 || sampling.top_k > 0 {
        notes.push(
            "[sampling] `top_p` or `top_k` cuts the distribution that responses come from, the learner scores them under \
             the whole one: expect mismatch/* above 0 and a biased gradient"
                .to_owned(),
        );
    }
    if sampling.min_new_tokens > 0 {
        notes.push(
            "[sampling] `min_new_tokens` keeps end tokens from being drawn at first, the learner scores responses under the whole \
             distribution: expect mismatch/* above 0 where the policy would end early"
                .to_owned(),
        );
    }
    if recipe.model.scratch.is_some() && recipe.sft.is_none() {
        notes.push(
            "[model] `scratch` without [sft] starts from random weights: rewards may stay at 0 and teach nothing".to_owned(),
        );
    }
    let warmup = recipe.optim.warmup_steps;
    if warmup > recipe.run.steps {
        notes.push(format!(
            "[optim] `warmup_steps` = {warmup} is more than [run] `steps` = {}: the learning rate never reaches `lr`",
            recipe.run.steps
        ));
    }
    if recipe.loss.kl.is_some_and(|kl| kl.coef == 0.0) {
        notes.push(
            "[loss.kl] `coef` = 0 is no penalty: its other keys have no effect, and no reference is loaded"
                .to_owned(),
        );
    }
    let in_loss =
        |kl: &KlConfig| kl.coef != 0.0 && kl.place == KlPlace::Loss && kl.estimator == KlEstimator::K1;
    if recipe.loss.kl.as_ref().is_some_and(in_loss) {
        notes.push(
            "[loss.kl] `estimator` = \"k1\" in the loss has a gradient of mean 0, so it holds the policy nowhere; choose \"k2\" or \
             \"k3\", or `place` = \"reward\""
                .to_owned(),
        );
    }
    if let ExploreConfig::Tree(tree) = recipe.explore {
        let idle = tree.rule.settings().idle(sampling.max_new_tokens);
        notes.extend(idle.map(|idle| format!("[explore.rule] {idle}")));
    }
    if let Some(values) = &recipe.values {
        let idle = values.rule.settings().idle(sampling.max_new_tokens);
        notes.extend(idle.map(|idle| format!("[values.rule] {idle}")));
    }
    notes.extend(recipe.signals.idle());
    notes.extend(boundless(recipe));
    notes
}

/// Bounds of the strategies in the chain that no sequence of the recipe reaches.
fn boundless(Recipe { credit, signals, sampling, batch, .. }: &Recipe) -> Vec<String> {
    let mut notes = Vec::new();
    if signals.window >= batch.max_tokens && credit.iter().any(|entry| entry.needs().waad) {
        notes.push(format!(
            "[signals] `window` = {} is longer than any sequence ([batch] `max_tokens` = {}), so it bounds nothing",
            signals.window, batch.max_tokens
        ));
    }
    for (index, entry) in credit.iter().enumerate() {
        let idle = entry.strategy.idle(sampling.max_new_tokens);
        notes.extend(idle.into_iter().map(|idle| format!("[[credit]] #{} {idle}", index + 1)));
    }
    notes
}
