//! Against the definition on whole maps, and golden cases.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::rollout::explore::branch::{AttentionConfig, BranchRule, Root};
use crate::types::{RunRandom, TokenId};

/// Attention rows of one head, `[N][N]`.
type Map = Vec<Vec<f64>>;

/// FCI as it is defined, of a sequence with these ends of steps.
fn naive(heads: &[Map], ends: &[usize], distance: usize) -> Vec<f64> {
    let step = |k: usize| if k == 0 { 0..ends[0] } else { ends[k - 1]..ends[k] };
    let alpha = |map: &Map, j: usize, k: usize| {
        let pairs = step(j).flat_map(|t| step(k).map(move |s| (t, s)));
        pairs.map(|(t, s)| map[t][s]).sum::<f64>() / (step(j).len() * step(k).len()) as f64
    };
    let influence = |map: &Map, k: usize| (k + distance..ends.len()).map(|j| alpha(map, j, k)).sum::<f64>();
    let most = |k: usize| heads.iter().map(|map| influence(map, k)).fold(0.0, f64::max);
    (0..ends.len()).map(|k| if k < 2 { 0.0 } else { most(k) }).collect()
}

/// FCI as the stream gives it, in blocks of `block` rows.
fn streamed(heads: &[Map], bounds: &[StepBounds], distance: usize, block: usize) -> Vec<Vec<f32>> {
    let (h, n) = (heads.len(), heads[0].len());
    let all: Vec<f32> = heads.iter().flatten().flatten().map(|a| *a as f32).collect();
    let all = Tensor::from_slice(&all).view([1, h as i64, n as i64, n as i64]);
    let all = all.expand([bounds.len() as i64, h as i64, n as i64, n as i64], false);
    let mut sums = StepSums::new(bounds, distance, h as i64, n as i64, Device::Cpu);
    let rows = sums.rows();
    for first in rows.clone().step_by(block) {
        let n_rows = (rows.end - first).min(block as i64);
        sums.add(&all.narrow(2, first, n_rows).narrow(3, 0, first + n_rows), first);
    }
    sums.finish().unwrap()
}

fn bounds(ends: &[usize], thought: Option<usize>) -> StepBounds {
    let tokens: Vec<TokenId> = vec![1; *ends.last().unwrap()];
    let (prompt, response) = tokens.split_at(ends[0]);
    let steps: Vec<Range<usize>> = ends.windows(2).map(|pair| pair[0] - ends[0]..pair[1] - ends[0]).collect();
    StepBounds::new(&Sequence { prompt, response }, &Segmented { steps, end_of_thinking: thought })
}

fn assert_close(got: &[f32], expected: &[f64]) {
    let close = got.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() <= 1e-5 * b.max(1.0));
    assert!(got.len() == expected.len() && close, "{got:?}, expected {expected:?}");
}

/// Causal maps of `n` tokens whose rows sum to 1, of `h` heads.
fn maps(h: usize, n: usize) -> impl Strategy<Value = Vec<Map>> {
    let numbers = prop::collection::vec(0.01..1.0f64, h * n * n);
    numbers.prop_map(move |numbers| {
        let row = |head: usize, t: usize| {
            let own = &numbers[(head * n + t) * n..][..n];
            let sum: f64 = own[..=t].iter().sum();
            (0..n).map(|s| if s <= t { own[s] / sum } else { 0.0 }).collect()
        };
        (0..h).map(|head| (0..n).map(|t| row(head, t)).collect()).collect()
    })
}

/// Lengths of steps, and maps over them.
fn sequences() -> impl Strategy<Value = (Vec<usize>, Vec<Map>)> {
    (prop::collection::vec(1..7usize, 1..9), 1..4usize).prop_flat_map(|(lengths, h)| {
        let ends: Vec<usize> = lengths
            .iter()
            .scan(0, |end, n| {
                *end += n;
                Some(*end)
            })
            .collect();
        let n = ends[ends.len() - 1];
        (Just(ends), maps(h, n))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_stream_is_the_definition_whatever_the_steps_and_blocks(
        (ends, heads) in sequences(), distance in 1..5usize, block in 1..20usize
    ) {
        let expected = naive(&heads, &ends, distance);
        let one = bounds(&ends, None);
        // A neighbour with a single step beside it changes nothing.
        let whole = bounds(&[ends[0], ends[ends.len() - 1].max(ends[0] + 1)], None);
        for found in streamed(&heads, std::slice::from_ref(&one), distance, block) {
            assert_close(&found, &expected);
        }
        if ends.len() > 1 {
            assert_close(&streamed(&heads, &[whole, one], distance, block)[1], &expected);
        }
    }
}

#[test]
fn the_step_that_ends_the_thinking_and_those_behind_it_have_none() {
    let heads = vec![
        (0..12).map(|t| (0..12).map(|s| if s <= t { 1.0 / (t + 1) as f64 } else { 0.0 }).collect()).collect(),
    ];
    let ends = [2, 4, 6, 8, 10, 12];
    let all = streamed(&heads, &[bounds(&ends, None)], 1, 5).remove(0);
    assert!(all[2] > 0.0 && all[3] > 0.0 && all[4] > 0.0 && all[5] == 0.0, "{all:?}");
    // Token 5 of the response lies in its third step, which is step 3.
    let until = streamed(&heads, &[bounds(&ends, Some(5))], 1, 5).remove(0);
    assert_eq!(until[..3], all[..3]);
    assert_eq!(until[3..], [0.0; 3]);
}

/// `RLCREDIT_INFLUENCE=FILE cargo test --release --lib -- --ignored influence_from`, FILE with cases of maps, bounds of steps
/// and FCI.
#[test]
#[ignore = "needs a file of cases"]
fn influence_from_a_file_of_maps() {
    let path = std::env::var("RLCREDIT_INFLUENCE").unwrap();
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    fn read<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }
    for case in file["cases"].as_array().unwrap() {
        let ends: Vec<usize> = read::<Vec<[usize; 2]>>(&case["bounds"]).iter().map(|b| b[1]).collect();
        let n = ends[ends.len() - 1];
        let mut heads: Vec<Map> = read(&case["heads"]);
        heads.iter_mut().flatten().for_each(|row| row.resize(n, 0.0));
        let distance = read(&case["delta"]);
        let found = streamed(&heads, &[bounds(&ends, None)], distance, 7).remove(0);
        assert_close(&found, &read::<Vec<f64>>(&case["fci"]));
        assert_close(&found, &naive(&heads, &ends, distance));

        let steps: Vec<Range<usize>> =
            ends.windows(2).map(|pair| pair[0] - ends[0]..pair[1] - ends[0]).collect();
        let rule = AttentionConfig {
            top_fraction: read(&case["top_fraction"]),
            distance,
            min_start: read(&case["min_start"]),
            min_gap: read(&case["min_gap"]),
        };
        let n_tokens = n - ends[0];
        let root = Root {
            n_prompt: ends[0],
            steps: &steps,
            influence: &found[1..],
            ..Root::bare(n_tokens, RunRandom::new(0), 1)
        };
        let places = rule.pick(&root, read(&case["branches"]));
        let steps_of: Vec<usize> =
            places.iter().map(|at| 1 + steps.iter().position(|s| s.start == *at).unwrap()).collect();
        assert_eq!(steps_of, read::<Vec<usize>>(&case["branch_before_step"]));
    }
}
