//! What every strategy can be asked for beside its own settings: the controls that tell where its gain falls from how much of it
//! there is.
//!
//! ```text
//! shuffle      gamma_t <- gamma_{pi(t)}          pi a random order of the response's tokens: the dose without the information
//! sum = keep   gamma_t <- gamma_t R / sum gamma  the information without the dose
//! until        gamma_t <- 1                      in the steps behind that share of the run
//! ```

use anyhow::{Context, Result};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApplyTo, CreditConfig, CreditStrategy, Gains, Mark, Response};
use crate::types::{Needs, Purpose, Rules, RunRandom, Step};

/// Begins the name of a strategy whose gains are shuffled.
const SHUFFLED: &str = "shuffled_";

/// One strategy of the chain that reshapes the advantages, in order, and its controls. An empty chain pays every token of a
/// response the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CreditEntry {
    /// Permutes its gains at random within each response: the control that says whether it matters which tokens they fall on.
    #[serde(default)]
    pub shuffle: bool,
    /// Whether its gains may raise the sum of a response's advantages.
    #[serde(default)]
    pub sum: Sum,
    /// Share of the steps of the run, from the first on, in which it reshapes anything.
    #[serde(default = "whole")]
    pub until: f64,
    /// Which strategy, with its own keys.
    #[serde(flatten)]
    pub strategy: CreditConfig,
}

/// What becomes of the sum of a response's gains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sum {
    /// It is what the strategy makes of it.
    #[default]
    Free,
    /// Gains are divided by their mean over the response, so that they are 1 on average.
    Keep,
}

fn whole() -> f64 {
    1.0
}

impl From<CreditConfig> for CreditEntry {
    fn from(strategy: CreditConfig) -> Self {
        Self { shuffle: false, sum: Sum::Free, until: whole(), strategy }
    }
}

impl CreditEntry {
    /// The strategy called `name` with its defaults, or `shuffled_` before it, with its gains shuffled.
    ///
    /// # Errors
    /// If there is none of that name; the message names all there are.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let bare = name.strip_prefix(SHUFFLED);
        let strategy = CreditConfig::named(bare.unwrap_or(name));
        let strategy = strategy.with_context(|| format!("{name:?}")).map_err(|error| match bare {
            Some(_) => error,
            None => anyhow::anyhow!("{}", error.root_cause()),
        })?;
        Ok(Self { shuffle: bare.is_some(), ..strategy.into() })
    }

    /// What it is called.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let shuffled = if self.shuffle { SHUFFLED } else { "" };
        format!("{shuffled}{}", self.strategy.name())
    }

    /// Whether its shuffled self is another strategy: not where gains are all the same, drawn by lot, or shuffled already.
    #[must_use]
    pub(crate) fn has_control(&self) -> bool {
        !self.shuffle && !matches!(self.strategy, CreditConfig::Uniform(_) | CreditConfig::Random(_))
    }

    /// What the shuffled self of the strategy called `name` is called, if there is such a strategy and such a self.
    #[must_use]
    pub(crate) fn control_of(name: &str) -> Option<String> {
        let entry = Self::named(name).ok().filter(Self::has_control)?;
        Some(Self { shuffle: true, ..entry }.name())
    }

    /// Whether it goes by how many steps the run has.
    #[must_use]
    pub(crate) fn ends_early(&self) -> bool {
        self.until < 1.0
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { shuffle: _, sum: _, until, strategy } = self;
        let mut rules = strategy.rules();
        rules.expect(
            "until",
            until,
            "a share of the run, above 0 and at most 1",
            *until > 0.0 && *until <= 1.0,
        );
        rules
    }

    /// What must be measured for it.
    #[must_use]
    pub(crate) fn needs(&self) -> Needs {
        self.strategy.needs()
    }

    /// The strategy as the entry asks for it, in a run of `n_steps` steps with the randomness `random`.
    #[must_use]
    pub(crate) fn build(&self, random: RunRandom, n_steps: Step) -> Box<dyn CreditStrategy> {
        let Self { shuffle, sum, until, strategy } = self;
        let strategy = strategy.build(random);
        if !*shuffle && *sum == Sum::Free && *until >= 1.0 {
            return strategy;
        }
        // A share such as 0.1 of 30 steps is 3 of them, however it is rounded.
        let last = (until * n_steps as f64 + 1e-9).floor() as Step;
        let shuffle = shuffle.then_some(random);
        Box::new(Controlled { strategy, shuffle, sum: *sum, last: (*until < 1.0).then_some(last) })
    }
}

/// A strategy under controls.
struct Controlled {
    strategy: Box<dyn CreditStrategy>,
    /// The randomness by which its gains are shuffled, if they are.
    shuffle: Option<RunRandom>,
    sum: Sum,
    /// The last step in which it reshapes anything; `None` where it always does.
    last: Option<Step>,
}

impl CreditStrategy for Controlled {
    fn needs(&self) -> Needs {
        self.strategy.needs()
    }

    fn apply_to(&self) -> ApplyTo {
        self.strategy.apply_to()
    }

    fn is_over(&self, step: Step) -> bool {
        self.last.is_some_and(|last| step > last)
    }

    fn gains(&self, response: &Response<'_>) -> Result<Gains> {
        let mut gains = self.strategy.gains(response)?;
        if let Some(random) = self.shuffle {
            gains = permuted(&gains, &order(response, random));
        }
        if self.sum == Sum::Keep {
            keep_sum(&mut gains.values);
        }
        Ok(gains)
    }
}

/// A random order of the tokens of `response`: where each of them gets its gain from, `[R]`.
fn order(response: &Response<'_>, random: RunRandom) -> Vec<usize> {
    let mut order: Vec<usize> = (0..response.n_tokens).collect();
    order.shuffle(&mut random.stream(Purpose::Shuffle, &response.coordinates.draw(0)));
    order
}

/// `gains` with those of token `order[t]` on token `t`, and its marks too.
fn permuted(gains: &Gains, order: &[usize]) -> Gains {
    let moved = |mark: &Mark| {
        let tokens = order.iter().enumerate().filter(|(_, from)| mark.tokens.binary_search(from).is_ok());
        Mark { role: mark.role, tokens: tokens.map(|(t, _)| t).collect() }
    };
    Gains {
        values: order.iter().map(|from| gains.values[*from]).collect(),
        marks: gains.marks.iter().map(moved).collect(),
    }
}

/// Divides `gains` by their mean. Where all are 0 there is nothing to keep.
fn keep_sum(gains: &mut [f32]) {
    let mean = gains.iter().map(|gain| f64::from(*gain)).sum::<f64>() / gains.len().max(1) as f64;
    if mean > 0.0 {
        gains.iter_mut().for_each(|gain| *gain = (f64::from(*gain) / mean) as f32);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Coordinates;

    fn entry(text: &str) -> CreditEntry {
        toml::from_str(text).unwrap()
    }

    fn gains_of(entry: &CreditEntry, coordinates: Coordinates, entropies: &[f32]) -> Gains {
        let fai: Vec<Option<f32>> = entropies.iter().copied().map(Some).collect();
        let response = Response::new(coordinates, entropies, &fai, entropies);
        entry.build(RunRandom::new(7), 10).gains(&response).unwrap()
    }

    #[test]
    fn an_entry_is_a_strategy_with_controls() {
        let plain = entry("type = 'entropy'");
        assert_eq!(plain, CreditConfig::named("entropy").unwrap().into());
        let all = entry("type = 'rhythm'\nshuffle = true\nsum = 'keep'\nuntil = 0.5\ngain = 2.0");
        assert_eq!(
            (all.shuffle, all.sum, all.until, all.name().as_str()),
            (true, Sum::Keep, 0.5, "shuffled_rhythm")
        );
        assert_eq!(toml::from_str::<CreditEntry>(&toml::to_string(&all).unwrap()).unwrap(), all);
        for until in ["0.0", "1.5", "nan", "-1"] {
            let problems = entry(&format!("type = 'random'\nuntil = {until}")).rules().problems();
            assert!(problems.len() == 1 && problems[0].starts_with("until: got "), "{problems:?}");
        }
        assert!(toml::from_str::<CreditEntry>("type = 'random'\nshufle = true").is_err());
    }

    #[test]
    fn names_say_whether_gains_are_shuffled() {
        for name in CreditConfig::NAMES {
            let (plain, shuffled) =
                (CreditEntry::named(name).unwrap(), CreditEntry::named(&format!("shuffled_{name}")).unwrap());
            assert_eq!((plain.name(), plain.shuffle), ((*name).to_owned(), false));
            assert_eq!((shuffled.name(), shuffled.shuffle), (format!("shuffled_{name}"), true));
            assert_eq!(shuffled.strategy, plain.strategy);
        }
        for wrong in ["rythm", "shuffled_rythm", "shuffled_"] {
            let error = format!("{:#}", CreditEntry::named(wrong).unwrap_err());
            assert!(error.contains("expected one of uniform"), "{error}");
        }
    }

    #[test]
    fn a_kept_sum_leaves_the_mean_advantage_what_it_is() {
        // Two of five tokens get 1.5: the mean is 1.2.
        let kept = gains_of(
            &entry("type = 'entropy'\nsum = 'keep'"),
            Coordinates::default(),
            &[0.0, 3.0, 1.0, 2.0, 0.5],
        );
        assert_eq!(kept.values, [1.0 / 1.2, 1.25, 1.0 / 1.2, 1.25, 1.0 / 1.2]);
        let nothing = "type = 'entropy'\nsum = 'keep'\ngain = 0.0\nfraction = 1.0";
        assert_eq!(gains_of(&entry(nothing), Coordinates::default(), &[1.0, 2.0]).values, [0.0, 0.0]);
    }

    #[test]
    fn a_strategy_is_over_behind_its_share_of_the_run() {
        let until = |share: f64, n_steps| {
            let strategy =
                entry(&format!("type = 'random'\nuntil = {share:?}")).build(RunRandom::new(0), n_steps);
            (1..=n_steps).filter(|step| !strategy.is_over(*step)).count()
        };
        assert_eq!(
            [until(1.0, 30), until(0.5, 30), until(0.1, 30), until(0.01, 30), until(0.25, 10)],
            [30, 15, 3, 0, 2]
        );
    }

    proptest! {
        #[test]
        fn shuffling_moves_gains_and_marks_and_changes_none(
            entropies in prop::collection::vec(0f32..4.0, 1..60), step in 0u64..50, sample in 0u64..8,
        ) {
            let coordinates = Coordinates { step, prompt: 3, sample };
            for name in CreditConfig::NAMES {
                let [plain, shuffled] = [(*name).to_owned(), format!("shuffled_{name}")]
                    .map(|name| gains_of(&CreditEntry::named(&name).unwrap(), coordinates, &entropies));
                let sorted = |gains: &Gains| {
                    let mut values = gains.values.clone();
                    values.sort_by(f32::total_cmp);
                    values
                };
                prop_assert_eq!(sorted(&plain), sorted(&shuffled));
                for (mark, moved) in plain.marks.iter().zip(&shuffled.marks) {
                    prop_assert!(mark.role == moved.role && moved.tokens.is_sorted());
                    let of = |gains: &Gains, tokens: &[usize]| {
                        let mut values: Vec<f32> = tokens.iter().map(|t| gains.values[*t]).collect();
                        values.sort_by(f32::total_cmp);
                        values
                    };
                    prop_assert_eq!(of(&plain, &mark.tokens), of(&shuffled, &moved.tokens));
                }
            }
        }
    }

    /// Over many responses every token is as likely as any other.
    #[test]
    fn shuffled_gains_fall_anywhere() {
        let entropies = [9.0f32, 0.0, 0.0, 0.0, 0.0];
        let strategy = entry("type = 'entropy'\nfraction = 0.2\nshuffle = true");
        let mut counts = [0u32; 5];
        for sample in 0..5000 {
            let gains = gains_of(&strategy, Coordinates { sample, ..Coordinates::default() }, &entropies);
            counts[gains.values.iter().position(|gain| *gain > 1.0).unwrap()] += 1;
        }
        // 1,000 expected of each, standard deviation 28.
        assert!(counts.iter().all(|n| (880..1120).contains(n)), "{counts:?}");
    }
}
