//! Attention signals and credit against slow reference code on the eager attention of the transformers library.

use crate::batch::Sequence;
use crate::credit::strategy::{self, CreditConfig, Response, Take, Threshold};
use crate::measure::{self, Passes};
use crate::signal::{self, HeadGroups, Heads, Layers, SignalConfig};
use crate::types::{Coordinates, HeadId, RunRandom, TokenId};
use serde::Deserialize;
use serde_json::Value;

use tch::Kind;

use super::common::{everywhere, golden_json, policy_by};

#[derive(Deserialize)]
struct Averages {
    waad: Vec<f32>,
    fai: Vec<Option<f32>>,
}

#[derive(Deserialize)]
struct Anatomy {
    waad: Vec<f32>,
    fai: Vec<Option<f32>>,
    jump: Vec<f32>,
    t_loc: Vec<usize>,
    t_glob: Vec<usize>,
    dominated: Vec<usize>,
    intro: Vec<usize>,
}

fn assert_close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let same = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    assert!(got.iter().zip(expected).all(same), "{what}: {got:?} {expected:?}");
}

fn assert_close_where_known(got: &[Option<f32>], expected: &[Option<f32>], what: &str) {
    let known = |values: &[Option<f32>]| values.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(known(got), known(expected), "{what}");
    let values = |values: &[Option<f32>]| values.iter().copied().flatten().collect::<Vec<_>>();
    assert_close(&values(got), &values(expected), what);
}

fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// The sets and gains that follow from the golden signals themselves, so that a rounding cannot move a rank.
fn assert_anatomy(expected: &Anatomy, gamma: impl Fn(&str) -> Vec<f32>, constants: &Value) {
    let jumps = strategy::jumps(&expected.waad);
    assert_close(&jumps, &expected.jump, "jump");
    let fraction = constants["fraction"].as_f64().unwrap();
    let some: Vec<Option<f32>> = jumps.into_iter().map(Some).collect();
    assert_eq!(strategy::top(&some, fraction, Take::Top), expected.t_loc);
    let anchors = strategy::top(&expected.fai, fraction, Take::Top);
    assert_eq!(anchors, expected.t_glob);
    let lookback = read::<usize>(&constants["lookback"]);
    let found = strategy::dominated(&anchors, &expected.waad, lookback, Threshold::Median, Threshold::Median);
    assert_eq!(found.iter().map(|d| d.anchor).collect::<Vec<_>>(), expected.dominated);
    let mut intros: Vec<usize> = found.iter().map(|d| d.intro).collect();
    intros.sort_unstable();
    intros.dedup();
    assert_eq!(intros, expected.intro);

    for name in ["local_chunk", "global_anchor", "rhythm"] {
        let mut entry = serde_json::json!({"type": name, "gain": constants["gain"], "fraction": fraction});
        if name == "rhythm" {
            entry["alpha"] = constants["alpha"].clone();
            entry["lookback"] = constants["lookback"].clone();
        }
        let strategy = read::<CreditConfig>(&entry).build(RunRandom::new(0));
        let response = Response::new(Coordinates::default(), &expected.waad, &expected.fai, &[]);
        assert_close(&strategy.gains(&response).unwrap().values, &gamma(name), name);
    }
}

#[test]
fn signals_and_credit_agree_with_transformers_eager_attention() {
    let golden = golden_json("signals.json");
    let config = SignalConfig {
        window: read(&golden["window"]),
        horizon: read(&golden["horizon"]),
        head_fraction: read(&golden["head_fraction"]),
        layers: Layers::All,
        ..SignalConfig::default()
    };
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let golden_family = &golden["families"][family];
        let sequences = golden_family["sequences"].as_array().unwrap();
        let tokens: Vec<[Vec<TokenId>; 2]> =
            sequences.iter().map(|s| [read(&s["prompt"]), read(&s["response"])]).collect();
        let rows: Vec<Sequence<'_>> =
            tokens.iter().map(|[prompt, response]| Sequence { prompt, response }).collect();

        // One sequence per pass or all together, with or without the rest of the forward pass: all the same.
        for (max_tokens, stats) in [(47, false), (1000, false), (1000, true)] {
            let passes = Passes::new(max_tokens);
            let found = match stats {
                true => measure::logprobs_and_attention(&policy, &rows, 1.0, &config, passes).unwrap().1,
                false => measure::attention(&policy, &rows, &config, passes).unwrap(),
            };
            let groups = HeadGroups::choose(&config, &found).unwrap();
            assert_eq!(groups.local, read::<Vec<HeadId>>(&golden_family["local"]), "{family}");
            assert_eq!(groups.global, read::<Vec<HeadId>>(&golden_family["global"]), "{family}");
            let half = SignalConfig { head_fraction: 0.5, ..config.clone() };
            let half = HeadGroups::choose(&half, &found).unwrap();
            assert_eq!(half, read(&golden_family["half"]), "{family}");
            let all = SignalConfig { heads: Heads::All, ..config.clone() };
            let all = HeadGroups::choose(&all, &found).unwrap();
            assert!(all.local == all.global && all.local.len() == found[0].heads.len());
            for (response, sequence) in found.iter().zip(sequences) {
                for (head, golden) in response.heads.iter().zip(sequence["heads"].as_array().unwrap()) {
                    assert_eq!(head.id, read::<HeadId>(&golden["id"]));
                    assert_close(&[head.span], &[read(&golden["span"])], "span");
                    assert_close(&head.waad, &read::<Vec<f32>>(&golden["waad"]), "waad");
                    let fai: Vec<Option<f32>> = read(&golden["fai"]);
                    assert_close(&head.fai, &fai.iter().copied().flatten().collect::<Vec<_>>(), "fai");
                }
                let expected: Anatomy = read(sequence);
                let over_all: Averages = read(&sequence["all"]);
                for (groups, waad, fai) in
                    [(&groups, &expected.waad, &expected.fai), (&all, &over_all.waad, &over_all.fai)]
                {
                    assert_close(&signal::waad(response, groups).unwrap(), waad, "mean waad");
                    assert_close_where_known(&signal::fai(response, groups).unwrap(), fai, "mean fai");
                }
                assert_anatomy(&expected, |name| read(&sequence["gamma"][name]), &golden);
            }
        }
    }
}
