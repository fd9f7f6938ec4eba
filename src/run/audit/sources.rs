//! Where the responses of an audit come from.

use std::sync::Arc;

use anyhow::Result;
use rand::seq::SliceRandom;

use super::super::Setup;
use crate::audit::AuditConfig;
use crate::data::sampler::{SamplerConfig, UniformConfig};
use crate::pipeline::{OnPolicyConfig, PipelineConfig, RolloutSource};
use crate::rollout::explore::branch::{RuleConfig, UniformConfig as Anywhere};
use crate::rollout::explore::{Exploration, ExploreConfig, GroupConfig, ValuesConfig};
use crate::types::{Prompt, Purpose, RunRandom};

/// Prompts of one call whose responses are continued.
pub(super) const AT_ONCE: usize = 8;
/// Responses to each of these; the value of the prompt is told by the others.
pub(super) const CONTINUED_GROUP: usize = 4;

/// Anywhere, so that no strategy's own places are preferred.
pub(super) fn values(config: &AuditConfig) -> ValuesConfig {
    let AuditConfig { cuts, continuations, .. } = *config;
    ValuesConfig { cuts, continuations, rule: RuleConfig::Uniform(Anywhere {}), ..ValuesConfig::default() }
}

/// The randomness of the audits of a run.
pub(super) fn random(setup: &Setup) -> RunRandom {
    RunRandom::new(setup.random.bits(Purpose::Audit, &[]))
}

/// Prompts whose responses are continued: different ones.
pub(super) fn n_continued(setup: &Setup, config: &AuditConfig) -> usize {
    config.continued.min(setup.data.train.len())
}

/// Where the responses of call `number` come from that others continue.
pub(super) fn continued(
    setup: &Setup,
    config: &AuditConfig,
    number: usize,
) -> Result<Box<dyn RolloutSource>> {
    let mut prompts = setup.data.train.clone();
    prompts.shuffle(&mut random(setup).stream(Purpose::PromptOrder, &[u64::MAX]));
    let all = prompts.into_iter().take(n_continued(setup, config));
    let chosen: Vec<Arc<Prompt>> = all.skip(number * AT_ONCE).take(AT_ONCE).collect();
    let n_prompts = chosen.len();
    of_prompts(setup, chosen, n_prompts, CONTINUED_GROUP, Some(&values(config)))
}

/// Responses to `n_prompts` of `prompts` a call, `group` to each, which others continue where there are `values`.
pub(super) fn of_prompts(
    setup: &Setup,
    prompts: Vec<Arc<Prompt>>,
    n_prompts: usize,
    group: usize,
    values: Option<&ValuesConfig>,
) -> Result<Box<dyn RolloutSource>> {
    let explore = ExploreConfig::Group(GroupConfig { size: group });
    let mut collector = setup.collector(Exploration { explore: &explore, values })?;
    let sampler = SamplerConfig::Uniform(UniformConfig::default());
    collector.sampler = sampler.settings().build(prompts, random(setup))?;
    collector.generation.random = random(setup);
    collector.generation.purpose = Purpose::Audit;
    Ok(PipelineConfig::OnPolicy(OnPolicyConfig {}).settings().build(collector, n_prompts, 0))
}
