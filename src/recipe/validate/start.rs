//! What a run starts from: the model, the texts that it imitates, the problems.

use rewards::TaskKind;

use super::super::{Recipe, rules::Rules};
use crate::{
    data::{DataConfig, supervised::SourceConfig},
    hub::HubModel,
    learner::WarmupConfig,
    model::ModelSettings,
    optim::expect_learning_rate,
    run_folder::check_name,
    types,
};

pub(super) fn start(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { run, model, warmup: texts, data, batch, .. } = recipe;
    if let Err(error) = check_name(&run.name) {
        rules.broken(&["run.name"], error.to_string());
    }
    rules.positive("run.steps", run.steps);
    source(rules, model);
    if let Some(texts) = texts {
        warmup(rules, texts);
    }
    rules.of_part("data", data.problems());
    let train_items = match data {
        DataConfig::Countdown(data) => Some(data.train_items),
        DataConfig::Arithmetic(data) => Some(data.train_items),
        DataConfig::Files(_) => None,
    };
    if let Some(items) = train_items.filter(|items| *items > 0) {
        rules.broken_if(batch.prompts > items, &["batch.prompts", "data.train_items"], || {
            format!(
                "[batch] `prompts`: got {}, expected at most [data] `train_items` = {items}",
                batch.prompts
            )
        });
    }
    let demonstrates =
        texts.as_ref().is_some_and(|texts| matches!(texts.source, SourceConfig::CountdownDemos(_)));
    let other = data.kinds().into_iter().find(|kind| *kind != TaskKind::Countdown);
    rules.broken_if(demonstrates && other.is_some(), &["warmup.source.type", "data.type"], || {
        "[warmup.source] `type`: got \"countdown_demos\", expected \"jsonl\", since [data] has other problems than Countdown"
            .into()
    });
}

/// One place that the policy comes from.
fn source(rules: &mut Rules, model: &ModelSettings) {
    let sources = [
        ("`path`", model.path.is_some()),
        ("`hub`", model.hub.is_some()),
        ("`scratch`", model.scratch.is_some()),
    ];
    let given: Vec<&str> = sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if given.len() != 1 {
        let got = match given[..] {
            [] => "neither `path` nor `hub` nor `scratch`".to_owned(),
            [.., last] => format!("{} and {last}", given[..given.len() - 1].join(", ")),
        };
        rules.broken(
            &["model.path", "model.hub", "model.scratch"],
            format!(
                "[model] has {got}; write one of them: a Hugging Face folder, the name of a model on the hub or a preset"
            ),
        );
    }
    rules.broken_if(
        model.revision.is_some() && model.hub.is_none(),
        &["model.revision", "model.hub"],
        || "[model] `revision` has no effect without `hub`; leave it out".into(),
    );
    if let Err(error) = HubModel::of(model) {
        rules.broken(&["model.hub", "model.revision"], format!("[model] `hub` and `revision`: {error}"));
    }
}

fn warmup(rules: &mut Rules, warmup: &WarmupConfig) {
    let WarmupConfig { steps, batch_size, lr, lr_warmup_steps, weight_decay, max_tokens, source } = warmup;
    rules.positive("warmup.steps", *steps);
    rules.positive("warmup.batch_size", *batch_size as u64);
    let mut own = types::Rules::default();
    expect_learning_rate(&mut own, "lr", *lr);
    rules.of_section("warmup", own);
    rules.broken_if(
        *steps > 0 && lr_warmup_steps > steps,
        &["warmup.lr_warmup_steps", "warmup.steps"],
        || format!("[warmup] `lr_warmup_steps`: got {lr_warmup_steps}, expected at most `steps` = {steps}"),
    );
    rules.range("warmup.weight_decay", weight_decay, (0.0..=1.0).contains(weight_decay), "0 to 1");
    rules.positive("warmup.max_tokens", *max_tokens as u64);
    rules.of_part("warmup.source", source.problems());
}
