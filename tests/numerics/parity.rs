//! The forward pass gives the logits that the transformers library computed on the same folders.

use rlcredit::types::TokenId;
use tch::Tensor;

use super::common::{FAMILIES, distance, golden_json, logits, policy, row};

#[test]
fn logits_equal_those_of_transformers() {
    for family in FAMILIES {
        let expected = golden_json(&format!("{family}/expected.json"));
        let tokens: Vec<Vec<TokenId>> = serde_json::from_value(expected["tokens"].clone()).unwrap();
        let values: Vec<Vec<Vec<f32>>> = serde_json::from_value(expected["logits"].clone()).unwrap();
        let policy = policy(family);
        let tokens = Tensor::cat(&tokens.iter().map(|t| row(t)).collect::<Vec<_>>(), 0);
        let expected = Tensor::from_slice(&values.into_iter().flatten().flatten().collect::<Vec<_>>());
        let got = logits(&policy, &policy.hidden(&tokens, None)); // (2, 12, V)
        let gap = distance(&got, &expected.view_as(&got));
        assert!(gap < 1e-4, "{family}: logits are off by {gap}");
    }
}
