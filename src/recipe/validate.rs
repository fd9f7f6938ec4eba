//! The sense of a recipe: the rules of its sections, and what sections ask of each other. No file and no device is touched.

mod learning;
mod start;

use rewards::TaskKind;

use self::learning::{advantage, credit, engine, update};
use self::start::start;
use super::{Recipe, findings::Findings, problem::Finding};
use crate::{
    credit::advantage::AdvantageConfig,
    pipeline::ZeroVariance,
    rollout::explore::ExploreConfig,
    signal::Heads,
    types::{SharedPrefix, program},
};

/// Everything about `recipe` that cannot work.
pub(super) fn sense(recipe: &Recipe) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.of_rules(&recipe.rules());
    start(&mut findings, recipe);
    exploration(&mut findings, recipe);
    rewards(&mut findings, recipe);
    advantage(&mut findings, recipe);
    credit(&mut findings, recipe);
    update(&mut findings, recipe);
    engine(&mut findings, recipe);
    heads(&mut findings, recipe);
    findings.0
}

fn heads(findings: &mut Findings, Recipe { signals, circuit, .. }: &Recipe) {
    let is_measured = circuit.as_ref().is_some_and(|circuit| circuit.every > 0);
    findings.broken_if(signals.heads == Heads::Circuit && !is_measured, &["signals.heads", "circuit.every"], || {
        format!(
            "[signals] `heads` = \"circuit\" takes the heads that [circuit] `every` measures: set every = 10, or take those of a \
             file that `{} circuit` wrote, heads = {{ circuit = \"FILE.json\" }}",
            program()
        )
    });
}

fn exploration(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { explore, groups, advantage, sampler, pipeline, batch, .. } = recipe;
    let compares = advantage.settings().compares();
    let keeps = groups.zero_variance == ZeroVariance::Keep;
    findings.broken_if(!compares && !keeps, &["groups.zero_variance", "advantage.type"], || {
        "[groups] `zero_variance`: expected \"keep\" with this [advantage], which compares no responses, so that equal rewards \
         tell something too"
            .into()
    });
    values_of_prefixes(findings, recipe);
    match explore {
        ExploreConfig::Group(group) => {
            findings.broken_if(group.size == 1 && compares, &["explore.size", "advantage.type"], || {
                "[explore] `size`: got 1, expected at least 2, since this [advantage] compares responses within a group"
                    .into()
            });
            findings.broken_if(batch.shared_prefix == SharedPrefix::Once, &["batch.shared_prefix", "explore.type"], || {
                "[batch] `shared_prefix`: got \"once\", expected \"every_path\" with [explore] `type` = \"group\", where \
                 responses share nothing"
                    .into()
            });
        }
        ExploreConfig::Tree(tree) => {
            let of_segments = matches!(advantage, AdvantageConfig::Tree(_));
            findings.broken_if(tree.roots == 1 && compares && !of_segments, &["explore.roots", "advantage.type"], || {
                "[explore] `roots`: got 1, expected at least 2 with this [advantage], which compares responses, since a root \
                 of one token has no place to branch; or [advantage] `type` = \"tree\""
                    .into()
            });
            findings.broken_if(pipeline.settings().has_one_call() && tree.rounds > 1, &["explore.rounds", "pipeline.type"], || {
                format!(
                    "[explore] `rounds`: got {}, expected 1 with [pipeline] `type` = \"one_step_off\", where one call a step \
                     serves the branches; or choose \"on_policy\" or \"overlapped\"",
                    tree.rounds
                )
            });
        }
    }
    let refills = groups.rounds() > 0;
    if let Some(most) = sampler.settings().most() {
        findings.broken_if(most > 0 && most < recipe.batch.prompts, &["sampler.most", "batch.prompts"], || {
            format!(
                "[sampler] `most`: got {most}, expected at least [batch] `prompts` = {}, with which it begins",
                recipe.batch.prompts
            )
        });
        findings.broken_if(refills, &["sampler.type", "groups.zero_variance"], || {
            "[sampler] `type` = \"adaptive\" asks for more prompts where few tell something, and so does [groups] \
             `zero_variance` = \"refill\"; choose one of them"
                .into()
        });
    }
    findings.broken_if(refills && pipeline.settings().has_one_call(), &["pipeline.type", "groups.zero_variance"], || {
        "[groups] `zero_variance` = \"refill\" takes further calls within a step; [pipeline] `type` = \"one_step_off\" has \
         one, so choose \"drop\" or \"on_policy\""
            .into()
    });
}

fn values_of_prefixes(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { explore, values, advantage, .. } = recipe;
    let continues = advantage.settings().continues();
    findings.broken_if(continues && values.is_none(), &["advantage.type", "values"], || {
        format!(
            "[advantage] `type` = \"{}\" goes by values of prefixes: add a section [values]",
            advantage.name()
        )
    });
    findings.broken_if(!continues && values.is_some(), &["values", "advantage.type"], || {
        "[values] has no effect without [advantage] `type` = \"segment\"; leave it out, or choose that".into()
    });
    let is_tree = matches!(explore, ExploreConfig::Tree(_));
    findings.broken_if(is_tree && values.is_some(), &["explore.type", "values"], || {
        "[explore] `type`: got \"tree\", expected \"group\" with [values], which continues the responses of a group".into()
    });
}

fn rewards(findings: &mut Findings, recipe: &Recipe) {
    let Recipe { reward, overlong, sampling, .. } = recipe;
    findings.broken_if(reward.is_empty(), &["reward"], || {
        "[[reward]]: the list is empty, so nothing could be learnt; add a grader".into()
    });
    for (index, entry) in reward.iter().enumerate() {
        let foreign =
            recipe.data.settings().kinds().into_iter().find(|kind| !entry.grader.settings().judges(*kind));
        findings.broken_if(foreign.is_some(), &[&format!("reward.{index}.type"), "data"], || {
            let (found, graders) = match foreign {
                Some(TaskKind::Question) => {
                    ("questions with an answer", "\"math\", \"numeric\" or \"choice\"")
                }
                Some(TaskKind::Bifurcation) => ("bifurcations", "\"bifurcation\""),
                _ => ("Countdown problems", "\"countdown\""),
            };
            format!(
                "[[reward]] #{} `type`: got a grader that cannot judge the problems of [data], {found}; expected one that \
                 can, such as {graders}",
                index + 1
            )
        });
    }
    findings.broken_if(
        !reward.is_empty() && reward.iter().all(|entry| entry.weight == 0.0),
        &["reward", "reward.0.weight"],
        || "[[reward]]: every `weight` is 0, so nothing could be learnt".into(),
    );
    findings.broken_if(
        !reward.is_empty() && !reward.iter().any(|entry| entry.grader.settings().says_correct()),
        &["reward", "reward.0.type"],
        || {
            "[[reward]]: no grader says whether a response is correct; add one that does, with `weight` = 0 where it shall not \
             count"
                .into()
        },
    );
    let limit = sampling.max_new_tokens;
    if let Some(penalty) = overlong.and_then(|overlong| overlong.settings().penalty(limit)) {
        let buffer = penalty.config.buffer;
        findings.broken_if(buffer > limit, &["overlong.buffer", "sampling.max_new_tokens"], || {
            format!("[overlong] `buffer`: got {buffer}, expected 1 to [sampling] `max_new_tokens` = {limit}")
        });
    }
}
