//! `[signals]`: where and how the policy's attention is read.

use std::collections::HashSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{HeadId, Rules, Step};

/// How WAAD and FAI are measured; the defaults are those of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignalConfig {
    /// Which layers are read.
    pub layers: Layers,
    /// Which heads count: of these layers, or those that a circuit names, of whatever layers.
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

/// Which heads count.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Heads {
    /// Of the layers that are read, WAAD is the mean of the local heads, FAI that of the global ones.
    #[default]
    Groups,
    /// Both are the mean of all heads of these layers.
    All,
    /// Both are the mean of the heads, of whatever layers, that carried the answer where `[circuit] every` last measured
    /// the policy.
    Circuit,
    /// Both are the mean of these heads, `["1.2", "0.3"]`: layer and number, counted from 0.
    #[schemars(untagged)]
    Listed(#[schemars(with = "Vec<String>")] Vec<HeadId>),
    /// Both are the mean of the heads that count most in the circuit of a file.
    #[schemars(untagged)]
    OfCircuit(CircuitHeads),
}

/// `{ circuit = "circuit.json", top = 0.3 }`: heads of a circuit that `rlcredit circuit` has found.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct CircuitHeads {
    /// Its file.
    pub circuit: PathBuf,
    /// Share of its heads that count, those of most importance, and at least one.
    pub top: f64,
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
    /// The layers to read in a model of `n_layers`, in increasing order, each once.
    #[must_use]
    pub(crate) fn layers_of(&self, n_layers: usize) -> Vec<usize> {
        match &self.heads {
            Heads::Groups | Heads::All => self.layers.of(n_layers),
            // Heads come and go while a run trains.
            Heads::Circuit | Heads::OfCircuit(_) => Layers::All.of(n_layers),
            Heads::Listed(heads) => Layers::List(heads.iter().map(|head| head.layer).collect()).of(n_layers),
        }
    }

    /// Whether the groups of heads are chosen anew in `step`: step 1 is due like the steps 1 + n, 1 + 2n, ... after it. Heads
    /// of a circuit change where that is measured.
    #[must_use]
    pub(crate) fn regroups_at(&self, step: Step) -> bool {
        match (&self.heads, self.regroup_every) {
            (Heads::Circuit, _) | (_, Regroup::Frozen) => false,
            (_, Regroup::Every(n)) => step.saturating_sub(1).is_multiple_of(n),
        }
    }

    /// What its keys may be, whatever the model.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { layers, heads, head_fraction, regroup_every: _, window, horizon: [lo, hi], row: _ } = self;
        let mut rules = Rules::default();
        if let Heads::OfCircuit(CircuitHeads { top, .. }) = heads {
            let is_share = *top > 0.0 && *top <= 1.0;
            rules.expect("heads", format_args!("{{ top = {top} }}"), "`top` above 0 and at most 1", is_share);
        }
        if let Heads::Listed(heads) = heads {
            rules.expect("heads", "[]", "at least one head, such as \"1.2\"", !heads.is_empty());
            let mut seen = HashSet::new();
            let twice = heads.iter().find(|head| !seen.insert(**head));
            let got = twice.map_or_else(String::new, |head| format!("{head} twice"));
            rules.expect("heads", got, "each head once", twice.is_none());
        }
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
        let is_circuit = !matches!(self.heads, Heads::Groups | Heads::All);
        let keys = [
            ("`layers`", is_circuit && self.layers != default.layers),
            ("`head_fraction`", self.head_fraction != default.head_fraction),
            ("`regroup_every`", self.regroup_every != default.regroup_every),
        ];
        let set: Vec<&str> = keys.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect();
        (self.heads != Heads::Groups && !set.is_empty()).then(|| {
            let (last, others) = set.split_last().unwrap_or((&"", &[]));
            let keys = match others {
                [] => (*last).to_owned(),
                others => format!("{} and {last}", others.join(", ")),
            };
            let has = if set.len() == 1 { "has" } else { "have" };
            let why = match &self.heads {
                Heads::Groups | Heads::All => "`heads` = \"all\", which makes no groups",
                Heads::Circuit => "`heads` = \"circuit\", which says where they lie",
                Heads::Listed(_) | Heads::OfCircuit(_) => "such `heads`, which say where they lie",
            };
            format!("[signals] {keys} {has} no effect with {why}")
        })
    }

    /// What does not fit a model of `n_layers` with `n_heads` query heads each.
    #[must_use]
    pub(crate) fn misfits(&self, n_layers: usize, n_heads: usize) -> Option<String> {
        let [last_layer, last_head] = [n_layers, n_heads].map(|n| n.saturating_sub(1));
        if let Heads::Listed(heads) = &self.heads {
            let beyond = heads.iter().find(|id| id.layer >= n_layers || id.head >= n_heads)?;
            return Some(format!(
                "[signals] `heads`: got {beyond}, the model has layers 0 to {last_layer} of heads 0 to {last_head}"
            ));
        }
        let Layers::List(layers) = &self.layers else { return None };
        let beyond = layers.iter().find(|layer| **layer >= n_layers)?;
        Some(format!("[signals] `layers`: got {beyond}, the model has {n_layers} layers, 0 to {last_layer}"))
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
    fn heads_read_as_a_name_a_list_or_those_of_a_circuit() {
        let read = |text: &str| toml::from_str::<SignalConfig>(text).map(|config| config.heads);
        let circuit = |top| Heads::OfCircuit(CircuitHeads { circuit: "c.json".into(), top });
        for (text, heads) in [
            ("heads = \"groups\"", Heads::Groups),
            ("heads = \"circuit\"", Heads::Circuit),
            ("heads = [\"1.2\", \"0.3\"]", Heads::Listed(vec![(1, 2).into(), (0, 3).into()])),
            ("heads = { circuit = \"c.json\" }", circuit(0.3)),
            ("heads = { circuit = \"c.json\", top = 1 }", circuit(1.0)),
        ] {
            assert_eq!(read(text).unwrap(), heads);
            let config = SignalConfig { heads: heads.clone(), ..Default::default() };
            assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), heads, "{text}");
        }
        for (wrong, expected) in [
            ("heads = \"group\"", "\"groups\", \"all\", \"circuit\""),
            ("heads = [\"1\"]", "got \"1\", expected LAYER.HEAD"),
            ("heads = { top = 0.3 }", "`circuit`"),
            ("heads = { circuit = \"c.json\", most = 3 }", "`most`"),
        ] {
            let said = read(wrong).unwrap_err().to_string();
            assert!(said.contains(expected), "{wrong}: {said}");
        }
        for (wrong, expected) in [
            ("heads = []", "at least one head"),
            ("heads = [\"1.2\", \"1.2\"]", "each head once"),
            ("heads = { circuit = \"c.json\", top = 0 }", "above 0 and at most 1"),
        ] {
            let config: SignalConfig = toml::from_str(wrong).unwrap();
            assert!(config.rules().problems().concat().contains(expected), "{wrong}");
        }
    }

    #[test]
    fn layers_are_those_of_listed_heads() {
        let of = |heads| SignalConfig { heads, ..Default::default() };
        let listed = of(Heads::Listed(vec![(3, 0).into(), (1, 2).into(), (3, 1).into()]));
        assert_eq!(listed.layers_of(4), [1, 3]);
        assert_eq!(of(Heads::Circuit).layers_of(4), [0, 1, 2, 3]);
        assert_eq!(of(Heads::All).layers_of(4), [1, 2]);
        assert_eq!(listed.misfits(4, 3), None);
        assert!(
            listed.misfits(4, 2).unwrap().contains("got 1.2, the model has layers 0 to 3 of heads 0 to 1")
        );
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
        let circuit = SignalConfig { heads: Heads::Circuit, layers: Layers::All, ..only };
        let idle = circuit.idle().unwrap();
        assert!(idle.starts_with("[signals] `layers` and `regroup_every` have no effect"), "{idle}");
    }
}
