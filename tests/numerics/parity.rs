//! The forward pass gives the logits that the transformers library computed on the same folders.

use rlcredit::model::Inputs;
use rlcredit::types::TokenId;
use tch::{Device, Tensor};

use super::common::{FAMILIES, distance, golden_json, logits, policy};

#[test]
fn logits_equal_those_of_transformers() {
    for family in FAMILIES {
        let expected = golden_json(&format!("{family}/expected.json"));
        let tokens: Vec<Vec<TokenId>> = serde_json::from_value(expected["tokens"].clone()).unwrap();
        let values: Vec<Vec<Vec<f32>>> = serde_json::from_value(expected["logits"].clone()).unwrap();
        let policy = policy(family);
        let inputs = Inputs::rows(&tokens.concat(), tokens.len(), Device::Cpu);
        let expected = Tensor::from_slice(&values.into_iter().flatten().flatten().collect::<Vec<_>>());
        let by_kernels = policy.hidden(&inputs, None).unwrap();
        let by_operations = policy.forward_by_operations(&inputs, false).hidden;
        for hidden in [by_kernels, by_operations] {
            let got = logits(&policy, &hidden); // (2 * 12, V)
            let gap = distance(&got, &expected.view_as(&got));
            assert!(gap < 1e-4, "{family}: logits are off by {gap}");
        }
    }
}
