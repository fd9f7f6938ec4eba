//! What a run starts from: the model, the texts that it imitates, the problems.

use rewards::TaskKind;

use super::super::{Recipe, findings::Findings};
use crate::model::HubModel;

pub(super) fn start(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { model, sft, data, batch, .. } = recipe;
    // What a model of the hub is called is known above the room of the settings.
    if let Err(error) = HubModel::from_settings(model) {
        findings.broken(&["model.hub", "model.revision"], format!("[model] `hub` and `revision`: {error}"));
    }
    let train_items = data.settings().n_train();
    if let Some(items) = train_items.filter(|items| *items > 0) {
        findings.broken_if(batch.prompts > items, &["batch.prompts", "data.train_items"], || {
            format!(
                "[batch] `prompts`: got {}, expected at most [data] `train_items` = {items}",
                batch.prompts
            )
        });
    }
    let demonstrates = sft.as_ref().is_some_and(|sft| sft.source.settings().is_of_countdown());
    let other = data.settings().kinds().into_iter().find(|kind| *kind != TaskKind::Countdown);
    findings.broken_if(demonstrates && other.is_some(), &["sft.source.type", "data.type"], || {
        "[sft.source] `type`: got \"countdown_demos\", expected \"jsonl\", since [data] has other problems than Countdown"
            .into()
    });
}
