//! The keys of `[engine]` that all kinds of servers share.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Dtype;
use crate::types::Rules;

/// How servers get a policy of which adapters alone learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdapterForm {
    /// Within the weights of the model, which every server takes.
    #[default]
    Merged,
    /// By themselves, a small part of that: the servers keep the weights that they were started with, and load the adapters beside them.
    Loaded,
}

/// Servers that answer, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServersConfig {
    /// Addresses of the servers, such as `["http://127.0.0.1:8000"]`; each gets a share of the prompts.
    pub urls: Vec<String>,
    /// Folder that this process writes the weights to and the servers read them from, by the same path; without it the run's own
    /// `weights/`. Within a folder that is given, each run has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Precision of the weights that are written; servers compute in their own.
    #[serde(default = "dtype")]
    pub dtype: Dtype,
    /// With `[model.lora]`, how the servers get what has learnt: `"merged"` into the weights of the model, which every server takes, or
    /// `"loaded"` as adapters beside the weights that the servers were started with, which is less to write and to read. For that vLLM
    /// and SGLang are started with `--enable-lora`, see docs/engines.md.
    #[serde(default)]
    pub adapters: AdapterForm,
    /// Name by which the servers know the model.
    #[serde(default = "model")]
    pub model: String,
    /// Most requests under way at a server, of all ranks together.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Seconds within which a server has answered a request, or has loaded new weights.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How often a request that fails is sent again; pauses grow from 1 to 30 seconds, 15 of them to five and a half minutes.
    #[serde(default = "retries")]
    pub retries: u32,
}

impl ServersConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { urls, weights: _, dtype: _, adapters: _, model, concurrency, timeout_s, retries: _ } =
            self;
        let mut rules = Rules::default();
        let list = format!("{urls:?}");
        rules.expect("urls", &list, "at least one address", !urls.is_empty());
        let is_address = |url: &String| {
            Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        };
        let expected = "addresses such as \"http://127.0.0.1:8000\"";
        rules.expect("urls", &list, expected, urls.iter().all(is_address));
        let twice = urls.iter().enumerate().find(|(i, url)| urls[..*i].contains(url));
        rules.forbid(twice.is_some(), &["urls"], || {
            format!(": {} is there twice", twice.map_or("", |(_, url)| url))
        });
        rules.expect("model", format_args!("{model:?}"), "a name", !model.is_empty());
        rules.positive("concurrency", *concurrency);
        rules.positive("timeout_s", *timeout_s);
        rules
    }

    /// Whether adapters go to the servers by themselves.
    #[must_use]
    pub(crate) fn loads_adapters(&self) -> bool {
        self.adapters == AdapterForm::Loaded
    }

    /// Within which an answer must be there.
    #[must_use]
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

fn dtype() -> Dtype {
    Dtype::Bf16
}
fn model() -> String {
    "policy".to_owned()
}
fn concurrency() -> usize {
    128
}
fn timeout_s() -> u64 {
    600
}
fn retries() -> u32 {
    15
}
