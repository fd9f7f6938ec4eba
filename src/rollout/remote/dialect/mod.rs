//! How servers are spoken to: a dialect says what to ask and reads what was answered; it sends nothing.

mod sglang;
mod vllm;

use std::path::Path;

pub(crate) use sglang::Sglang;
pub(crate) use vllm::Vllm;

use super::call::{Call, Fault, Said};
use super::models::Addressee;
use crate::rollout::SamplingConfig;
use crate::text::Stops;
use crate::types::{Span, TokenId};

/// Asks for one response.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    /// Who answers.
    pub model: Addressee<'a>,
    /// The context: prompt and prefix.
    pub tokens: Vec<TokenId>,
    /// Most new tokens.
    pub n_new: usize,
    /// What the server's draws start from.
    pub seed: i64,
    /// The distribution to draw from.
    pub sampling: SamplingConfig,
    /// Tokens that end a response.
    pub eos: &'a [TokenId],
    /// Tokens of the response that the context ends in.
    pub begun: &'a [TokenId],
    /// Finds strings that end a response.
    pub stops: Option<&'a Stops>,
}

impl Ask<'_> {
    /// Least number of new tokens before the one that ends the response.
    #[must_use]
    pub(crate) fn least(&self) -> usize {
        self.sampling.min_new_tokens.saturating_sub(self.begun.len())
    }
}

/// Why a server ended a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its last token ends responses, by itself or with a string.
    Stop,
    /// It has as many tokens as it may have.
    Length,
    /// The server gave it up.
    Abort,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The new tokens.
    pub tokens: Vec<TokenId>,
    /// Their log-probabilities; NaN where the server has no number.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub end: End,
    /// The weights of each token, where the server says which.
    pub versions: Option<Vec<Span>>,
    /// Tokens of the context whose keys and values were there.
    pub cached: usize,
}

/// A step of loading weights.
pub(crate) struct Loading {
    /// What is asked.
    pub call: Call,
    /// How often, a moment apart, as long as the answer is not the one that is wanted and may become it.
    pub tries: u32,
}

/// A draw whose log-probability is known whatever the weights.
pub(crate) struct Telling {
    /// The distribution to draw from.
    pub sampling: SamplingConfig,
    /// The log-probability of every token.
    pub logprob: f32,
    /// How far from it is near enough.
    pub tolerance: f32,
}

/// A kind of server.
pub(crate) trait Dialect: Send + Sync {
    /// Why it cannot draw from the distribution of `sampling`.
    fn refuses(&self, _sampling: &SamplingConfig) -> Option<String> {
        None
    }

    /// How many ways there are to ask for a response; those before are tried first.
    fn n_doors(&self) -> usize {
        1
    }

    /// Asks for a response at one of the doors.
    fn generate(&self, ask: &Ask<'_>, door: usize) -> Call;

    /// What was answered there.
    fn answer(&self, said: &Said, ask: &Ask<'_>) -> Result<Answer, Fault>;

    /// Asks for the log-probabilities of `tokens`, each behind those before it.
    fn recite(&self, model: Addressee<'_>, tokens: &[TokenId]) -> Call;

    /// What was answered: those of all but the first; NaN where the server has no number.
    fn recited(&self, said: &Said) -> Result<Vec<f32>, Fault>;

    /// Asks what tells of how many tokens the server knows: `context`, and the last of a `vocabulary`, or a draw in which all are alike.
    fn count(&self, model: Addressee<'_>, context: &[TokenId], vocabulary: usize) -> Call;

    /// Whether the answer is that of a server that knows those of the `vocabulary`.
    fn counted(&self, said: &Said, vocabulary: usize) -> Result<(), Fault>;

    /// Asks for the name of the weights.
    fn which(&self) -> Call;

    /// What was answered.
    fn version(&self, said: &Said) -> Result<String, Fault>;

    /// Stops answering, for a while: responses stay as far as they are, requests wait.
    fn pause(&self) -> Call;

    /// Goes on answering, which changes nothing where nobody has paused.
    fn resume(&self) -> Call;

    /// Loads the weights in `folder`, forgets what was computed with others, and calls them `version`; the server is paused.
    fn load(&self, folder: &Path, version: &str) -> Vec<Loading>;

    /// Whether a step of loading went well.
    fn loaded(&self, said: &Said) -> Result<(), Fault>;

    /// Asks how the server was started.
    fn settings(&self) -> Call;

    /// Whether what was answered lets it load adapters of that `rank`.
    fn takes_adapters(&self, said: &Said, rank: u32) -> Result<(), Fault>;

    /// Loads the adapters in `folder` beside the weights and the adapters that are there, to be asked for by `name`.
    fn load_adapter(&self, name: &str, folder: &Path) -> Call;

    /// Whether that went well, now or before.
    fn adapter_loaded(&self, said: &Said) -> Result<(), Fault>;

    /// Forgets the adapters that are called `name`.
    fn unload_adapter(&self, name: &str) -> Call;

    /// A draw that tells whether log-probabilities are those of the distribution of `sampling` over a `vocabulary`; `None` where
    /// they cannot be those of another.
    fn telling(&self, sampling: &SamplingConfig, vocabulary: usize) -> Option<Telling>;

    /// What to change where they are those of another.
    fn cure(&self) -> &'static str;
}

/// What is said to a server that knows another number of tokens than the `vocabulary` of the model.
fn miscounted(said: &Said, vocabulary: usize) -> Fault {
    said.lasting(&format!(
        "expected the {vocabulary} tokens of [model]: it serves another model; start it with the one that [model] names"
    ))
}

/// A number of JSON that may be missing; servers that know no infinity say -9999 instead.
fn logprob(number: Option<f32>) -> f32 {
    number.filter(|number| *number > -9999.0).unwrap_or(f32::NAN)
}

/// A draw of the only token left, of which a server that says how probable what it drew was says 0.
fn of_one(sampling: &SamplingConfig) -> Telling {
    Telling {
        sampling: SamplingConfig { top_k: 1, ..sampling.ending_anywhere() },
        logprob: 0.0,
        tolerance: 1e-3,
    }
}

#[cfg(test)]
mod tests;
