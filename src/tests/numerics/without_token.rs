//! Rows of the output layer that stand for no token take no part, wherever a policy speaks or is asked.

use crate::batch::{Reads, Sequence, TokenBatch};
use crate::learner::accumulate;
use crate::model::{ModelConfig, Placement, Policy, StatsGrad};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::types::{Completion, GenRequest, Purpose, RunRandom, TokenId};
use tch::{Device, Kind, Tensor};

use super::common::{alone, everywhere, golden, logits, prompt, tokens};

/// Ids above these, and every fifth, have no token.
const LAST: TokenId = 55;

fn has_token() -> Vec<bool> {
    (0..=LAST).map(|id| id % 5 != 4).collect()
}

fn policy(family: &str, placement: Placement, padded: bool) -> Policy {
    let config = ModelConfig::from_folder(&golden(family)).unwrap();
    let config = if padded { config.with_tokens(has_token()) } else { config };
    Policy::load(&golden(family), config, placement).unwrap()
}

fn requests() -> Vec<GenRequest> {
    let request = |sample: u32| {
        let read = tokens(sample.into(), 9).into_iter().filter(|token| has(*token)).collect();
        GenRequest { prompt: prompt(sample.into(), read), prefix: Vec::new(), sample }
    };
    (0..12).map(request).collect()
}

fn generate(policy: &Policy, sampling: SamplingConfig) -> Vec<Completion> {
    let generation = Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling };
    DecodeEngine::new(vec![2], 512, 1 << 14)
        .generate(policy, &requests(), &generation, &mut |_| Ok(()))
        .unwrap()
        .completions
}

fn has(token: TokenId) -> bool {
    has_token().get(token as usize) == Some(&true)
}

/// By the kernel that draws, by truncation, and greedily.
#[test]
fn they_are_never_drawn() {
    let plain = SamplingConfig {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        max_new_tokens: 24,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: 512,
    };
    let ways = [
        plain.clone(),
        SamplingConfig { top_p: 0.95, ..plain.clone() },
        SamplingConfig { top_k: 60, ..plain.clone() },
        SamplingConfig { temperature: 0.0, ..plain.clone() },
    ];
    for (family, backend) in everywhere() {
        for kind in [Kind::Float, Kind::BFloat16] {
            let placement = Placement { backend, ..Placement::cpu(kind) };
            for sampling in &ways {
                let all = |padded| {
                    let done = generate(&policy(family, placement, padded), sampling.clone());
                    done.into_iter().flat_map(|done| done.tokens).collect::<Vec<_>>()
                };
                // What is most likely may be a token all the same.
                let may_be_drawn = all(false).into_iter().any(|token| !has(token));
                assert!(may_be_drawn || sampling.temperature == 0.0, "{family}, {sampling:?}");
                assert!(all(true).into_iter().all(has), "{family}, {sampling:?}");
            }
        }
    }
}

/// Log-probabilities as drawn, as measured and as the loss sees them, and entropies, are those of a softmax over the tokens.
#[test]
fn they_take_no_probability() {
    let temperature = 0.8;
    let sampling = SamplingConfig {
        temperature,
        top_p: 1.0,
        top_k: 0,
        max_new_tokens: 9,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: 512,
    };
    let kept: Vec<i64> = (0..=LAST).filter(|id| has(*id)).map(i64::from).collect();
    let kept = Tensor::from_slice(&kept);
    for (family, backend) in everywhere() {
        let policy = policy(family, Placement { backend, ..Placement::cpu_f32() }, true);
        for (request, done) in requests().iter().zip(generate(&policy, sampling.clone())) {
            let (read, n) = (&request.prompt.tokens, done.tokens.len() as i64);
            let whole = [read.as_slice(), &done.tokens].concat();
            let all = logits(&policy, &policy.network.hidden(&alone(&whole), None).unwrap());
            let next = all.narrow(0, read.len() as i64 - 1, n).to_kind(Kind::Double) / temperature;
            let logs = next.index_select(1, &kept).log_softmax(-1, None); // (T, tokens)
            let entropies = -(logs.exp() * &logs).sum_dim_intlist([-1i64].as_slice(), false, None);
            let of = |token: &TokenId| i64::try_from((0..*token).filter(|id| has(*id)).count()).unwrap();
            let targets = Tensor::from_slice(&done.tokens.iter().map(of).collect::<Vec<_>>());
            let expected = logs.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);

            let batch = TokenBatch::new(
                &[Sequence { prompt: read, response: &done.tokens }],
                Reads::Predictors,
                Device::Cpu,
            );
            let mut gradient = policy.network.zero_gradient();
            accumulate(&policy, &batch, temperature, false, &mut gradient, |stats| {
                for (got, expected) in [
                    (&stats.logprobs, &expected),
                    (&stats.entropies, &entropies),
                    (&Tensor::from_slice(&done.logprobs), &expected),
                ] {
                    assert!(
                        got.to_kind(Kind::Double).allclose(expected, 1e-4, 1e-4, false),
                        "{family}: {got} {expected}"
                    );
                }
                let ones = || stats.logprobs.ones_like();
                StatsGrad { logprobs: ones(), entropies: Some(ones()) }
            })
            .unwrap();
            let rows = Tensor::from_slice(&policy.network.config.rows_without_token());
            let gradient = policy.head_gradient(&mut gradient).to_tensor();
            let (of_rows, others) = (gradient.index_select(0, &rows), gradient.index_select(0, &kept));
            assert_eq!(of_rows.abs().max().double_value(&[]), 0.0, "{family}");
            assert!(others.abs().max().double_value(&[]) > 0.0, "{family}");
        }
    }
}
