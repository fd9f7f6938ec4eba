//! `[signals]`: where and how the policy's attention is read.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Rules, Step};

/// How WAAD and FAI are measured; the defaults are those of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignalConfig {
    /// Which layers are read.
    pub layers: Layers,
    /// Which heads of them count.
    pub heads: Heads,
    /// Share of the heads in each group: the lowest by span are local, the highest global.
    pub head_fraction: f64,
    /// Steps between two choices of the groups: 1 = every step chooses by its own responses, "frozen" = the first step
    /// chooses for good.
    pub regroup_every: Regroup,
    /// W of WAAD: distances count at most this many tokens.
    pub window: usize,
    /// H of FAI: how many tokens later a token's influence counts, from and to, both included.
    pub horizon: [usize; 2],
    /// Which attention row belongs to a token.
    pub row: Row,
}

impl Default for SignalConfig {
    fn default() -> Self {
        Self {
            layers: Layers::Middle,
            heads: Heads::Groups,
            head_fraction: 0.3,
            regroup_every: Regroup::Every(1),
            window: 10,
            horizon: [10, 100],
            row: Row::Token,
        }
    }
}

/// Which layers are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Layers {
    /// Five evenly spaced ones in the middle third.
    #[default]
    Middle,
    /// All of them.
    All,
    /// These, counted from 0.
    #[schemars(untagged)]
    List(Vec<usize>),
}

/// Which heads of the layers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Heads {
    /// WAAD is the mean of the local heads, FAI that of the global ones.
    #[default]
    Groups,
    /// Both are the mean of all heads.
    All,
}

/// When the groups of heads are chosen anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Regroup {
    /// Never: the first step chooses for good. Written `"frozen"`, or 0.
    Frozen,
    /// Every so many steps, at least 1.
    #[schemars(untagged)]
    Every(u64),
}

/// Which attention row belongs to token t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Row {
    /// Row t: the token looks back.
    #[default]
    Token,
    /// Row t - 1: the position that predicts the token looks back. The index of rows shifts as a whole: distances count from
    /// that position, in WAAD and span as in FAI, where T(s) are the rows, now of predicting positions, `horizon` behind s.
    Predicting,
}

impl Layers {
    /// The layers to read in a model of `n_layers`, in increasing order, each once.
    ///
    /// The middle third is `lo = floor(L / 3)` to `hi = floor(2 L / 3)`; five of it are
    /// `lo + round_half_even(i (hi - lo) / 4)`, i = 0..4.
    #[must_use]
    pub(crate) fn of(&self, n_layers: usize) -> Vec<usize> {
        let mut layers: Vec<usize> = match self {
            Self::All => (0..n_layers).collect(),
            Self::List(layers) => layers.clone(),
            Self::Middle => {
                let (lo, hi) = (n_layers / 3, (2 * n_layers / 3).min(n_layers.saturating_sub(1)));
                let place = |i: usize| (i as f64 * (hi - lo) as f64 / 4.0).round_ties_even() as usize;
                (0..5).map(|i| lo + place(i)).collect()
            }
        };
        layers.sort_unstable();
        layers.dedup();
        layers
    }
}

impl SignalConfig {
    /// Whether the groups of heads are chosen anew in `step`: step 1 is due like the steps 1 + n, 1 + 2n, ... after it.
    #[must_use]
    pub(crate) fn regroups_at(&self, step: Step) -> bool {
        match self.regroup_every {
            Regroup::Frozen => false,
            Regroup::Every(n) => step.saturating_sub(1).is_multiple_of(n),
        }
    }

    /// What its keys may be, whatever the model.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { layers, heads: _, head_fraction, regroup_every: _, window, horizon: [lo, hi], row: _ } =
            self;
        let mut rules = Rules::default();
        let list: &[usize] = if let Layers::List(list) = layers { list } else { &[] };
        let is_empty = list.is_empty() && matches!(layers, Layers::List(_));
        rules.expect("layers", "[]", "\"middle\", \"all\" or at least one layer", !is_empty);
        let mut seen = HashSet::new();
        let twice = list.iter().find(|layer| !seen.insert(**layer));
        let layer = twice.copied().unwrap_or_default();
        rules.expect("layers", format_args!("{layer} twice"), "each layer once", twice.is_none());
        let is_share = *head_fraction > 0.0 && *head_fraction <= 1.0;
        rules.expect("head_fraction", head_fraction, "above 0 and at most 1", is_share);
        rules.expect("window", window, "at least 1 token", *window > 0);
        let horizon = format_args!("[{lo}, {hi}]");
        // Its attention to itself is no influence on what follows.
        rules.expect("horizon", horizon, "1 or more tokens ahead", *lo > 0);
        rules.expect("horizon", horizon, "the nearer end first", *lo == 0 || lo <= hi);
        rules
    }

    /// What of it has no effect although it was set, as a sentence.
    #[must_use]
    pub(crate) fn idle(&self) -> Option<String> {
        let default = Self::default();
        let keys = [
            ("`head_fraction`", self.head_fraction != default.head_fraction),
            ("`regroup_every`", self.regroup_every != default.regroup_every),
        ];
        let set: Vec<&str> = keys.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect();
        (self.heads == Heads::All && !set.is_empty()).then(|| {
            let has = if set.len() == 1 { "has" } else { "have" };
            format!(
                "[signals] {} {has} no effect with `heads` = \"all\", which makes no groups",
                set.join(" and ")
            )
        })
    }

    /// What does not fit a model of `n_layers`.
    #[must_use]
    pub(crate) fn misfits(&self, n_layers: usize) -> Option<String> {
        let Layers::List(layers) = &self.layers else { return None };
        let beyond = layers.iter().find(|layer| **layer >= n_layers)?;
        Some(format!(
            "[signals] `layers`: got {beyond}, the model has {n_layers} layers, 0 to {}",
            n_layers.saturating_sub(1)
        ))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_middle_layers_are_the_papers() {
        assert_eq!(Layers::Middle.of(36), [12, 15, 18, 21, 24]);
        assert_eq!(Layers::Middle.of(30), [10, 12, 15, 18, 20]); // 12.5 and 17.5 to even
        assert_eq!(Layers::Middle.of(4), [1, 2]);
        assert_eq!(Layers::Middle.of(1), [0]);
        assert_eq!(Layers::All.of(3), [0, 1, 2]);
        assert_eq!(Layers::List(vec![5, 2, 5]).of(8), [2, 5]);
    }

    #[test]
    fn layers_read_as_a_name_or_a_list() {
        #[derive(Deserialize)]
        struct Doc {
            layers: Layers,
        }
        let read = |text: &str| toml::from_str::<Doc>(text).map(|doc| doc.layers);
        assert_eq!(read("layers = \"middle\""), Ok(Layers::Middle));
        assert_eq!(read("layers = [3, 4]"), Ok(Layers::List(vec![3, 4])));
        assert!(read("layers = \"midle\"").is_err_and(|e| e.to_string().contains("\"middle\", \"all\"")));
    }

    #[test]
    fn groups_are_frozen_or_chosen_every_so_many_steps() {
        let read = |text: &str| toml::from_str::<SignalConfig>(text).map(|config| config.regroup_every);
        assert_eq!(read(""), Ok(Regroup::Every(1)));
        assert_eq!(read("regroup_every = 5"), Ok(Regroup::Every(5)));
        for frozen in ["regroup_every = 0", "regroup_every = \"frozen\""] {
            let config: SignalConfig = toml::from_str(frozen).unwrap();
            assert_eq!(config.regroup_every, Regroup::Frozen);
            assert!(toml::to_string(&config).unwrap().contains("regroup_every = \"frozen\"\n"));
        }
        for wrong in ["regroup_every = -1", "regroup_every = \"never\"", "regroup_every = 1.5"] {
            assert!(read(wrong).is_err_and(|e| e.to_string().contains("\"frozen\"")), "{wrong}");
        }
    }

    #[test]
    fn settings_of_groups_are_idle_where_there_are_none() {
        let config =
            SignalConfig { head_fraction: 0.5, regroup_every: Regroup::Frozen, ..Default::default() };
        assert_eq!(config.idle(), None);
        let all = SignalConfig { heads: Heads::All, ..config };
        let idle = all.idle().unwrap();
        assert!(idle.starts_with("[signals] `head_fraction` and `regroup_every` have no effect"), "{idle}");
        let only = SignalConfig { head_fraction: 0.3, ..all };
        assert!(only.idle().unwrap().starts_with("[signals] `regroup_every` has no effect"));
        assert_eq!(SignalConfig { heads: Heads::All, ..Default::default() }.idle(), None);
    }
}
