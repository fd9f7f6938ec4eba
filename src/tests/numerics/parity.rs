//! The forward pass gives the logits that the transformers library computed on the same folders.

use crate::model::config::Family;
use crate::model::{Backend, Inputs, ModelConfig, Placement};
use crate::types::TokenId;
use tch::{Device, Kind, Tensor};

use super::common::{FAMILIES, KERNELS, distance, everywhere, golden, golden_json, logits, policy_by};

#[test]
fn every_family_has_its_model() {
    assert_eq!(FAMILIES, Family::ALL.map(Family::model_type));
    let by_kernels = |family: &&str| {
        let config = ModelConfig::from_folder(&golden(family)).unwrap();
        Backend::choose(&config, Placement::cpu(Kind::Float)) == Backend::Cpu
    };
    assert_eq!(FAMILIES.into_iter().filter(by_kernels).collect::<Vec<_>>(), KERNELS);
}

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
