//! `[engine]`: who answers the requests of training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SamplingConfig;
use super::remote::{Dialect, ServersConfig, Sglang, Vllm};
use crate::types::Rules;

/// Settings of [`EngineConfig::Local`]: none, see `[sampling] max_num_seqs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalConfig {}

/// Who answers the requests of training; evaluations and audits are always answered in this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EngineConfig {
    /// The policy itself, in this process.
    Local(LocalConfig),
    /// Servers of vLLM, see docs/engines.md.
    Vllm(ServersConfig),
    /// Servers of SGLang, see docs/engines.md.
    Sglang(ServersConfig),
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::Local(LocalConfig {})
    }
}

impl EngineConfig {
    /// The servers, and how they are spoken to; `None` where this process answers.
    #[must_use]
    pub(crate) fn remote(&self) -> Option<(&ServersConfig, &'static dyn Dialect)> {
        match self {
            Self::Local(_) => None,
            Self::Vllm(servers) => Some((servers, &Vllm)),
            Self::Sglang(servers) => Some((servers, &Sglang)),
        }
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        self.remote().map(|(servers, _)| servers.rules()).unwrap_or_default()
    }

    /// Why it cannot draw from the distribution of `sampling`, or not say how probable what it drew was.
    #[must_use]
    pub(crate) fn refuses(&self, sampling: &SamplingConfig) -> Option<String> {
        self.remote().and_then(|(_, dialect)| dialect.refuses(sampling))
    }
}
