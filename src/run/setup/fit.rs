//! Whether problems, model and sizes of a step fit each other.

use anyhow::{Result, ensure};

use crate::data::DataSet;
use crate::model::ModelConfig;
use crate::recipe::Recipe;

/// A step draws every prompt once at most.
pub(super) fn check_number(recipe: &Recipe, there: usize) -> Result<()> {
    let asked = recipe.batch.prompts;
    ensure!(
        asked <= there,
        "[batch] prompts = {asked}: there are {there} training problems; lower prompts to at most that"
    );
    Ok(())
}

/// Tokens of the longest prompt.
fn longest_prompt(data: &DataSet) -> usize {
    data.prompts().map(|p| p.tokens.len()).max().unwrap_or(0)
}

/// Every sequence must fit the model's positions.
pub(super) fn check_positions(recipe: &Recipe, model: &ModelConfig, data: &DataSet) -> Result<()> {
    let (longest, new) = (longest_prompt(data), recipe.sampling.max_new_tokens);
    let positions = usize::try_from(model.max_position_embeddings)?;
    ensure!(
        longest.saturating_add(new) <= positions,
        "[sampling] max_new_tokens = {new}: the longest prompt has {longest} tokens, together {}, and the model has \
         {positions} positions; lower max_new_tokens to at most {}",
        longest.saturating_add(new),
        positions.saturating_sub(longest)
    );
    Ok(())
}

/// Every sequence must fit the token budget.
pub(super) fn check_budget(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let (longest, new, most) =
        (longest_prompt(data), recipe.sampling.max_new_tokens, recipe.batch.max_tokens);
    ensure!(
        longest.saturating_add(new) <= most,
        "[batch] max_tokens = {most}: the longest prompt ({longest} tokens) and max_new_tokens = {new} make sequences \
         of {} tokens; raise max_tokens to at least that",
        longest.saturating_add(new)
    );
    Ok(())
}
