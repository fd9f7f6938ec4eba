//! The sense of a recipe: ranges, and what keys ask of each other. No file and no device is touched.

mod learning;
mod start;

use rewards::TaskKind;

use self::learning::{advantage, credit, update};
use self::start::start;
use super::{Recipe, problem::Finding, rules::Rules};
use crate::{
    credit::advantage::AdvantageConfig,
    data::sampler::SamplerConfig,
    pipeline::ZeroVariance,
    rollout::{TEMPERATURES, explore::ExploreConfig},
    types::SharedPrefix,
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

fn sampling(rules: &mut Rules, recipe: &Recipe) {
    let Recipe { explore, groups, advantage, sampling, sampler, pipeline, batch, .. } = recipe;
    rules.of_section("groups", groups.rules());
    let compares = advantage.build().compares();
    let keeps = groups.zero_variance == ZeroVariance::Keep;
    rules.broken_if(!compares && !keeps, &["groups.zero_variance", "advantage.type"], || {
        "[groups] `zero_variance`: expected \"keep\" with this [advantage], which compares no responses, so that equal rewards \
         tell something too"
            .into()
    });
    match explore {
        ExploreConfig::Group(group) => {
            rules.positive("explore.size", group.size as u64);
            rules.broken_if(group.size == 1 && compares, &["explore.size", "advantage.type"], || {
                "[explore] `size`: got 1, expected at least 2, since this [advantage] compares responses within a group"
                    .into()
            });
            rules.broken_if(batch.shared_prefix == SharedPrefix::Once, &["batch.shared_prefix", "explore.type"], || {
                "[batch] `shared_prefix`: got \"once\", expected \"every_path\" with [explore] `type` = \"group\", where \
                 responses share nothing"
                    .into()
            });
        }
        ExploreConfig::Tree(tree) => {
            rules.of_part("explore", tree.problems());
            let of_segments = matches!(advantage, AdvantageConfig::Tree(_));
            rules.broken_if(tree.roots == 1 && compares && !of_segments, &["explore.roots", "advantage.type"], || {
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
    let refills = groups.rounds() > 0;
    if let SamplerConfig::Adaptive(adaptive) = sampler {
        rules.of_part("sampler", adaptive.problems());
        let most = adaptive.most;
        rules.broken_if(most > 0 && most < recipe.batch.prompts, &["sampler.most", "batch.prompts"], || {
            format!(
                "[sampler] `most`: got {most}, expected at least [batch] `prompts` = {}, with which it begins",
                recipe.batch.prompts
            )
        });
        rules.broken_if(refills, &["sampler.type", "groups.zero_variance"], || {
            "[sampler] `type` = \"adaptive\" asks for more prompts where few tell something, and so does [groups] \
             `zero_variance` = \"refill\"; choose one of them"
                .into()
        });
    }
    rules.broken_if(refills && pipeline.has_one_call(), &["pipeline.type", "groups.zero_variance"], || {
        "[groups] `zero_variance` = \"refill\" takes further calls within a step; [pipeline] `type` = \"one_step_off\" has \
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
    divides(rules, "sampling.temperature", sampling.temperature);
    rules.range(
        "sampling.top_p",
        sampling.top_p,
        sampling.top_p > 0.0 && sampling.top_p <= 1.0,
        "above 0 and at most 1",
    );
    rules.range(
        "sampling.top_k",
        sampling.top_k,
        sampling.top_k != 1,
        "0 or at least 2, since training learns from differing responses",
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

fn evaluation(rules: &mut Rules, Recipe { eval, .. }: &Recipe) {
    rules.positive("eval.samples", eval.samples as u64);
    let hot = eval.temperature.is_finite() && eval.temperature > 0.0;
    rules.range("eval.temperature", eval.temperature, hot, "above 0 (`greedy = true` measures at 0)");
    divides(rules, "eval.temperature", eval.temperature);
}

/// Of a temperature above 0, that numbers can be divided by it.
fn divides(rules: &mut Rules, key: &str, temperature: f64) {
    let holds = !(temperature.is_finite() && temperature > 0.0) || TEMPERATURES.contains(&temperature);
    rules.range(key, format!("{temperature:e}"), holds, "1e-6 to 1e6, by which single precision can divide");
}
