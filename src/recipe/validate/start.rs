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
    let kinds = data.settings().kinds();
    let of = sft.as_ref().and_then(|sft| sft.source.settings().is_of());
    let is_other = of.is_some_and(|of| kinds.iter().any(|kind| *kind != of));
    findings.broken_if(is_other, &["sft.source.type", "data.type"], || {
        let (got, problems) = match of {
            Some(TaskKind::Bifurcation) => ("bifurcation_demos", "bifurcations"),
            _ => ("countdown_demos", "Countdown"),
        };
        let expected = match kinds[..] {
            [TaskKind::Bifurcation] => "\"bifurcation_demos\"",
            [TaskKind::Countdown] => "\"countdown_demos\"",
            _ => "\"jsonl\"",
        };
        format!(
            "[sft.source] `type`: got \"{got}\", expected {expected}, since [data] has other problems than {problems}"
        )
    });
}
