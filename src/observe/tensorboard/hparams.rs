//! Settings for TensorBoard's tab of hyperparameters, beside the numbers that runs are compared by.
//!
//! What a run is told of stands in the metadata of empty summaries, as protocol buffers of the plugin (numbers as in its
//! `plugin_data.proto` and `api.proto`).

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value as Json;

use super::events::{PluginData, SummaryMetadata, Value};
use crate::observe::{About, Ending};

/// Sections that leave the course of a run alone.
const IDLE: [&str; 3] = ["checkpoint", "observe", "run.name"];

/// `tensorboard.hparams.HParamsPluginData`.
#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(int32, tag = 1)]
    version: i32,
    #[prost(oneof = "Part", tags = "2, 3, 4")]
    part: Option<Part>,
}

/// What a summary tells.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Part {
    #[prost(message, tag = "2")]
    Experiment(Experiment),
    #[prost(message, tag = "3")]
    Start(Start),
    #[prost(message, tag = "4")]
    End(End),
}

/// `tensorboard.hparams.Experiment`.
#[derive(Clone, PartialEq, Message)]
struct Experiment {
    #[prost(message, repeated, tag = 4)]
    hparams: Vec<HParam>,
    #[prost(message, repeated, tag = 5)]
    metrics: Vec<Metric>,
}

/// `tensorboard.hparams.HParamInfo`.
#[derive(Clone, PartialEq, Message)]
struct HParam {
    #[prost(string, tag = 1)]
    name: String,
    /// A text is 1, a truth value 2, a number 3.
    #[prost(int32, tag = 4)]
    kind: i32,
}

/// `tensorboard.hparams.MetricInfo`.
#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, optional, tag = 1)]
    name: Option<MetricName>,
}

/// `tensorboard.hparams.MetricName`.
#[derive(Clone, PartialEq, Message)]
struct MetricName {
    #[prost(string, tag = 2)]
    tag: String,
}

/// `tensorboard.hparams.SessionStartInfo`.
#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(btree_map = "string, message", tag = 1)]
    hparams: BTreeMap<String, Setting>,
    #[prost(string, tag = 4)]
    group: String,
    #[prost(double, tag = 5)]
    time: f64,
}

/// `tensorboard.hparams.SessionEndInfo`.
#[derive(Clone, PartialEq, Message)]
struct End {
    /// Done is 1, failed 2.
    #[prost(int32, tag = 1)]
    status: i32,
    #[prost(double, tag = 2)]
    time: f64,
}

/// `google.protobuf.Value`: the value of a setting.
#[derive(Clone, PartialEq, Message)]
struct Setting {
    #[prost(oneof = "Kind", tags = "2, 3, 4")]
    kind: Option<Kind>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Truth(bool),
}

/// The settings of the run `about`, which began at `time`, seconds since 1970, and the `metrics` that it is compared by.
pub(super) fn begin(about: &About, metrics: &[String], time: f64) -> [Value; 2] {
    let hparams = settings(&about.recipe);
    let kind = |setting: &Setting| match setting.kind {
        Some(Kind::Number(_)) => 3,
        Some(Kind::Truth(_)) => 2,
        Some(Kind::Text(_)) | None => 1,
    };
    let experiment = Experiment {
        hparams: hparams.iter().map(|(name, own)| HParam { name: name.clone(), kind: kind(own) }).collect(),
        metrics: metrics.iter().map(|tag| Metric { name: Some(MetricName { tag: tag.clone() }) }).collect(),
    };
    let start = Start { hparams, group: about.name.clone(), time };
    [
        summary("_hparams_/experiment", Part::Experiment(experiment)),
        summary("_hparams_/session_start_info", Part::Start(start)),
    ]
}

/// That the run has ended at `time`.
pub(super) fn end(ending: &Ending, time: f64) -> Value {
    let status = match ending {
        Ending::Done => 1,
        Ending::Failed(_) => 2,
        Ending::Stopped => 0,
    };
    summary("_hparams_/session_end_info", Part::End(End { status, time }))
}

fn summary(tag: &str, part: Part) -> Value {
    let content = Data { version: 0, part: Some(part) }.encode_to_vec();
    let plugin_data = Some(PluginData { plugin_name: "hparams".to_owned(), content });
    let metadata = Some(SummaryMetadata { plugin_data, ..SummaryMetadata::default() });
    Value { tag: tag.to_owned(), metadata, ..Value::default() }
}

/// The settings of a recipe by path, tables opened.
fn settings(recipe: &Json) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    open("", recipe, &mut settings);
    let is_idle = |path: &str| {
        IDLE.iter()
            .any(|idle| path.strip_prefix(idle).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    settings.retain(|path, _| !is_idle(path));
    settings
}

fn open(path: &str, value: &Json, settings: &mut BTreeMap<String, Setting>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let kind = match value {
        Json::Object(table) => {
            table.iter().for_each(|(key, value)| open(&join(key), value, settings));
            return;
        }
        Json::Array(list) if list.iter().any(Json::is_object) => {
            list.iter().enumerate().for_each(|(i, value)| open(&join(&i.to_string()), value, settings));
            return;
        }
        Json::Null => return,
        Json::Number(number) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::Bool(truth) => Kind::Truth(*truth),
        Json::String(text) => Kind::Text(text.clone()),
        Json::Array(_) => Kind::Text(value.to_string()),
    };
    settings.insert(path.to_owned(), Setting { kind: Some(kind) });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_opened_and_what_shapes_nothing_is_left_out() {
        let recipe = json!({
            "run": {"name": "a", "seed": 3},
            "credit": [{"type": "rhythm", "alpha": 0.5}],
            "signals": {"horizon": [2, 8]},
            "eval": {"greedy": true},
            "observe": {"tensorboard": true},
            "checkpoint": {"every": 3},
        });
        let settings = settings(&recipe);
        let of = |path: &str| settings.get(path).and_then(|setting| setting.kind.clone());
        assert_eq!(of("run.seed"), Some(Kind::Number(3.0)));
        assert_eq!(of("credit.0.type"), Some(Kind::Text("rhythm".into())));
        assert_eq!(of("signals.horizon"), Some(Kind::Text("[2,8]".into())));
        assert_eq!(of("eval.greedy"), Some(Kind::Truth(true)));
        assert_eq!(settings.len(), 5, "{settings:?}");
    }
}
