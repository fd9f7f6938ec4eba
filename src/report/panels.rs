//! Which numbers of a run are drawn together, and how.

use serde::Serialize;

/// The key of what a step takes beside the phases that are timed; made here from the others.
pub(super) const REST: &str = "time/rest";

/// The phases of which `time/step` is the sum, but for [`REST`].
pub(super) const PHASES: [&str; 5] =
    ["time/generate", "time/score", "time/measure", "time/credit", "time/train"];

/// A picture of the page.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Panel {
    /// What it is called.
    pub title: &'static str,
    /// What its numbers are: `share`, `tokens`, `s`, or nothing.
    pub unit: &'static str,
    /// Whether its curves are parts of a whole, one upon the other.
    pub is_stack: bool,
    /// Its curves, the one that counts most first.
    pub curves: &'static [Curve],
}

/// A curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Curve {
    /// What it is called.
    pub name: &'static str,
    /// The metric.
    pub key: &'static str,
    /// What is drawn around it.
    pub band: Option<Band>,
}

/// What is drawn around a curve.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Band {
    /// So much above and below it.
    Around {
        /// The metric.
        key: &'static str,
        /// What that is.
        name: &'static str,
    },
    /// From one metric to another.
    Between {
        /// The lower end.
        low: &'static str,
        /// The upper end.
        high: &'static str,
        /// What these are.
        name: &'static str,
    },
}

const fn curve(name: &'static str, key: &'static str) -> Curve {
    Curve { name, key, band: None }
}

const fn panel(title: &'static str, unit: &'static str, curves: &'static [Curve]) -> Panel {
    Panel { title, unit, is_stack: false, curves }
}

const fn stack(title: &'static str, unit: &'static str, curves: &'static [Curve]) -> Panel {
    Panel { title, unit, is_stack: true, curves }
}

/// The pictures in order, held-out accuracy and lengths by right and wrong aside, which come from files of their own. Those that a run
/// has no number of are left out.
pub(super) const PANELS: &[Panel] = &[
    panel(
        "Reward",
        "",
        &[
            Curve {
                name: "mean",
                key: "reward/mean",
                band: Some(Band::Around { key: "reward/std", name: "standard deviation of a response" }),
            },
            curve("of roots", "root/reward_mean"),
        ],
    ),
    stack(
        "Groups: of the responses to a prompt are right",
        "share",
        &[curve("all", "group/solve_all"), curve("some", "group/mixed"), curve("none", "group/solve_none")],
    ),
    panel(
        "Length of responses",
        "tokens",
        &[Curve {
            name: "mean",
            key: "response_length/mean",
            band: Some(Band::Between {
                low: "response_length/min",
                high: "response_length/max",
                name: "shortest to longest",
            }),
        }],
    ),
    panel(
        "Shares of responses and groups",
        "share",
        &[
            curve("responses cut off", "response_length/clip_ratio"),
            curve("groups of one reward", "group/zero_variance"),
        ],
    ),
    panel("Entropy of the policy, nats", "", &[curve("mean", "policy/entropy")]),
    panel("KL to the reference, nats", "", &[curve("mean", "policy/kl_ref")]),
    panel("KL within a step, nats", "", &[curve("mean", "policy/approx_kl")]),
    panel(
        "Norm of the gradient",
        "",
        &[curve("policy", "optim/grad_norm"), curve("critic", "optim/critic_grad_norm")],
    ),
    panel("Learning rate", "", &[curve("policy", "optim/lr"), curve("critic", "optim/critic_lr")]),
    panel(
        "Ratio outside of the clip range",
        "share",
        &[curve("above", "policy/clip_frac_high"), curve("below", "policy/clip_frac_low")],
    ),
    panel(
        "Sampler against learner, nats per token",
        "",
        &[curve("mean distance", "mismatch/logprob_abs_mean"), curve("KL", "mismatch/kl")],
    ),
    panel("Explained by the critic", "share", &[curve("variance", "value/explained_variance")]),
    panel(
        "Age of responses, steps",
        "",
        &[curve("mean", "off_policy/age_mean"), curve("oldest", "off_policy/age_max")],
    ),
    stack(
        "Time of a step",
        "s",
        &[
            curve("generate", "time/generate"),
            curve("score", "time/score"),
            curve("measure", "time/measure"),
            curve("credit", "time/credit"),
            curve("train", "time/train"),
            curve("rest", REST),
            curve("eval", "time/eval"),
            curve("circuit", "time/circuit"),
            curve("checkpoint", "time/checkpoint"),
        ],
    ),
    panel(
        "Response tokens per second",
        "",
        &[curve("whole step", "perf/tokens_per_s"), curve("sampling", "perf/generate_tokens_per_s")],
    ),
];

impl Panel {
    /// Every metric that it needs.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.curves.iter().flat_map(|curve| {
            let band = match curve.band {
                None => [None, None],
                Some(Band::Around { key, .. }) => [Some(key), None],
                Some(Band::Between { low, high, .. }) => [Some(low), Some(high)],
            };
            std::iter::once(curve.key).chain(band.into_iter().flatten())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::glossary::explain;

    #[test]
    fn every_number_that_is_drawn_is_one_that_a_run_writes() {
        let keys = PANELS.iter().flat_map(Panel::keys).chain(PHASES).filter(|key| *key != REST);
        let unknown: Vec<_> = keys.filter(|key| explain(key).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
