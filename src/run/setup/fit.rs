//! Whether problems, model and sizes of a step fit each other.

use anyhow::{Result, bail, ensure};

use crate::data::DataSet;
use crate::model::ModelConfig;
use crate::recipe::Recipe;
use crate::types::Prompt;

/// A step draws every prompt once at most.
pub(super) fn check_number(recipe: &Recipe, there: usize) -> Result<()> {
    let asked = recipe.batch.prompts;
    ensure!(
        asked <= there,
        "[batch] prompts = {asked}: there are {there} training problems; lower prompts to at most that"
    );
    Ok(())
}

/// What the best checkpoint is best at must be measured, and patience goes by it.
pub(super) fn check_best(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let Recipe { checkpoint, eval, .. } = recipe;
    let Some(best) = &checkpoint.best else {
        ensure!(
            eval.patience == 0,
            "[eval] `patience`: got {}, expected 0 without [checkpoint] `best`, which says what has to get better",
            eval.patience
        );
        return Ok(());
    };
    ensure!(
        eval.every > 0,
        "[checkpoint] `best`: got {best:?} with [eval] `every` = 0, which measures nothing; set every = 10, or leave best out"
    );
    let known: Vec<String> = data.eval.iter().flat_map(|set| eval.metrics(&set.name)).collect();
    ensure!(known.contains(best), "[checkpoint] `best`: got {best:?}, expected one of {}", known.join(", "));
    Ok(())
}

/// The longest of `prompts`: its tokens, and what it is called.
fn longest<'d>(prompts: impl Iterator<Item = (&'d Prompt, Option<&'d str>)>) -> (usize, String) {
    let longest = prompts.max_by_key(|(prompt, _)| prompt.tokens.len());
    longest.map_or((0, String::new()), |(prompt, place)| {
        let place = place.map_or_else(String::new, |place| format!(", {place},"));
        (prompt.tokens.len(), format!("the longest prompt{place}"))
    })
}

/// Every prompt must leave room for a response, whatever that is allowed to have.
pub(super) fn check_prompts(recipe: &Recipe, model: &ModelConfig, data: &DataSet) -> Result<()> {
    const SHOWN: usize = 8;
    let positions = usize::try_from(model.max_position_embeddings)?;
    let too_long = |(prompt, _): &(&Prompt, Option<&str>)| prompt.tokens.len() >= positions;
    let all: Vec<_> = data.placed().filter(too_long).collect();
    if all.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|(prompt, place)| {
            let place = place.map_or_else(|| format!("prompt {}", prompt.id), str::to_owned);
            format!(
                "{place}: the prompt has {} tokens, and the model has {positions} positions",
                prompt.tokens.len()
            )
        })
        .collect();
    if all.len() > SHOWN {
        lines.push(format!("... and {} more", all.len() - SHOWN));
    }
    let n_trained = data.train.iter().filter(|prompt| too_long(&(prompt, None))).count();
    if n_trained > 0 {
        let most = positions.saturating_sub(recipe.sampling.max_new_tokens).max(1);
        lines.push(format!("[data] max_prompt_tokens = {most} leaves out longer training problems"));
    }
    if n_trained < all.len() {
        lines.push("take evaluation problems that are too long out of their file".to_owned());
    }
    bail!(lines.join("\n"))
}

/// Every sequence must fit the model's positions, in evaluation at the limit of its own.
pub(super) fn check_positions(recipe: &Recipe, model: &ModelConfig, data: &DataSet) -> Result<()> {
    let (n_train, training) = (data.train.len(), recipe.sampling.max_new_tokens);
    match recipe.eval.max_new_tokens {
        None => check_longest("sampling", training, model, longest(data.placed())),
        Some(new) => {
            check_longest("sampling", training, model, longest(data.placed().take(n_train)))?;
            check_longest("eval", new, model, longest(data.placed().skip(n_train)))
        }
    }
}

/// That the longest prompt fits with as many `new` tokens as `max_new_tokens` of `section` allows.
fn check_longest(
    section: &str,
    new: usize,
    model: &ModelConfig,
    (longest, which): (usize, String),
) -> Result<()> {
    let positions = usize::try_from(model.max_position_embeddings)?;
    ensure!(
        longest.saturating_add(new) <= positions,
        "[{section}] max_new_tokens = {new}: {which} has {longest} tokens, together {}, and the model has \
         {positions} positions; lower max_new_tokens to at most {}",
        longest.saturating_add(new),
        positions.saturating_sub(longest)
    );
    Ok(())
}

/// Every sequence must fit the token budget.
pub(super) fn check_budget(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let ((longest, which), new, most) =
        (longest(data.placed()), recipe.sampling.max_new_tokens, recipe.batch.max_tokens);
    ensure!(
        longest.saturating_add(new) <= most,
        "[batch] max_tokens = {most}: {which} has {longest} tokens, with max_new_tokens = {new} together {}; raise \
         max_tokens to at least that",
        longest.saturating_add(new)
    );
    Ok(())
}
