//! The sense of a recipe: ranges, and what keys ask of each other. No file and no device is touched.

use rewards::TaskKind;

use super::{Recipe, explain, problem::Finding, rules::Rules};
use crate::hub::HubModel;
use crate::{
    credit::{
        advantage::{AdvantageConfig, Shared},
        strategy::CreditConfig,
    },
    data::{DataConfig, sampler::SamplerConfig, supervised::SourceConfig},
    learner::WarmupConfig,
    optim::{OptimConfig, Schedule},
    rollout::explore::ExploreConfig,
};

/// Everything about `recipe` that cannot work.
pub(super) fn sense(recipe: &Recipe) -> Vec<Finding> {
    let mut rules = Rules::default();
    start(&mut rules, recipe);
    sampling(&mut rules, recipe);
    rewards(&mut rules, recipe);
    advantage(&mut rules, recipe);
    credit(&mut rules, recipe);
    update(&mut rules, recipe);
    evaluation(&mut rules, recipe);
    rules.findings()
}

fn start(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { run, model, warmup: texts, data, batch, .. } = recipe;
    rules.range("run.name", format!("{:?}", run.name), is_folder_name(&run.name), "the name of one folder");
    rules.positive("run.steps", run.steps);
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

fn sampling(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { explore, advantage, sampling, sampler, pipeline, .. } = recipe;
    match explore {
        ExploreConfig::Group(group) => {
            rules.positive("explore.size", group.size as u64);
            rules.broken_if(group.size == 1 && advantage.flat().is_some(), &["explore.size", "advantage.type"], || {
                "[explore] `size`: got 1, expected at least 2, since this [advantage] compares responses within a group"
                    .into()
            });
            rules.broken_if(advantage.shared() == Shared::Once, &["advantage.shared", "explore.type"], || {
                "[advantage] `shared`: got \"once\", expected \"every_path\" with [explore] `type` = \"group\", where responses \
                 share nothing"
                    .into()
            });
            rules.broken_if(!advantage.trains_unbranched(), &["advantage.train_unbranched", "explore.type"], || {
                "[advantage] `train_unbranched`: got false, expected true with [explore] `type` = \"group\", where nothing \
                 branches off and so nothing would be trained"
                    .into()
            });
        }
        ExploreConfig::Tree(tree) => {
            rules.of_part("explore", tree.problems());
            let compares = advantage.flat().is_some() && !matches!(advantage, AdvantageConfig::Tree(_));
            rules.broken_if(tree.roots == 1 && compares, &["explore.roots", "advantage.type"], || {
                "[explore] `roots`: got 1, expected at least 2 with this [advantage], which compares responses, since a first \
                 response of one token has no place to branch; or [advantage] `type` = \"tree\""
                    .into()
            });
            rules.broken_if(pipeline.has_one_call() && tree.rounds > 1, &["explore.rounds", "pipeline.type"], || {
                format!(
                    "[explore] `rounds`: got {}, expected 1 with [pipeline] `type` = \"one_step_off\", where one call a step \
                     serves the branches; or choose \"on_policy\" or \"overlapped\"",
                    tree.rounds
                )
            });
        }
    }
    let refills = advantage.flat().is_some_and(|flat| flat.rounds() > 0);
    if let SamplerConfig::Adaptive(adaptive) = sampler {
        rules.of_part("sampler", adaptive.problems());
        let most = adaptive.most;
        rules.broken_if(most > 0 && most < recipe.batch.prompts, &["sampler.most", "batch.prompts"], || {
            format!(
                "[sampler] `most`: got {most}, expected at least [batch] `prompts` = {}, with which it begins",
                recipe.batch.prompts
            )
        });
        rules.broken_if(refills, &["sampler.type", "advantage.without_signal"], || {
            "[sampler] `type` = \"adaptive\" asks for more prompts where few tell something, and so does [advantage] \
             `without_signal` = \"refill\"; choose one of them"
                .into()
        });
    }
    rules.broken_if(refills && pipeline.has_one_call(), &["pipeline.type", "advantage.without_signal"], || {
        "[advantage] `without_signal` = \"refill\" takes further calls within a step; [pipeline] `type` = \"one_step_off\" has \
         one, so choose \"drop\" or \"on_policy\""
            .into()
    });

    let hot = sampling.temperature.is_finite() && sampling.temperature > 0.0;
    rules.range(
        "sampling.temperature",
        sampling.temperature,
        hot,
        "above 0, since training learns from differing responses",
    );
    rules.range(
        "sampling.top_p",
        sampling.top_p,
        sampling.top_p > 0.0 && sampling.top_p <= 1.0,
        "above 0 and at most 1",
    );
    rules.positive("sampling.max_new_tokens", sampling.max_new_tokens as u64);
    rules.positive("sampling.max_rows", sampling.max_rows as u64);
}

fn rewards(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { reward, overlong, sampling, .. } = recipe;
    rules.broken_if(reward.is_empty(), &["reward"], || {
        "[[reward]]: the list is empty, so nothing could be learnt; add a grader".into()
    });
    for (index, entry) in reward.iter().enumerate() {
        rules.range(
            &format!("reward.{index}.weight"),
            entry.weight,
            entry.weight.is_finite(),
            "a finite number",
        );
        rules.of_part(&format!("reward.{index}"), entry.grader.problems());
        let foreign = recipe.data.kinds().into_iter().find(|kind| !entry.grader.judges(*kind));
        rules.broken_if(foreign.is_some(), &[&format!("reward.{index}.type"), "data"], || {
            let (found, graders) = match foreign {
                Some(TaskKind::Question) => {
                    ("questions with an answer", "\"math\", \"numeric\" or \"choice\"")
                }
                _ => ("Countdown problems", "\"countdown\""),
            };
            format!(
                "[[reward]] #{} `type`: got a grader that cannot judge the problems of [data], {found}; expected one that \
                 can, such as {graders}",
                index + 1
            )
        });
    }
    rules.broken_if(
        !reward.is_empty() && reward.iter().all(|entry| entry.weight == 0.0),
        &["reward", "reward.0.weight"],
        || "[[reward]]: every `weight` is 0, so nothing could be learnt".into(),
    );
    rules.broken_if(
        !reward.is_empty() && !reward.iter().any(|entry| entry.grader.says_correct()),
        &["reward", "reward.0.type"],
        || {
            "[[reward]]: no grader says whether a response is correct; add one that does, with `weight` = 0 where it shall not \
             count"
                .into()
        },
    );
    if let Some(overlong) = overlong {
        rules.of_part("overlong", overlong.problems(sampling.max_new_tokens));
    }
}

fn advantage(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { run, advantage, critic, importance_sampling, .. } = recipe;
    rules.of_part("advantage", advantage.problems());
    let gae = matches!(advantage, AdvantageConfig::Gae(_));
    rules.broken_if(gae && critic.is_none(), &["advantage.type", "critic"], || {
        "[advantage] `type` = \"gae\" needs a critic: add a section [critic] with optim = { lr = ... }".into()
    });
    rules.broken_if(!gae && critic.is_some(), &["critic", "advantage.type"], || {
        "[critic] has no effect without [advantage] `type` = \"gae\"; leave it out, or choose that".into()
    });
    if let Some(critic) = critic {
        rules.not_negative("critic.clip", critic.clip);
        optim(rules, "critic.optim", &critic.optim);
        rules.broken_if(critic.warmup_steps >= run.steps, &["critic.warmup_steps", "run.steps"], || {
            format!(
                "[critic] `warmup_steps`: got {}, expected below [run] `steps` = {}, or the policy never learns",
                critic.warmup_steps, run.steps
            )
        });
    }
    if let Some(importance) = importance_sampling {
        rules.of_part("importance_sampling", importance.problems());
    }
}

fn credit(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { credit, signals, sampling, .. } = recipe;
    for (index, strategy) in credit.iter().enumerate() {
        rules.of_part(&format!("credit.{index}"), strategy.problems());
    }
    rules.of_part("signals", signals.problems());
    let [near, _] = signals.horizon;
    rules.broken_if(
        near >= sampling.max_new_tokens && credit.iter().any(CreditConfig::looks_ahead),
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

fn update(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { loss, optim: settings, batch, sampling, .. } = recipe;
    rules.of_part("loss", loss.problems());
    optim(rules, "optim", settings);

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

fn evaluation(rules: &mut Rules, Recipe { eval, .. }: &Recipe) {
    rules.positive("eval.samples", eval.samples as u64);
    let hot = eval.temperature.is_finite() && eval.temperature > 0.0;
    rules.range("eval.temperature", eval.temperature, hot, "above 0 (`greedy = true` measures at 0)");
}

fn warmup(rules: &mut Rules, warmup: &WarmupConfig) {
    let WarmupConfig { steps, batch_size, lr, lr_warmup_steps, weight_decay, max_tokens, source } = warmup;
    rules.positive("warmup.steps", *steps);
    rules.positive("warmup.batch_size", *batch_size as u64);
    rules.learning_rate("warmup.lr", *lr);
    rules.broken_if(
        *steps > 0 && lr_warmup_steps > steps,
        &["warmup.lr_warmup_steps", "warmup.steps"],
        || format!("[warmup] `lr_warmup_steps`: got {lr_warmup_steps}, expected at most `steps` = {steps}"),
    );
    rules.range("warmup.weight_decay", weight_decay, (0.0..=1.0).contains(weight_decay), "0 to 1");
    rules.positive("warmup.max_tokens", *max_tokens as u64);
    rules.of_part("warmup.source", source.problems());
}

fn optim(rules: &mut Rules, section: &str, optim: &OptimConfig) {
    let key = |name: &str| format!("{section}.{name}");
    let OptimConfig {
        lr,
        betas,
        eps,
        weight_decay,
        max_grad_norm,
        warmup_steps: _,
        schedule,
        final_lr_ratio,
    } = optim;
    rules.learning_rate(&key("lr"), *lr);
    let holds = betas.iter().all(|beta| (0.0..1.0).contains(beta)) && betas[0] <= betas[1];
    rules.range(
        &key("betas"),
        format!("{betas:?}"),
        holds,
        "two numbers, each 0 or more and below 1, the first at most the second",
    );
    rules.range(&key("eps"), eps, (1e-16..=1.0).contains(eps), "1e-16 to 1");
    rules.range(&key("weight_decay"), weight_decay, (0.0..=1.0).contains(weight_decay), "0 to 1");
    rules.not_negative(&key("max_grad_norm"), *max_grad_norm);
    let Some(ratio) = final_lr_ratio else { return };
    rules.range(&key("final_lr_ratio"), ratio, (0.0..=1.0).contains(ratio), "0 to 1");
    rules.broken_if(*schedule == Schedule::Constant, &[&key("final_lr_ratio"), &key("schedule")], || {
        format!(
            "{} has no effect with `schedule` = \"constant\"; leave it out, or choose \"linear\" or \"cosine\"",
            explain::name(&key("final_lr_ratio"))
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

/// Whether `name` names a folder within another, on any system.
fn is_folder_name(name: &str) -> bool {
    let dots = name.chars().all(|c| c == '.');
    !dots && name.trim() == name && !name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c))
}
