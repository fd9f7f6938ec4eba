//! Circuits against their definition: a plain decoder in double precision whose every reader has an input tensor of its own.

use std::cell::Cell;

use anyhow::ensure;
use serde::Deserialize;
use serde_json::json;
use tch::{Device, Kind};

use super::common::{everywhere, golden_json, policy_by, prompt};
use crate::batch::Sequence;
use crate::circuit::pairs::Pair;
use crate::circuit::{CircuitConfig, CircuitFile, Findings, Part, Search, SourceScores};
use crate::measure::{Passes, logprobs};
use crate::model::{BackendChoice, HeadScales, Inputs, Policy};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::types::{GenRequest, Purpose, RunRandom, TokenId};

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<GoldenPair>,
    nodes: Vec<String>,
    edges: Vec<(String, String)>,
    scores: Scores,
    sources: Scores,
    runs: Vec<GoldenRun>,
    scaled: Vec<GoldenScaled>,
}

#[derive(Deserialize)]
struct GoldenScaled {
    scale_heads: String,
    prompt_tokens: Vec<TokenId>,
    response_tokens: Vec<TokenId>,
    logprobs: Vec<f32>,
    greedy_tokens: Vec<TokenId>,
}

#[derive(Deserialize)]
struct GoldenPair {
    clean_tokens: Vec<TokenId>,
    corrupted_tokens: Vec<TokenId>,
    clean_answer: TokenId,
    corrupted_answer: TokenId,
}

/// By metric and pair.
type Scores = std::collections::BTreeMap<String, Vec<Vec<f64>>>;

#[derive(Deserialize)]
struct GoldenRun {
    edges: usize,
    threshold: f64,
    metric: String,
    aggregate: String,
    circuit: Vec<(String, String)>,
    importance: Vec<f64>,
    share: Vec<f64>,
    frequency: Vec<f64>,
    losses: [f64; 3],
}

impl Golden {
    fn pairs(&self) -> Vec<Pair> {
        let pair = |own: &GoldenPair| Pair {
            place: String::new(),
            clean: own.clean_tokens.clone(),
            corrupted: own.corrupted_tokens.clone(),
            clean_answer: Some(own.clean_answer),
            corrupted_answer: Some(own.corrupted_answer),
        };
        self.pairs.iter().map(pair).collect()
    }
}

fn config(steps: usize, metric: &str) -> CircuitConfig {
    let metric = serde_json::from_value(metric.into()).unwrap();
    CircuitConfig { steps, metric, ..CircuitConfig::default() }
}

fn search<'a>(policy: &'a Policy, config: &'a CircuitConfig, max_tokens: usize) -> Search<'a> {
    Search { policy, config, max_tokens, check: &|| Ok(()), advance: &|_| {} }
}

fn close(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= 1e-4 * expected.abs() + 1e-5 * scale
}

/// Mean and mean absolute score of each edge or source.
fn over_pairs(scores: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let n = scores.len() as f64;
    let of = |i: usize| {
        let all = scores.iter().map(|of_pair| of_pair[i]);
        (all.clone().sum::<f64>() / n, all.map(f64::abs).sum::<f64>() / n)
    };
    (0..scores[0].len()).map(of).collect()
}

#[test]
fn scores_are_those_of_the_definition() {
    let golden = golden_json("circuits.json");
    let steps = golden["steps"].as_u64().unwrap() as usize;
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let golden: Golden = serde_json::from_value(golden["families"][family].clone()).unwrap();
        // All runs side by side, and some of them at a time.
        for (metric, max_tokens) in [("kl", 1000), ("logit_diff", 1000), ("kl", 20)] {
            let config = config(steps, metric);
            let search = search(&policy, &config, max_tokens);
            let found = search.run(&golden.pairs(), None).unwrap();
            let file = CircuitFile::new(&found, "", &config, true);
            let expected = over_pairs(&golden.scores[metric]);
            let largest = expected.iter().map(|(_, abs)| *abs).fold(0.0, f64::max);
            assert_eq!((file.nodes, file.edges.len()), (golden.nodes.clone(), expected.len()), "{family}");
            for ((from, to), (score, abs)) in golden.edges.iter().zip(expected) {
                let edge = file.edges.iter().find(|edge| edge.from == *from && edge.to == *to).unwrap();
                let agrees = close(edge.score, score, largest) && close(edge.abs, abs, largest);
                assert!(agrees, "{family}, {metric}, {max_tokens}: {edge:?}, expected {score} {abs}");
            }
            let found: SourceScores = search.sources(&golden.pairs()).unwrap();
            for (node, (score, abs)) in over_pairs(&golden.sources[metric]).into_iter().enumerate() {
                let agrees = close(found.score[node], score, largest) && close(found.abs[node], abs, largest);
                assert!(agrees, "{family}, {metric}, {}: expected {score} {abs}", golden.nodes[node]);
            }
        }
    }
}

#[test]
fn circuits_are_those_of_the_definition() {
    let golden = golden_json("circuits.json");
    let steps = golden["steps"].as_u64().unwrap() as usize;
    for (family, backend) in everywhere() {
        let policy = policy_by(family, Kind::Float, backend);
        let golden: Golden = serde_json::from_value(golden["families"][family].clone()).unwrap();
        for run in &golden.runs {
            let config = CircuitConfig {
                edges: run.edges,
                threshold: run.threshold,
                aggregate: serde_json::from_value(run.aggregate.as_str().into()).unwrap(),
                ..config(steps, &run.metric)
            };
            let found: Findings = search(&policy, &config, 1000).run(&golden.pairs(), None).unwrap();
            let graph = found.graph;
            let names =
                found.circuit.iter().map(|edge| (graph.node_name(edge.from), graph.reader_name(edge.to)));
            let circuit: Vec<_> = names.collect();
            let what = format!("{family}, {} edges, {}, {}", run.edges, run.metric, run.aggregate);
            assert_eq!(circuit, run.circuit, "{what}");
            for (i, (_, part)) in found.heads().into_iter().enumerate() {
                let agrees =
                    close(part.importance, run.importance[i], 1.0) && close(part.share, run.share[i], 1.0);
                assert!(agrees && (part.frequency - run.frequency[i]).abs() < 1e-12, "{what}: {part:?}");
            }
            for (found, expected) in found.losses.into_iter().zip(run.losses) {
                assert!(close(found, expected, 1.0), "{what}: {found}, expected {expected}");
            }
            let search = search(&policy, &config, 1000);
            let [own, all] = search.curve(&golden.pairs(), &found, &[run.edges, usize::MAX]).unwrap()[..]
            else {
                panic!("two sizes");
            };
            assert_eq!((own.kept, own.recovered), (found.circuit.len(), found.recovered()), "{what}");
            let is_whole = (all.loss - found.losses[0]).abs() < 1e-5;
            assert!(run.threshold > 0.0 || (is_whole && all.edges == graph.n_edges()), "{what}: {all:?}");
        }
    }
}

/// Whole sequences and token by token, by every engine.
#[test]
fn scaled_heads_are_edited_weights() {
    let golden = golden_json("circuits.json");
    for (family, backend) in everywhere() {
        let golden: Golden = serde_json::from_value(golden["families"][family].clone()).unwrap();
        for own in golden.scaled {
            let mut policy = policy_by(family, Kind::Float, backend);
            let scales: HeadScales = own.scale_heads.parse().unwrap();
            policy.network.scale_heads(&scales).unwrap();
            let rows = [Sequence { prompt: &own.prompt_tokens, response: &own.response_tokens }];
            let found = logprobs(&policy, &rows, 1.0, Passes::new(100)).unwrap().logprobs;
            for (found, expected) in found[0].iter().zip(&own.logprobs) {
                assert!((found - expected).abs() < 1e-4, "{family}, {}: {found} {expected}", own.scale_heads);
            }
            let greedy = greedy(&policy, &own.prompt_tokens, own.greedy_tokens.len());
            assert_eq!(greedy, own.greedy_tokens, "{family}, {}", own.scale_heads);
        }
    }
}

/// The most likely tokens behind `tokens`.
fn greedy(policy: &Policy, tokens: &[TokenId], n: usize) -> Vec<TokenId> {
    let request = GenRequest { prompt: prompt(0, tokens.to_vec()), prefix: Vec::new(), sample: 0 };
    let sampling = SamplingConfig {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        max_new_tokens: n,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: 4,
    };
    let generation = Generation { random: RunRandom::new(0), purpose: Purpose::Sample, step: 0, sampling };
    let mut engine = DecodeEngine::new(Vec::new(), 4, 1000);
    let mut generated = engine.generate(policy, &[request], &generation, &mut |_| Ok(())).unwrap();
    generated.completions.remove(0).tokens
}

/// A head that is left out stays so, whatever is learnt.
#[test]
fn no_gradient_brings_a_silenced_head_back() {
    for (family, backend) in everywhere() {
        let mut policy = policy_by(family, Kind::Float, backend);
        policy.network.scale_heads(&"0.1=0,1.2=0.5".parse().unwrap()).unwrap();
        let inputs = Inputs::rows(&[5, 6, 7, 8], 1, Device::Cpu);
        let forward = policy.network.forward(&inputs, false).unwrap();
        let (d, mut gradient) = (forward.hidden.ones_like(), policy.network.zero_gradient());
        policy.network.backward(&inputs, forward, &d, &mut gradient).unwrap();
        let size = policy.network.config.head_dim;
        let of = |layer: usize, head: i64| {
            let o = policy.network.layout.layers[layer].o.of(gradient.flat());
            o.narrow(1, head * size, size).abs().max().double_value(&[])
        };
        assert!(of(0, 1) == 0.0 && of(0, 0) > 0.0 && of(1, 2) > 0.0, "{family}");
    }
}

/// Edges that leave the embeddings add up to all that the corruption costs as steps grow, with an error of about 1 / m; and the whole
/// graph is the clean run.
#[test]
fn scores_are_complete() {
    let golden = golden_json("circuits.json");
    let policy = policy_by("qwen3", Kind::Float, BackendChoice::Ops);
    let golden: Golden = serde_json::from_value(golden["families"]["qwen3"].clone()).unwrap();
    let error = |steps: usize| {
        let config = CircuitConfig { edges: usize::MAX, ..config(steps, "logit_diff") };
        let found = search(&policy, &config, 4000).run(&golden.pairs(), None).unwrap();
        let [clean, corrupted, whole] = found.losses;
        assert!((whole - clean).abs() < 1e-5, "{whole} {clean}");
        let from_embed: f64 = found.score[..found.graph.n_destinations()].iter().sum();
        (from_embed - (clean - corrupted)).abs()
    };
    let (few, many) = (error(10), error(100));
    assert!(many < few / 5.0, "{few} {many}");
}

/// Stopped behind whichever run, it comes to the same bits.
#[test]
fn an_interrupted_search_goes_on_to_the_same_bits() {
    let golden = golden_json("circuits.json");
    let policy = policy_by("qwen2", Kind::Float, BackendChoice::Ops);
    let golden: Golden = serde_json::from_value(golden["families"]["qwen2"].clone()).unwrap();
    let config = config(4, "kl");
    // A pair in each pass, and several passes for a pair.
    let whole = search(&policy, &config, 20);
    let expected = whole.run(&golden.pairs(), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json.part");
    let of = |what: &str| Part::open(path.clone(), json!({ "pairs": what }));
    let (asked, advanced) = (Cell::new(0), Cell::new(0));
    for patience in [1, 3, 6, 9, 1000] {
        let check = || {
            asked.set(asked.get() + 1);
            ensure!(asked.get() <= patience, "stop");
            Ok(())
        };
        asked.set(0);
        advanced.set(0);
        let advance = |n| advanced.set(advanced.get() + n);
        let impatient = Search { check: &check, advance: &advance, ..whole };
        let found = impatient.run(&golden.pairs(), Some(&mut of("this").unwrap()));
        assert_eq!(found.is_ok(), patience == 1000);
        if let Ok(found) = found {
            assert!(asked.get() < 20, "it went on, and did not begin anew");
            assert_eq!(advanced.get(), 2 * golden.pairs().len());
            assert_eq!(
                (found.score, found.abs, found.own),
                (expected.score.clone(), expected.abs.clone(), expected.own.clone())
            );
            assert_eq!((found.losses, found.circuit), (expected.losses, expected.circuit.clone()));
        }
        let other = of("other").err().map(|error| error.to_string());
        assert!(other.is_some_and(|said| {
            said.contains("an interrupted search in which `pairs` was \"this\" and is \"other\" now")
        }));
    }
    Part::remove(&path).unwrap();
    assert!(!path.exists());
}
