//! The few curves that people look at first, for TensorBoard's tab of custom scalars (numbers of the fields as in the plugin's
//! `layout.proto`).

use prost::Message;

use super::events::Value;
use super::text;

/// Charts by title, and what of the metrics each shows, as expressions that a whole tag matches.
const CHARTS: &[(&str, &[&str])] = &[
    ("reward", &["^root/reward_mean$"]),
    ("accuracy", &["^root/correct_mean$", "^eval/[^/]+/avg@\\d+$", "^eval/[^/]+/greedy$"]),
    ("length, tokens", &["^response_length/mean$", "^response_length/max$"]),
    ("cut off", &["^response_length/clip_ratio$"]),
    ("entropy, nats", &["^policy/entropy$"]),
    ("KL, nats", &["^policy/approx_kl$", "^policy/kl_ref$", "^mismatch/kl$"]),
    ("groups", &["^group/mixed$", "^group/solve_all$", "^group/solve_none$"]),
    ("clipped tokens", &["^policy/clip_frac_low$", "^policy/clip_frac_high$"]),
    ("gradient norm", &["^optim/grad_norm$"]),
    ("seconds of a step", &["^time/step$", "^time/generate$", "^time/train$"]),
];

/// `tensorboard.Layout`.
#[derive(Clone, PartialEq, Message)]
struct Layout {
    #[prost(int32, tag = 1)]
    version: i32,
    #[prost(message, repeated, tag = 2)]
    category: Vec<Category>,
}

/// `tensorboard.Category`.
#[derive(Clone, PartialEq, Message)]
struct Category {
    #[prost(string, tag = 1)]
    title: String,
    #[prost(message, repeated, tag = 2)]
    chart: Vec<Chart>,
}

/// `tensorboard.Chart` of several lines.
#[derive(Clone, PartialEq, Message)]
struct Chart {
    #[prost(string, tag = 1)]
    title: String,
    #[prost(message, optional, tag = 2)]
    lines: Option<Lines>,
}

/// `tensorboard.MultilineChartContent`.
#[derive(Clone, PartialEq, Message)]
struct Lines {
    #[prost(string, repeated, tag = 1)]
    tag: Vec<String>,
}

/// The layout as the plugin looks for it.
pub(super) fn value() -> Value {
    let chart = |(title, tags): &(&str, &[&str])| Chart {
        title: (*title).to_owned(),
        lines: Some(Lines { tag: tags.iter().map(|tag| (*tag).to_owned()).collect() }),
    };
    let category =
        Category { title: "a run at a glance".to_owned(), chart: CHARTS.iter().map(chart).collect() };
    let layout = Layout { version: 0, category: vec![category] };
    text::value("custom_scalars__config__", "custom_scalars", layout.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::glossary;

    /// The expressions hold a key of the glossary, placeholders filled in, each.
    #[test]
    fn charts_show_metrics_that_there_are() {
        let filled = |key: &str| key.replace("<set>", "heldout").replace("<k>", "4");
        let keys: Vec<String> = glossary::ENTRIES.iter().map(|entry| filled(entry.key)).collect();
        for tag in CHARTS.iter().flat_map(|(_, tags)| *tags) {
            let plain = tag.trim_matches(['^', '$']).replace("[^/]+", "heldout").replace("\\d+", "4");
            assert!(keys.contains(&plain), "{tag}");
        }
    }
}
