//! Laws that every strategy obeys, over random responses.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::credit::Credit;
use crate::credit::advantage::AdvantageConfig;
use crate::credit::advantage::testing::group;
use crate::types::{Coordinates, MeasuredTree, PathField, RunRandom, Signals};

/// Every strategy with its defaults, and rhythm with each way to settle overlaps.
fn all() -> Vec<CreditConfig> {
    let named = CreditConfig::NAMES.iter().map(|name| CreditConfig::named(name).unwrap());
    let overlaps = [Overlap::Cap, Overlap::Overwrite];
    let rhythms = overlaps.map(|overlap| RhythmConfig { overlap, ..RhythmConfig::default() });
    named.chain(rhythms.map(CreditConfig::Rhythm)).collect()
}

#[test]
fn a_strategy_has_the_name_that_recipes_give_it() {
    for name in CreditConfig::NAMES.iter().copied() {
        let config = CreditConfig::named(name).unwrap();
        assert_eq!(toml::Table::try_from(&config).unwrap()["type"].as_str(), Some(name));
        assert_eq!(config.name(), name);
    }
    let error = CreditConfig::named("rythm").unwrap_err().to_string();
    assert!(error.contains("\"rythm\"; expected one of uniform, "), "{error}");
}

#[test]
fn settings_out_of_range_are_named_by_key() {
    for (key, value) in
        [("gain", -0.5), ("gain", 1e300), ("gain", f64::NAN), ("fraction", 0.0), ("fraction", 1.1)]
    {
        for config in all_with(key, value) {
            let problems = config.rules().problems();
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("{key}: got ")), "{problems:?}");
        }
    }
    let wrong = "type = 'rhythm'\nalpha = 1.5\nlookback = 0\ntau_waad = inf\ntau_jump = nan";
    let problems = toml::from_str::<CreditConfig>(wrong).unwrap().rules().problems();
    let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(keys, ["alpha", "lookback", "tau_waad", "tau_jump"]);
    let below = "type = 'rhythm'\ntau_waad = -1\ntau_jump = -0.5";
    let problems = toml::from_str::<CreditConfig>(below).unwrap().rules().problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(all().iter().all(|config| config.rules().problems().is_empty()));
}

/// The same strategies with one more key.
fn all_with(key: &str, value: impl Into<toml::Value> + Clone) -> Vec<CreditConfig> {
    let with = |config: CreditConfig| {
        let mut table = toml::Table::try_from(&config).unwrap();
        table.insert(key.to_owned(), value.clone().into());
        table.try_into().ok() // not every strategy has every key
    };
    all().into_iter().filter_map(with).collect()
}

/// Numbers of one response; tokens without an FAI at its end, as in real ones.
#[derive(Clone, Debug)]
struct Numbers {
    waad: Vec<f32>,
    fai: Vec<Option<f32>>,
    entropies: Vec<f32>,
}

impl Numbers {
    fn response(&self) -> Response<'_> {
        Response::new(Coordinates::default(), &self.waad, &self.fai, &self.entropies)
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    // Few distinct values, so that ties happen.
    let value = || (0u8..20).prop_map(|v| f32::from(v) / 4.0);
    let token = (value(), value(), value());
    (prop::collection::vec(token, 1..80), 0usize..20).prop_map(|(tokens, n_unknown)| {
        let known = tokens.len().saturating_sub(n_unknown);
        Numbers {
            waad: tokens.iter().map(|t| t.0).collect(),
            fai: tokens.iter().enumerate().map(|(i, t)| (i < known).then_some(t.1)).collect(),
            entropies: tokens.iter().map(|t| t.2).collect(),
        }
    })
}

fn gamma(config: &CreditConfig, numbers: &Numbers) -> Vec<f32> {
    gains(config, numbers).values
}

fn gains(config: &CreditConfig, numbers: &Numbers) -> Gains {
    config.build(RunRandom::new(5)).gains(&numbers.response()).unwrap()
}

proptest! {
    #[test]
    fn roles_are_the_same_for_every_response_and_their_tokens_are_of_it(a in numbers(), b in numbers()) {
        for config in all() {
            let roles = |numbers| gains(&config, numbers).marks.iter().map(|mark| mark.role).collect::<Vec<_>>();
            let own = roles(&a);
            prop_assert_eq!(&own, &roles(&b));
            for (i, role) in own.iter().enumerate() {
                prop_assert!(own[..i].iter().all(|other| other.name != role.name && other.letter != role.letter));
                let Some(share) = role.share else { continue };
                prop_assert!(own.iter().any(|wider| wider.name == share.of));
                prop_assert!(crate::observe::glossary::explain(share.metric).is_some());
            }
            for mark in gains(&config, &a).marks {
                prop_assert!(mark.tokens.is_sorted_by(|a, b| a < b), "{:?}: {:?}", config, mark);
                prop_assert!(mark.tokens.iter().all(|t| *t < a.waad.len()));
            }
        }
    }

    #[test]
    fn one_gain_per_token_between_one_and_the_largest(numbers in numbers()) {
        for config in all() {
            let gamma = gamma(&config, &numbers);
            prop_assert_eq!(gamma.len(), numbers.waad.len());
            // An anchor that opens for another adds both extras.
            let most = if matches!(config, CreditConfig::Rhythm(RhythmConfig { overlap: Overlap::Add, .. })) { 1.75 } else { 1.5 };
            prop_assert!(gamma.iter().all(|g| (1.0..=most).contains(g)), "{:?}: {:?}", config, gamma);
        }
    }

    #[test]
    fn a_gain_of_one_is_uniform(numbers in numbers()) {
        for config in all_with("gain", 1.0) {
            prop_assert!(gamma(&config, &numbers).iter().all(|g| *g == 1.0), "{config:?}");
        }
    }

    #[test]
    fn the_chosen_share_is_rounded_up_and_no_token_without_a_score_is_chosen(numbers in numbers()) {
        let n = numbers.waad.len();
        let share = (0.4 * n as f64 - 1e-9).ceil() as usize;
        let known = numbers.fai.iter().flatten().count();
        for config in all() {
            let boosted = gamma(&config, &numbers).iter().filter(|g| **g > 1.0).count();
            match config {
                CreditConfig::Uniform(_) => prop_assert_eq!(boosted, 0),
                CreditConfig::GlobalAnchor(_) => prop_assert_eq!(boosted, share.min(known)),
                CreditConfig::Rhythm(_) => prop_assert!(boosted >= share.min(known) && boosted <= 2 * share),
                _ => prop_assert_eq!(boosted, share, "{:?}", config),
            }
        }
    }

    #[test]
    fn rhythm_hands_the_extra_of_dominated_anchors_around_and_loses_none(numbers in numbers()) {
        let base = RhythmConfig::default();
        let anchors = top(&numbers.fai, base.fraction, Take::Top);
        let dominated = dominated(&anchors, &numbers.waad, base.lookback, base.tau_waad, base.tau_jump);
        let mut intros: Vec<usize> = dominated.iter().map(|d| d.intro).collect();
        intros.dedup();
        for d in &dominated {
            prop_assert!(anchors.contains(&d.anchor) && d.intro < d.anchor && d.anchor - d.intro <= 3);
        }
        let none = CreditConfig::Rhythm(RhythmConfig { alpha: 0.0, ..base });
        let anchor = CreditConfig::GlobalAnchor(GlobalAnchorConfig::default());
        prop_assert_eq!(gamma(&none, &numbers), gamma(&anchor, &numbers)); // nothing moves: plain anchors
        let total = |g: Vec<f32>| g.iter().map(|g| f64::from(*g) - 1.0).sum::<f64>();
        let half = total(gamma(&CreditConfig::Rhythm(base), &numbers));
        // Each dominated anchor gives half its extra away, each distinct opener takes half an extra.
        intros.sort_unstable();
        intros.dedup();
        let expected = 0.5 * (anchors.len() as f64 - 0.5 * dominated.len() as f64 + 0.5 * intros.len() as f64);
        prop_assert!((half - expected).abs() < 1e-4, "{half} {expected}");
    }

    #[test]
    fn the_other_end_of_the_ranking_is_other_tokens(numbers in numbers()) {
        for (top, bottom) in all_with("take", "top").iter().zip(&all_with("take", "bottom")) {
            if matches!(top, CreditConfig::Rhythm(_)) {
                continue;
            }
            let few = |config: &CreditConfig| {
                let mut table = toml::Table::try_from(config).unwrap();
                table.insert("fraction".into(), 0.01.into());
                gamma(&table.try_into().unwrap(), &numbers)
            };
            let (top, bottom) = (few(top), few(bottom));
            let scores_differ = top != bottom;
            let all_equal = |v: &[f32]| v.windows(2).all(|p| p[0] == p[1]);
            let one_known = numbers.fai.iter().flatten().count() <= 1;
            prop_assert!(scores_differ || all_equal(&numbers.waad) || numbers.waad.len() == 1 || one_known
                || all_equal(&numbers.entropies) || all_equal(&numbers.fai.iter().flatten().copied().collect::<Vec<_>>())
                || all_equal(&jumps(&numbers.waad)));
        }
    }
}

/// Three responses of 1, 2 and 3 tokens with rewards 1, 0, 0 and made-up signals.
fn tree() -> MeasuredTree {
    let mut tree = group(&[1.0, 0.0, 0.0]);
    let number = |leaf: usize, t: usize| (leaf * 3 + t * 2 % 5) as f32;
    tree.entropies = Some(PathField::from_fn(&tree.tree, number));
    let waad = PathField::from_fn(&tree.tree, number);
    let fai = PathField::from_fn(&tree.tree, |leaf, t| Some(number(leaf, t)));
    tree.signals = Some(Signals { waad, fai });
    tree.values = Some(PathField::from_fn(&tree.tree, |leaf, t| 0.2 * number(leaf, t) - 0.3));
    tree
}

fn credited(
    strategies: &[CreditConfig],
    estimator: &str,
) -> (crate::types::CreditedTree, crate::types::MetricRow) {
    let estimator: AdvantageConfig = toml::from_str(&format!("type = '{estimator}'")).unwrap();
    let credit = Credit {
        strategies: strategies.iter().map(|config| config.build(RunRandom::new(5))).collect(),
        ..Credit::new(estimator)
    };
    let (mut trees, row) = credit.assign(vec![tree()], 3, 0.0).unwrap();
    (trees.remove(0), row)
}

#[test]
fn the_advantage_is_gamma_times_the_estimate_under_every_estimator() {
    for estimator in ["group", "leave_one_out", "batch_baseline", "gae"] {
        let (plain, _) = credited(&[], estimator);
        for config in all() {
            let (shaped, row) = credited(from_ref(&config), estimator);
            let product = plain.advantages.map(|leaf, t, a| a * shaped.gains.path(leaf)[t]);
            assert_eq!(shaped.advantages, product, "{config:?} under {estimator}");
            assert!(row.get("credit/gain_mean").unwrap() >= 1.0);
            // Reshaping never turns a token's sign.
            let signs = shaped.advantages.map(|leaf, t, a| a * plain.advantages.path(leaf)[t] >= 0.0);
            assert!(signs.iter().flatten().all(|same| *same));
        }
    }
}

#[test]
fn strategies_of_a_chain_multiply() {
    let all = all();
    for first in &all {
        for second in &all {
            let (chain, _) = credited(&[first.clone(), second.clone()], "group");
            let (a, b) =
                (credited(from_ref(first), "group").0.gains, credited(from_ref(second), "group").0.gains);
            assert_eq!(chain.gains, a.map(|leaf, t, gamma| gamma * b.path(leaf)[t]));
        }
    }
}

#[test]
fn only_advantages_of_the_chosen_sign_are_reshaped() {
    let (plain, _) = credited(&[], "group");
    for (name, spared) in [("positive", -1.0f32), ("negative", 1.0)] {
        for config in all_with("apply_to", name) {
            let (shaped, _) = credited(from_ref(&config), "group");
            let untouched = |(leaf, advantages): (usize, &[f32])| {
                advantages.iter().zip(plain.advantages.path(leaf)).all(|(a, b)| b * spared <= 0.0 || a == b)
            };
            assert!(shaped.advantages.iter().enumerate().all(untouched), "{config:?}");
        }
    }
}

#[test]
fn what_a_strategy_needs_is_asked_for_and_missed_by_name() {
    let bare = group(&[1.0, 0.0]);
    for config in all() {
        let strategy = config.build(RunRandom::new(0));
        let needs = strategy.needs();
        let result = strategy.gains(&Response::of_leaf(&bare, 1, 1));
        let asks = needs.signals() || needs.old_logprobs;
        assert_eq!(result.is_err(), asks, "{config:?}");
        if let Err(error) = result {
            assert!(error.to_string().ends_with("not measured"), "{error}");
        }
    }
}

#[test]
fn random_credit_differs_between_responses_and_never_between_runs() {
    let config = toml::from_str::<CreditConfig>("type = 'random'").unwrap();
    let draw = |[step, prompt, sample]: [u64; 3], seed| {
        let coordinates = Coordinates { step, prompt, sample };
        let response = Response { n_tokens: 40, coordinates, waad: None, fai: None, entropies: None };
        config.build(RunRandom::new(seed)).gains(&response).unwrap().values
    };
    assert_eq!(draw([1, 2, 3], 0), draw([1, 2, 3], 0));
    for (place, seed) in [([1, 2, 4], 0), ([1, 3, 3], 0), ([2, 2, 3], 0), ([1, 2, 3], 1)] {
        assert_ne!(draw(place, seed), draw([1, 2, 3], 0));
    }
}
