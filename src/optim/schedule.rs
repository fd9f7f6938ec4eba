//! The learning rate of a step.

use super::{OptimConfig, Schedule};
use crate::types::Step;

/// Rises linearly over `warmup_steps`, then follows the schedule so that the last step, `n_steps`, ends at
/// `final_lr_ratio * lr`. Steps count from 1.
#[must_use]
pub(crate) fn learning_rate(config: &OptimConfig, step: Step, n_steps: Step) -> f64 {
    let warmup = config.warmup_steps;
    if step < warmup {
        return config.lr * step as f64 / warmup as f64;
    }
    let span = n_steps.saturating_sub(warmup).max(1);
    let progress = (step.saturating_sub(warmup) as f64 / span as f64).min(1.0);
    let last = config.final_lr_ratio.unwrap_or(0.0);
    let share = match config.schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => 1.0 - (1.0 - last) * progress,
        Schedule::Cosine => last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
    };
    config.lr * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(schedule: Schedule) -> OptimConfig {
        OptimConfig {
            lr: 2.0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            warmup_steps: 4,
            schedule,
            final_lr_ratio: Some(0.1),
        }
    }

    #[test]
    fn the_rate_rises_reaches_its_peak_and_ends_where_it_should() {
        for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
            let rate = |step| learning_rate(&config(schedule), step, 24);
            assert_eq!([rate(1), rate(2), rate(4)], [0.5, 1.0, 2.0]);
            let last = if schedule == Schedule::Constant { 2.0 } else { 0.2 };
            assert!((rate(24) - last).abs() < 1e-12, "{schedule:?}: {}", rate(24));
        }
        assert!((learning_rate(&config(Schedule::Linear), 14, 24) - 1.1).abs() < 1e-12);
        assert!((learning_rate(&config(Schedule::Cosine), 14, 24) - 1.1).abs() < 1e-12);
    }
}
