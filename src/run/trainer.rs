//! A trainer as a recipe asks for it, and as a checkpoint left it.

use anyhow::Result;

use super::Setup;
use crate::checkpoint::CriticState;
use crate::model::Policy;
use crate::optim::AdamWState;
use crate::pipeline::RolloutSource;
use crate::signal::{Grouping, HeadGroups};
use crate::step::{CriticTrainer, Trainer};

/// All that learns as `setup` says, beginning from `policy`, with responses from `source`.
pub(super) fn trainer(
    setup: &Setup,
    policy: Policy,
    reference: Option<Policy>,
    source: Box<dyn RolloutSource>,
) -> Result<Trainer> {
    let critic = setup
        .recipe
        .critic
        .map(|config| CriticTrainer::new(config, setup.recipe.batch, &policy, setup.recipe.parallel.shard));
    let critic = critic.transpose()?;
    Ok(Trainer::new(setup.step_config(), policy, reference, critic, source, setup.credit()))
}

/// What a trainer goes on by, beside the weights of its policy and its source.
pub(super) struct Learnt {
    /// The memory of the policy's optimiser.
    pub optimizer: AdamWState,
    /// The critic, where there is one.
    pub critic: Option<CriticState>,
    /// The groups of heads.
    pub head_groups: Option<HeadGroups>,
    /// Weight of the KL penalty.
    pub kl_coef: f64,
}

/// Puts `trainer` where `learnt` was.
pub(super) fn restore(trainer: &mut Trainer, learnt: Learnt) -> Result<()> {
    let Learnt { optimizer, critic, head_groups, kl_coef } = learnt;
    trainer.learner.restore(optimizer)?;
    if let (Some(own), Some(saved)) = (&mut trainer.critic, critic) {
        own.restore(saved)?;
    }
    trainer.grouping = Grouping::resume(head_groups);
    trainer.kl_coef = kl_coef;
    Ok(())
}
