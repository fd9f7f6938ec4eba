//! The golden policies, and prompts and samples made up for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{Sequence, TrainSample};
use crate::measure::{Passes, logprobs};
use crate::model::{BackendChoice, Inputs, ModelConfig, Placement, Policy};
use crate::types::{Finish, Leaf, Prompt, Purpose, RunRandom, TokenId, Tree};
use rewards::{Countdown, Status, Task, Verdict};
use tch::{Device, Kind, Tensor};

/// Between them: tied and untied embeddings, biases, norms on queries and keys, grouped queries, stretched rotations, four norms
/// in a layer, soft limits, windows.
pub(super) const FAMILIES: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma2"];

/// Those that the kernels know.
pub(super) const KERNELS: [&str; 3] = ["llama", "qwen2", "qwen3"];

pub(super) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub(super) fn golden_json(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

/// Every family by every engine that knows it: by the kernels, and by libtorch's operations.
pub(super) fn everywhere() -> impl Iterator<Item = (&'static str, BackendChoice)> {
    let by_kernels = KERNELS.into_iter().map(|family| (family, BackendChoice::Auto));
    by_kernels.chain(FAMILIES.into_iter().map(|family| (family, BackendChoice::Ops)))
}

pub(super) const BACKENDS: [BackendChoice; 2] = [BackendChoice::Auto, BackendChoice::Ops];

pub(super) fn policy_by(family: &str, kind: Kind, backend: BackendChoice) -> Policy {
    let config = ModelConfig::from_folder(&golden(family)).unwrap();
    Policy::load(&golden(family), config, Placement { backend, ..Placement::cpu(kind) }).unwrap()
}

pub(super) fn policy_in(family: &str, kind: Kind) -> Policy {
    policy_by(family, kind, BackendChoice::Auto)
}

pub(in crate::tests) fn policy(family: &str) -> Policy {
    policy_in(family, Kind::Float)
}

/// Made-up tokens, the same for the same `seed`.
pub(in crate::tests) fn tokens(seed: u64, n: usize) -> Vec<TokenId> {
    let random = RunRandom::new(99);
    (0..n as u64).map(|i| 3 + (random.bits(Purpose::Items, &[seed, i]) % 61) as TokenId).collect()
}

/// Made-up numbers around 0 of about unit size.
pub(super) fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let random = RunRandom::new(98);
    (0..n as u64).map(|i| (3.0 * random.uniform(Purpose::Items, &[seed, i]) - 1.5) as f32).collect()
}

pub(in crate::tests) fn prompt(id: u64, tokens: Vec<TokenId>) -> Arc<Prompt> {
    let task = Task::Countdown(Countdown { numbers: vec![1, 2, 3], target: 6 });
    Arc::new(Prompt { id, text: String::from("p"), tokens, task })
}

pub(super) fn leaf(sample: u32, tokens: Vec<TokenId>, logprobs: Vec<f32>) -> Leaf {
    let verdict = Verdict::new(0.0, Default::default(), Status::Ok);
    Leaf {
        sample,
        fork: None,
        tokens,
        logprobs,
        finish: Finish::Eos,
        versions: Vec::new(),
        text: String::new(),
        verdict,
        is_graded: true,
        rounding: 0.0,
    }
}

/// Log-probabilities of the leaves' tokens under `policy`, leaf after leaf.
pub(super) fn measured(
    policy: &Policy,
    trees: &[Tree],
    temperature: f64,
    max_tokens: usize,
) -> Vec<Vec<f32>> {
    let leaves = trees.iter().flat_map(|tree| tree.leaves.iter().map(move |leaf| (tree, leaf)));
    let sequences: Vec<Sequence<'_>> =
        leaves.map(|(tree, leaf)| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens }).collect();
    logprobs(policy, &sequences, temperature, Passes::new(max_tokens)).unwrap().logprobs
}

/// Nine samples of three prompts, of different lengths, with made-up advantages on every token.
pub(super) fn samples() -> Vec<TrainSample> {
    let lengths = [(4, [7, 1, 3]), (1, [5, 12, 2]), (9, [4, 4, 10])];
    let trees = (0..).zip(lengths).flat_map(|(t, (n_prompt, responses))| {
        let prompt = prompt(t as u64, tokens(t as u64, n_prompt));
        (0..).zip(responses).map(move |(l, n)| {
            let seed = (100 + 10 * t + l) as u64;
            TrainSample {
                prompt: Arc::clone(&prompt),
                tokens: tokens(seed, n),
                from: 0,
                old_logprobs: None,
                ref_logprobs: None,
                advantages: numbers(seed, n),
                values: None,
                returns: None,
                place: (t, l),
            }
        })
    });
    trees.collect()
}

/// Hidden states to logits `[.., V]` at temperature 1, all at once.
pub(super) fn logits(policy: &Policy, hidden: &Tensor) -> Tensor {
    policy.head(1.0).logits(hidden)
}

/// Token ids as one row, `[1, T]`.
/// One sequence as a model reads it.
pub(super) fn alone(tokens: &[TokenId]) -> Inputs {
    Inputs::rows(tokens, 1, Device::Cpu)
}

pub(super) fn row(tokens: &[TokenId]) -> Tensor {
    Tensor::from_slice(&tokens.iter().map(|t| i64::from(*t)).collect::<Vec<_>>()).unsqueeze(0)
}

/// Largest distance between two tensors' elements; NaN if one of them has a NaN.
pub(super) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}
