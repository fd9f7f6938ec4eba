//! Forward context influence against its definition on the eager attention of the transformers library.

use crate::batch::Sequence;
use crate::signal::{Segmented, influence};
use crate::types::TokenId;
use serde::Deserialize;

use tch::Kind;

use super::common::{everywhere, golden_json, policy_by};

#[derive(Deserialize)]
struct Golden {
    prompt: Vec<TokenId>,
    response: Vec<TokenId>,
    steps: Vec<(usize, usize)>,
    fci: std::collections::BTreeMap<String, Vec<f32>>,
}

#[test]
fn influence_agrees_with_transformers_eager_attention() {
    let golden = golden_json("influence.json");
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let sequences: Vec<Golden> = serde_json::from_value(golden[family].clone()).unwrap();
        let rows: Vec<Sequence<'_>> =
            sequences.iter().map(|s| Sequence { prompt: &s.prompt, response: &s.response }).collect();
        let segmented = sequences.iter().map(|s| Segmented {
            steps: s.steps.iter().map(|(start, end)| *start..*end).collect(),
            end_of_thinking: None,
        });
        let segmented: Vec<Segmented> = segmented.collect();
        let _guard = tch::no_grad_guard();
        for (distance, max_tokens) in [(1, 55), (2, 1000), (4, 1000), (4, 55)] {
            let found = influence(&policy, &rows, &segmented, distance, max_tokens, &|| Ok(())).unwrap();
            for (found, golden) in found.iter().zip(&sequences) {
                let expected = &golden.fci[&distance.to_string()];
                let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-5 * b.max(1.0));
                assert!(
                    found.len() == expected.len() && close,
                    "{family}, {distance}: {found:?} {expected:?}"
                );
            }
            assert!(
                found.iter().flatten().filter(|y| **y > 0.0).count() > 5,
                "{family}, {distance}: {found:?}"
            );
        }
    }
}
