//! How a policy learns from its responses: advantages, credit, the update.

use super::super::{Recipe, findings::Findings};

pub(super) fn advantage(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { run, advantage, critic, .. } = recipe;
    let asks_critic = advantage.settings().needs().values;
    findings.broken_if(asks_critic && critic.is_none(), &["advantage.type", "critic"], || {
        format!(
            "[advantage] `type` = \"{}\" needs a critic: add a section [critic] with optim = {{ lr = ... }}",
            advantage.name()
        )
    });
    findings.broken_if(!asks_critic && critic.is_some(), &["critic", "advantage.type"], || {
        "[critic] has no effect without [advantage] `type` = \"gae\"; leave it out, or choose that".into()
    });
    if let Some(critic) = critic {
        findings.broken_if(critic.warmup_steps >= run.steps, &["critic.warmup_steps", "run.steps"], || {
            format!(
                "[critic] `warmup_steps`: got {}, expected below [run] `steps` = {}, or the policy never learns",
                critic.warmup_steps, run.steps
            )
        });
    }
}

pub(super) fn credit(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { credit, signals, sampling, .. } = recipe;
    let [near, _] = signals.horizon;
    findings.broken_if(
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

pub(super) fn engine(findings: &mut Findings, Recipe { engine, model, sampling, .. }: &Recipe) {
    let refusal = engine.refuses(sampling);
    findings.broken_if(refusal.is_some(), &["sampling.temperature", "engine.type"], || {
        refusal.unwrap_or_default()
    });
    let loads_adapters = engine.remote().is_some_and(|(servers, _)| servers.loads_adapters());
    findings.broken_if(loads_adapters && model.lora.is_none(), &["engine.adapters", "model.lora"], || {
        "[engine] `adapters` = \"loaded\" without [model.lora]: all weights learn, and there are no adapters to load; let `adapters` be \
         \"merged\", or give the policy adapters"
            .to_owned()
    });
    findings.broken_if(loads_adapters && model.scale_heads.is_some(), &["engine.adapters", "model.scale_heads"], || {
        "[engine] `adapters` = \"loaded\" with [model] `scale_heads`: the servers' own weights have heads that are not scaled; let \
         `adapters` be \"merged\""
            .to_owned()
    });
}

pub(super) fn update(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { batch, sampling, .. } = recipe;
    findings.broken_if(batch.max_tokens <= sampling.max_new_tokens, &["batch.max_tokens", "sampling.max_new_tokens"], || {
        format!(
            "[batch] `max_tokens`: got {}, expected at least {}: [sampling] `max_new_tokens` = {} and a prompt",
            batch.max_tokens,
            sampling.max_new_tokens.saturating_add(1),
            sampling.max_new_tokens
        )
    });
}
