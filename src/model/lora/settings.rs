//! `[model.lora]`: which matrices get adapters, and of which size.

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// Adapters that learn in the place of the model: W0 + alpha / rank B A beside each of `targets`.
///
/// The defaults are those of TRL. Adapters take a learning rate some ten times as high as all weights do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoraSettings {
    /// Rows of A and columns of B.
    pub rank: u32,
    /// Times 1 / `rank`, what B A is multiplied by; twice the rank is usual.
    pub alpha: f64,
    /// The matrices of every layer that get adapters: all or some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.
    pub targets: Vec<String>,
    /// The share of inputs that adapters do not see while they learn. Only 0: the responses are sampled without, and a policy that
    /// learns otherwise than it samples would be another one.
    pub dropout: f64,
}

impl Default for LoraSettings {
    fn default() -> Self {
        let targets = Target::ALL.map(|target| target.name().to_owned()).to_vec();
        Self { rank: 16, alpha: 32.0, targets, dropout: 0.0 }
    }
}

impl LoraSettings {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { rank, alpha, targets, dropout } = self;
        let mut rules = Rules::default();
        rules.positive("rank", *rank);
        rules.above_zero("alpha", *alpha);
        let wrong = self.targets().err();
        rules.forbid(wrong.is_some(), &["targets"], || {
            wrong.map_or_else(String::new, |wrong| format!(": {wrong}"))
        });
        rules.forbid(targets.is_empty(), &["targets"], || {
            format!(
                ": got none, expected some of {}; without [model.lora] all weights learn",
                Target::names()
            )
        });
        rules.forbid(*dropout != 0.0, &["dropout"], || {
            format!(
                ": got {dropout}, expected 0: responses are sampled without dropout, and what learned with it would be another \
                 policy; leave it out"
            )
        });
        rules
    }

    /// What B A is multiplied by.
    #[must_use]
    pub(crate) fn scale(&self) -> f64 {
        self.alpha / f64::from(self.rank)
    }

    /// The matrices that get adapters, in the order of the model.
    ///
    /// # Errors
    /// If one is none, or is there twice.
    pub(super) fn targets(&self) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(self.targets.len());
        for name in &self.targets {
            let target = Target::ALL.into_iter().find(|target| target.name() == name);
            let target =
                target.with_context(|| format!("got {name:?}, expected some of {}", Target::names()))?;
            anyhow::ensure!(!targets.contains(&target), "{name} is there twice; name each matrix once");
            targets.push(target);
        }
        targets.sort();
        Ok(targets)
    }
}

/// A matrix of every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Output projection of attention.
    O,
    /// Gate of the MLP.
    Gate,
    /// Its up projection.
    Up,
    /// Its down projection.
    Down,
}

impl Target {
    /// All of them, in the order of the model.
    pub(super) const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// Its name, the last part but one of the weight's.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// Which part of a layer it is of.
    pub(super) const fn block(self) -> &'static str {
        match self {
            Self::Q | Self::K | Self::V | Self::O => "self_attn",
            Self::Gate | Self::Up | Self::Down => "mlp",
        }
    }

    /// All names, for a message.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(settings: LoraSettings) -> Vec<String> {
        settings.rules().problems()
    }

    #[test]
    fn what_makes_no_adapters_is_said() {
        let own = LoraSettings::default();
        assert_eq!(problems(own.clone()), Vec::<String>::new());
        assert_eq!((own.scale(), own.targets.len()), (2.0, 7));
        let of = |names: &[&str]| {
            problems(LoraSettings { targets: names.iter().map(ToString::to_string).collect(), ..own.clone() })
        };
        assert_eq!(
            of(&["q_proj", "w_proj"]),
            [
                "targets: got \"w_proj\", expected some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
            ]
        );
        assert_eq!(of(&["q_proj", "q_proj"]), ["targets: q_proj is there twice; name each matrix once"]);
        assert!(of(&[])[0].starts_with("targets: got none, expected some of q_proj"), "{:?}", of(&[]));
        assert_eq!(problems(LoraSettings { rank: 0, ..own.clone() }), ["rank: got 0, expected at least 1"]);
        assert!(
            problems(LoraSettings { alpha: 0.0, ..own.clone() })[0].starts_with("alpha: got 0, expected")
        );
        assert!(
            problems(LoraSettings { dropout: 0.1, ..own })[0].starts_with("dropout: got 0.1, expected 0: ")
        );
    }
}
