//! The stream against whole maps: every head's N x N attention in f64, and the definitions written out.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use super::config::{Row, SignalConfig};
use super::read::Reader;
use super::stream::{Extent, HeadSums};
use super::{HeadGroups, fai, waad};
use crate::batch::Sequence;
use crate::credit::strategy::{
    Boost, CreditStrategy, GlobalAnchorConfig, LocalChunkConfig, Response, RhythmConfig, Take, Threshold,
    dominated, jumps, top,
};
use crate::model::{Attention, Tapped};
use crate::tests::Draws;
use crate::types::{Coordinates, HeadId, HeadSignal, HeadSignals};

/// Attention rows of one head, `[N][N]`.
type Map = Vec<Vec<f64>>;

/// Span, WAAD and FAI of one head over the response that starts at `p`, straight from the definitions.
fn naive(map: &Map, p: usize, config: &SignalConfig) -> (f64, Vec<f64>, Vec<Option<f64>>) {
    let n = map.len();
    let shift = usize::from(config.row == Row::Predicting);
    let rows: Vec<usize> = (p - shift..n - shift).collect();
    let reach = |t: usize, most: usize| (0..=t).map(|s| map[t][s] * (t - s).min(most) as f64).sum::<f64>();
    let span = rows.iter().map(|t| reach(*t, n)).sum::<f64>() / rows.len() as f64;
    let waad = rows.iter().map(|t| reach(*t, config.window)).collect();
    let [lo, hi] = config.horizon;
    let influence = |s: usize| {
        let later: Vec<f64> =
            rows.iter().filter(|t| (s + lo..=s + hi).contains(*t)).map(|t| map[*t][s]).collect();
        (!later.is_empty()).then(|| later.iter().sum::<f64>() / later.len() as f64)
    };
    (span, waad, (p..n).map(influence).collect())
}

fn close(got: f32, expected: f64) -> bool {
    (f64::from(got) - expected).abs() <= 1e-5 * expected.abs().max(1.0)
}

fn all_close(got: &[f32], expected: &[f64]) -> bool {
    got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| close(*a, *b))
}

fn assert_same(got: &HeadSignals, maps: &[Map], p: usize, config: &SignalConfig) {
    assert_eq!(got.heads.len(), maps.len());
    for (head, map) in got.heads.iter().zip(maps) {
        let (span, waad, fai) = naive(map, p, config);
        assert!(close(head.span, span), "{:?}: span {} {span}", head.id, head.span);
        assert!(all_close(&head.waad, &waad), "{:?}: {:?} {waad:?}", head.id, head.waad);
        // Those that have one come first.
        let defined: Vec<f64> = fai.iter().map_while(|value| *value).collect();
        assert_eq!(defined.len(), fai.iter().flatten().count());
        assert!(all_close(&head.fai, &defined), "{:?}: {:?} {fai:?}", head.id, head.fai);
        let groups = HeadGroups { local: vec![head.id], global: vec![head.id] };
        let averaged = super::fai(got, &groups).unwrap();
        assert_eq!(
            averaged.iter().map(Option::is_some).collect::<Vec<_>>(),
            fai.iter().map(Option::is_some).collect::<Vec<_>>()
        );
    }
}

/// The map of each query head of sequence `b`, of its own `n` tokens.
fn maps(queries: &Tensor, keys: &Tensor, b: i64, n: i64) -> Vec<Map> {
    let (_, _, h, d) = queries.size4().unwrap();
    let group = h / keys.size()[1];
    let head = |head: i64| {
        let q = queries.get(b).select(1, head).narrow(0, 0, n).to_kind(Kind::Double);
        let k = keys.get(b).get(head / group).narrow(0, 0, n).to_kind(Kind::Double);
        let scores = q.mm(&k.transpose(0, 1)) / (d as f64).sqrt();
        let future = Tensor::ones([n, n], (Kind::Bool, Device::Cpu)).triu(1);
        let map = scores.masked_fill(&future, f64::NEG_INFINITY).softmax(-1, None);
        (0..n).map(|t| Vec::<f64>::try_from(map.get(t)).unwrap()).collect()
    };
    (0..h).map(head).collect()
}

/// Sequences to read and how: lengths of prompt and response of its sequences, heads, and the size of a block.
#[derive(Clone, Debug)]
struct Shape {
    config: SignalConfig,
    lengths: Vec<(usize, usize)>,
    /// Key heads, and query heads for each of them.
    heads: [i64; 2],
    max_weights: i64,
}

/// Short and long: shorter and longer than windows and horizons, together at most 300.
fn shape() -> impl Strategy<Value = Shape> {
    let length = || prop_oneof![1..=12usize, 1..=150usize];
    let reach = || prop_oneof![0..=3usize, 0..=40usize, 0..=400usize];
    let row = prop_oneof![Just(Row::Token), Just(Row::Predicting)];
    let config = (1..=40usize, reach(), reach(), row).prop_map(|(window, near, width, row)| {
        let horizon = [near.min(60), near.min(60) + width];
        SignalConfig { window, horizon, row, ..SignalConfig::default() }
    });
    let lengths = prop::collection::vec((length(), length()), 1..=3);
    let blocks = prop_oneof![Just(1), 100..20_000i64, Just(1 << 40)];
    (config, lengths, [1..=3i64, 1..=3i64], blocks).prop_map(|(config, lengths, heads, max_weights)| Shape {
        config,
        lengths,
        heads,
        max_weights,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_stream_equals_whole_maps_whatever_the_shape_and_the_size_of_the_blocks(shape in shape()) {
        let Shape { config, lengths, heads: [k, group], max_weights } = shape;
        let (b, longest) = (lengths.len() as i64, lengths.iter().map(|(p, r)| p + r).max().unwrap());
        let draws = Draws::new(7);
        let normal = |shape: &[i64]| draws.normal(shape);
        let queries = normal(&[b, longest as i64, k * group, 8]) * 2.0;
        let keys = normal(&[b, k, longest as i64, 8]);
        let tokens = vec![1; longest];
        let sequences: Vec<Sequence<'_>> =
            lengths.iter().map(|(p, r)| Sequence { prompt: &tokens[..*p], response: &tokens[..*r] }).collect();
        let mut reader = Reader::new(&config, &[5], &sequences).with_max_weights(max_weights);
        reader.see(&Tapped { layer: 5, sequences: 0..sequences.len(), queries: &queries, keys: &keys, values: &keys, attention: Attention::plain(queries.size()[3]) });
        for (b, (found, (p, r))) in reader.finish().unwrap().iter().zip(&lengths).enumerate() {
            assert_same(found, &maps(&queries, &keys, b as i64, (p + r) as i64), *p, &config);
        }
    }
}

#[test]
fn a_head_of_a_group_that_was_not_read_is_named() {
    let head = |layer, head| HeadId { layer, head };
    let read = |id| HeadSignal { id, span: 1.0, waad: vec![1.0, 3.0], fai: vec![0.5] };
    let response = HeadSignals { heads: vec![read(head(3, 0)), read(head(3, 1))] };
    let groups = |id| HeadGroups { local: vec![head(3, 1), id], global: vec![head(3, 0), id] };
    assert_eq!(waad(&response, &groups(head(3, 0))).unwrap(), [1.0, 3.0]);
    assert_eq!(fai(&response, &groups(head(3, 1))).unwrap(), [Some(0.5), None]);
    for id in [head(3, 2), head(1, 0)] {
        let expected = format!("head {} of layer {} belongs to a group, but was not read", id.head, id.layer);
        for error in [waad(&response, &groups(id)).unwrap_err(), fai(&response, &groups(id)).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains(&expected) && error.contains("layers read are [3]"), "{error}");
        }
    }
    let none = HeadGroups { local: Vec::new(), global: Vec::new() };
    assert!(waad(&response, &none).unwrap_err().to_string().contains("a group has no head"));
}

#[test]
fn layers_that_are_not_asked_for_are_not_read() {
    let t = Tensor::ones([1, 3, 2, 4], (Kind::Float, Device::Cpu));
    let config = SignalConfig::default();
    let sequences = [Sequence { prompt: &[1], response: &[2, 3] }];
    let mut reader = Reader::new(&config, &[1], &sequences);
    for layer in 0..3 {
        let keys = t.transpose(1, 2);
        reader.see(&Tapped {
            layer,
            sequences: 0..sequences.len(),
            queries: &t,
            keys: &keys,
            values: &keys,
            attention: Attention::plain(4),
        });
    }
    let found = reader.finish().unwrap();
    let ids: Vec<_> = found[0].heads.iter().map(|head| (head.id.layer, head.id.head)).collect();
    assert_eq!(ids, [(1, 0), (1, 1)]);
}

/// Rows one at a time, as a sampler makes them, add up to what blocks of rows add up to.
#[test]
fn single_rows_add_up_to_the_same() {
    let config = SignalConfig { window: 3, horizon: [2, 6], ..SignalConfig::default() };
    let (n, p) = (20, 6);
    let draws = Draws::new(8);
    let scores = draws.normal(&[1, 2, n, n]);
    let future = Tensor::ones([n, n], (Kind::Bool, Device::Cpu)).triu(1);
    let map = scores.masked_fill(&future, f64::NEG_INFINITY).softmax(-1, None);
    let one = Tensor::ones([1, 1, 1, 1], (Kind::Float, Device::Cpu));
    let mut sums = HeadSums::new(&config, 1, 2, n, Device::Cpu);
    for t in p..n {
        sums.add(&map.narrow(2, t, 1).narrow(3, 0, t + 1), t, &one);
    }
    let extent = Extent { start: p as usize, n: (n - p) as usize, shift: 0 };
    let found = HeadSignals { heads: sums.finish(0, &[extent]).unwrap().remove(0) };
    let rows = |h: i64| {
        (0..n)
            .map(|t| Vec::<f64>::try_from(map.get(0).get(h).get(t).to_kind(Kind::Double)).unwrap())
            .collect()
    };
    assert_same(&found, &[rows(0), rows(1)], p as usize, &config);
}

/// A case of a file of attention maps with the signals and gains that somebody else computed from them.
#[derive(serde::Deserialize)]
struct Case {
    n: usize,
    response_start: usize,
    window: usize,
    horizon: [usize; 2],
    fraction: f64,
    gain: f64,
    alpha: f64,
    lookback: usize,
    head_fraction: f64,
    attention: Vec<GivenMap>,
    spans: Vec<GivenSpan>,
    local: Vec<HeadId>,
    global_: Vec<HeadId>,
    waad: Vec<f64>,
    fai: Vec<Option<f64>>,
    jump: Vec<f64>,
    t_loc: Vec<usize>,
    t_glob: Vec<usize>,
    dominated: Vec<usize>,
    intro: Vec<usize>,
    gamma_local_chunk: Vec<f64>,
    gamma_global_anchor: Vec<f64>,
    gamma_rhythm: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct GivenMap {
    layer: usize,
    head: usize,
    rows: Map,
}

#[derive(serde::Deserialize)]
struct GivenSpan {
    layer: usize,
    head: usize,
    span: f64,
}

impl Case {
    fn check(&self) {
        let config = SignalConfig {
            window: self.window,
            horizon: self.horizon,
            head_fraction: self.head_fraction,
            ..SignalConfig::default()
        };
        let found = HeadSignals { heads: self.attention.iter().map(|map| self.read(map, &config)).collect() };
        for (head, given) in found.heads.iter().zip(&self.spans) {
            assert_eq!(head.id, HeadId { layer: given.layer, head: given.head });
            assert!(close(head.span, given.span), "{} {}", head.span, given.span);
        }
        let groups = HeadGroups::choose(&config, std::slice::from_ref(&found)).unwrap();
        assert_eq!((&groups.local, &groups.global), (&self.local, &self.global_));
        let (waad, fai) = (waad(&found, &groups).unwrap(), fai(&found, &groups).unwrap());
        let all = all_close;
        assert!(all(&waad, &self.waad), "{waad:?}");
        assert!(fai.iter().zip(&self.fai).all(|(a, b)| {
            a.map(f64::from).zip(*b).map_or(a.is_none() && b.is_none(), |(a, b)| (a - b).abs() < 1e-5)
        }));

        let jumps = jumps(&waad);
        assert!(all(&jumps, &self.jump));
        let scores: Vec<Option<f32>> = jumps.into_iter().map(Some).collect();
        assert_eq!(top(&scores, self.fraction, Take::Top), self.t_loc);
        let anchors = top(&fai, self.fraction, Take::Top);
        assert_eq!(anchors, self.t_glob);
        let dominated = dominated(&anchors, &waad, self.lookback, Threshold::Median, Threshold::Median);
        assert_eq!(dominated.iter().map(|d| d.anchor).collect::<Vec<_>>(), self.dominated);
        let intros: std::collections::BTreeSet<usize> = dominated.iter().map(|d| d.intro).collect();
        assert_eq!(intros.into_iter().collect::<Vec<_>>(), self.intro);

        let (gain, fraction) = (self.gain, self.fraction);
        let (alpha, lookback) = (self.alpha, self.lookback);
        let local_chunk = LocalChunkConfig(Boost { gain, fraction, ..Boost::default() });
        let global_anchor = GlobalAnchorConfig(Boost { gain, fraction, ..Boost::default() });
        let rhythm = RhythmConfig { gain, fraction, alpha, lookback, ..RhythmConfig::default() };
        let strategies: [(&dyn CreditStrategy, &[f64]); 3] = [
            (&local_chunk, &self.gamma_local_chunk),
            (&global_anchor, &self.gamma_global_anchor),
            (&rhythm, &self.gamma_rhythm),
        ];
        let response = Response::new(Coordinates::default(), &waad, &fai, &[]);
        for (strategy, given) in strategies {
            assert!(all(&strategy.gains(&response).unwrap().values, given));
        }
    }

    fn read(&self, map: &GivenMap, config: &SignalConfig) -> HeadSignal {
        let (n, p) = (self.n as i64, self.response_start as i64);
        let padded: Vec<f32> = map
            .rows
            .iter()
            .flat_map(|row| (0..self.n).map(|s| row.get(s).map_or(0.0, |a| *a as f32)))
            .collect();
        let attention = Tensor::from_slice(&padded).view([1, 1, n, n]).narrow(2, p, n - p);
        let mut sums = HeadSums::new(config, 1, 1, n, Device::Cpu);
        sums.add(&attention, p, &Tensor::ones([1, 1, n - p, 1], (Kind::Float, Device::Cpu)));
        let extent = Extent { start: self.response_start, n: self.n - self.response_start, shift: 0 };
        let found = sums.finish(map.layer, &[extent]).unwrap().remove(0).remove(0);
        HeadSignal { id: HeadId { layer: map.layer, head: map.head }, ..found }
    }
}

#[test]
#[ignore = "needs RLCREDIT_SIGNALS, a JSON file of attention maps and what others found in them"]
fn maps_from_elsewhere_give_the_signals_that_others_found_in_them() {
    let path = std::env::var("RLCREDIT_SIGNALS").expect("RLCREDIT_SIGNALS names the file");
    let all: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<Case> = serde_json::from_value(all["cases"].clone()).unwrap();
    assert!(!cases.is_empty());
    cases.iter().for_each(Case::check);
}
