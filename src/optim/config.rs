//! `[optim]`: AdamW and its learning-rate schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// AdamW with decoupled weight decay, gradient clipping by global norm, warm-up and decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptimConfig {
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the running mean of gradients and of their squares; the first at most the second.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment; 1e-16 to 1.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Decoupled weight decay, on matrices only (norms and biases are not decayed).
    #[serde(default)]
    pub weight_decay: f64,
    /// Gradients are scaled down to this global L2 norm; 0 switches clipping off.
    #[serde(default = "max_grad_norm")]
    pub max_grad_norm: f64,
    /// Steps over which the learning rate rises linearly from 0.
    #[serde(default)]
    pub warmup_steps: u64,
    /// What follows the warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Learning rate at the last step as a share of `lr`; without effect on a constant schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_lr_ratio: Option<f64>,
}

impl OptimConfig {
    /// What its keys may be. The proof of `AdamW` that no weight becomes infinite rests on these bounds.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { lr, betas, eps, weight_decay, max_grad_norm, warmup_steps: _, schedule, final_lr_ratio } =
            self;
        let mut rules = Rules::default();
        expect_learning_rate(&mut rules, "lr", *lr);
        rules.expect(
            "betas",
            format_args!("{betas:?}"),
            "two numbers, each 0 or more and below 1, the first at most the second",
            betas.iter().all(|beta| (0.0..1.0).contains(beta)) && betas[0] <= betas[1],
        );
        rules.expect("eps", eps, "1e-16 to 1", (1e-16..=1.0).contains(eps));
        rules.share("weight_decay", *weight_decay);
        rules.not_negative("max_grad_norm", *max_grad_norm);
        rules.share("final_lr_ratio", final_lr_ratio.unwrap_or(0.0));
        let idle = final_lr_ratio.is_some() && *schedule == Schedule::Constant;
        rules.forbid(idle, &["final_lr_ratio", "schedule"], || {
            " has no effect with `schedule` = \"constant\"; leave it out, or choose \"linear\" or \"cosine\"".to_owned()
        });
        rules
    }
}

/// AdamW moves every weight by about its learning rate.
pub(crate) fn expect_learning_rate(rules: &mut Rules, key: &str, lr: f64) {
    let expected =
        "above 0 and at most 1, since every weight moves by about that much; usual are 1e-6 to 1e-2";
    rules.expect(key, lr, expected, lr > 0.0 && lr <= 1.0);
}

/// Course of the learning rate after the warm-up, up to the last step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Schedule {
    /// Stays at `lr`.
    #[default]
    Constant,
    /// Falls in a straight line.
    Linear,
    /// Falls along half a cosine.
    Cosine,
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}
fn eps() -> f64 {
    1e-8
}
fn max_grad_norm() -> f64 {
    1.0
}
