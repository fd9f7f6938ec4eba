//! What is planned: the numbers of a recipe, a model and a machine that memory and time depend on.

use anyhow::Result;
use tch::Kind;

use crate::data::DataConfig;
use crate::model::{
    Backend, HeadScales, Layout, LoraBase, LoraLayout, LoraSettings, ModelConfig, Pieces, Placement,
};
use crate::ranks::Shard;
use crate::recipe::Recipe;
use crate::rollout::explore::ExploreSettings;

/// Tokens that a prompt is taken to have where neither problems nor `max_prompt_tokens` say more.
const PROMPT: usize = 256;

/// A run as far as memory and time depend on it.
#[derive(Clone)]
pub(crate) struct Subject {
    /// The recipe.
    pub recipe: Recipe,
    /// Shape of the policy.
    pub model: ModelConfig,
    /// Device, precision and wish for an engine.
    pub placement: Placement,
    /// Tokens of the longest prompt, where the problems are known.
    pub longest_prompt: Option<usize>,
    /// Evaluation problems, where they are known.
    pub n_eval: Option<usize>,
    /// Ranks that train together.
    pub ranks: usize,
    /// Ranks on a machine.
    pub local_ranks: usize,
    /// Bytes on the device of each rank that another program takes, such as an inference server.
    pub server: f64,
}

/// Sizes of a model as numbers to reckon with.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// V, rows of the embedding.
    pub v: f64,
    /// E, width of the residual stream.
    pub e: f64,
    /// F, width of the feed-forward layer.
    pub f: f64,
    /// L, layers.
    pub l: f64,
    /// H, query heads.
    pub h: f64,
    /// H D, all query heads.
    pub q: f64,
    /// K D, all key heads, or all value heads.
    pub kv: f64,
    /// Bytes of a number in the compute precision.
    pub w: f64,
}

/// Adapters that learn.
#[derive(Clone, Copy)]
pub(super) struct Adapted {
    /// Their numbers.
    pub n: i64,
    /// Numbers of the matrices that they stand beside.
    pub merged: i64,
}

/// Tokens of a full micro-batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Micro {
    /// T, those that the model reads.
    pub read: f64,
    /// N, those that it predicts.
    pub predicted: f64,
    /// S, those that attention sees: what sequences share once for each of them.
    pub seen: f64,
}

impl Subject {
    /// The sizes of the model.
    pub(super) fn shape(&self) -> Shape {
        let ModelConfig { vocab_size, hidden_size, intermediate_size, n_layers, n_heads, .. } = self.model;
        let of = |n: i64| n as f64;
        Shape {
            v: of(vocab_size),
            e: of(hidden_size),
            f: of(intermediate_size),
            l: of(n_layers),
            h: of(n_heads),
            q: of(self.model.q_width()),
            kv: of(self.model.kv_width()),
            w: if self.is_f32() { 4.0 } else { 2.0 },
        }
    }

    /// Whether servers answer the requests of training. Evaluations are answered here all the same.
    pub(super) fn is_remote(&self) -> bool {
        self.recipe.engine.remote().is_some()
    }

    /// Whether it computes in single precision.
    pub(super) fn is_f32(&self) -> bool {
        self.placement.kind == Kind::Float
    }

    /// Whether it computes on a GPU.
    pub(crate) fn is_cuda(&self) -> bool {
        self.placement.device.is_cuda()
    }

    /// What computes.
    pub(crate) fn backend(&self) -> Backend {
        Backend::choose(&self.model, self.placement)
    }

    /// The adapters of `[model.lora]`.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub(super) fn adapted(&self) -> Result<Option<Adapted>> {
        self.recipe.model.lora.as_ref().map(|settings| self.adapted_by(settings)).transpose()
    }

    fn adapted_by(&self, settings: &LoraSettings) -> Result<Adapted> {
        let base = LoraBase { name: String::new(), revision: None, scales: HeadScales::default() };
        let layout = LoraLayout::new(&self.model, &Layout::new(&self.model), settings.clone(), base)?;
        Ok(Adapted { n: layout.n_params(), merged: layout.n_merged() })
    }

    /// What ranks share; nothing in a process on its own.
    pub(super) fn shard(&self) -> Shard {
        if self.ranks > 1 { self.recipe.parallel.shard } else { Shard::None }
    }

    /// Elements of `n` that a rank keeps of what it has a piece of.
    pub(super) fn piece(&self, n: i64) -> f64 {
        (if self.shard() == Shard::None { n } else { Pieces::length(n, self.ranks as i64).min(n) }) as f64
    }

    /// Tokens of a prompt, the longest.
    pub(super) fn prompt(&self) -> usize {
        let most = match &self.recipe.data {
            DataConfig::Files(files) => files.max_prompt_tokens,
            DataConfig::Countdown(_) | DataConfig::Arithmetic(_) | DataConfig::Bifurcation(_) => None,
        };
        self.longest_prompt.or(most).unwrap_or(PROMPT)
    }

    /// Tokens of a response, the longest.
    pub(super) fn response(&self) -> usize {
        self.recipe.sampling.max_new_tokens
    }

    /// Tokens of a response that is decoded, the longest, those of evaluations among them.
    pub(super) fn decoded(&self) -> usize {
        self.response().max(self.recipe.eval.max_new_tokens.unwrap_or(0))
    }

    /// Prompts of a step, at most.
    pub(super) fn prompts(&self) -> usize {
        self.recipe.sampler.settings().most().unwrap_or(0).max(self.recipe.batch.prompts)
    }

    /// Responses of a step, at most, on all ranks.
    pub(crate) fn responses(&self) -> usize {
        self.prompts() * self.recipe.exploration().most()
    }

    /// Responses that a rank decodes at once: its share of those of a step or of an evaluation, as far as `max_num_seqs` allows.
    pub(super) fn rows(&self) -> usize {
        let eval = &self.recipe.eval;
        let each = eval.samples + usize::from(eval.greedy);
        let evaluated = self.n_eval.map_or(usize::MAX, |n| n.saturating_mul(each));
        let most = self.responses().max(evaluated).div_ceil(self.ranks);
        most.min(self.recipe.sampling.max_num_seqs)
    }

    /// Whether attention is read for the credit.
    pub(super) fn reads_attention(&self) -> bool {
        self.recipe.credit.iter().any(|entry| entry.strategy.needs().signals())
    }

    /// A micro-batch as large as `[batch] max_tokens` allows, of responses of full length: as many to a prompt as fit go together.
    pub(super) fn micro(&self) -> Micro {
        let (p, r) = (self.prompt() as f64, self.response() as f64);
        let batch = &self.recipe.batch;
        let to_each = self.recipe.exploration().most() as f64;
        let prompts = (self.prompts().div_ceil(batch.minibatches) as f64 / self.ranks as f64).max(1.0);
        let budget = (batch.max_tokens as f64).min(prompts * (p + to_each * r));
        let together = ((budget - p) / r).floor().clamp(1.0, to_each);
        let units = budget / (p + together * r);
        // What `batch::pack` allows.
        let seen = (units * together * (p + r)).min(4.0 * batch.max_tokens as f64).max(budget);
        Micro { read: budget, predicted: units * together * r, seen }
    }

    /// Numbers of the weights.
    pub(crate) fn n_params(&self) -> i64 {
        self.model.n_params()
    }
}
