//! The forward pass gives the logits that the transformers library computed on the same folders.

use crate::model::Inputs;
use crate::types::TokenId;
use tch::{Device, Kind, Tensor};

use super::common::{distance, everywhere, golden_json, logits, policy_by};

#[test]
fn logits_equal_those_of_transformers() {
    for (family, backend) in everywhere() {
        let expected = golden_json(&format!("{family}/expected.json"));
        let tokens: Vec<Vec<TokenId>> = serde_json::from_value(expected["tokens"].clone()).unwrap();
        let values: Vec<Vec<Vec<f32>>> = serde_json::from_value(expected["logits"].clone()).unwrap();
        let policy = policy_by(family, Kind::Float, backend);
        let inputs = Inputs::rows(&tokens.concat(), tokens.len(), Device::Cpu);
        let expected = Tensor::from_slice(&values.into_iter().flatten().flatten().collect::<Vec<_>>());
        let got = logits(&policy, &policy.network.hidden(&inputs, None).unwrap()); // (2 * 12, V)
        let gap = distance(&got, &expected.view_as(&got));
        assert!(gap < 1e-4, "{family}, {backend:?}: logits are off by {gap}");
    }
}
