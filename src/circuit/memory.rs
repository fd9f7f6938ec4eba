//! What a search holds, before it begins.
//!
//! ```text
//! weights       parameters
//! differences   pairs x sources x tokens x width, three times: of both runs and of their difference; runs through a circuit hold two more
//! streams       2 x layers x tokens x width, of both runs and of the runs between them
//! logits        runs x vocabulary, with their gradient, where that is more than
//! a layer       what its heads and its MLP make of the runs between, and gradients of each of its inputs, over pairs
//! scores        sources x destinations: of each pair, and three sums
//! ```

use std::fmt;
use std::fs;

use anyhow::{Result, ensure};
use tch::Device;

use super::graph::Graph;
use crate::model::{Layout, ModelConfig};

/// Bytes that a search of circuits holds at most, about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Of the weights.
    pub weights: f64,
    /// Of differences of writes.
    pub differences: f64,
    /// Of all else.
    pub passes: f64,
}

impl Memory {
    /// For `pairs` of at most `length` tokens, `steps` runs of each, `max_tokens` at a time; with `edges` also what these take.
    #[must_use]
    pub(crate) fn new(
        config: &ModelConfig,
        pairs: usize,
        length: usize,
        steps: usize,
        max_tokens: usize,
        edges: bool,
    ) -> Self {
        const FLOAT: f64 = 4.0;
        let graph = Graph::of(config);
        let of = |n: i64| n as f64;
        let (t, e, l) = (length as f64, of(config.hidden_size), of(config.n_layers));
        let (h, d, f) = (of(config.n_heads), of(config.head_dim), of(config.intermediate_size));
        let n_pairs = (max_tokens / (length * steps).max(1)).clamp(1, pairs.max(1)) as f64;
        let n_runs = (max_tokens as f64 / t).floor().clamp(1.0, n_pairs * steps as f64);
        let rows = n_runs * t;
        let streams = 2.0 * l * e * (2.0 * n_pairs * t + rows);
        let attention = rows * (12.0 * h * d + 3.0 * h * t) + 9.0 * rows * e;
        let mlp = rows * (8.0 * f + 4.0 * e);
        let logits = 4.0 * n_runs * of(config.vocab_size);
        let inputs = if edges { 3.0 * h * (4.0 * n_pairs * t * e + d * e) } else { 3.0 * h * d * e };
        let sources = graph.n_sources() as f64;
        let scores = if edges { sources * graph.n_destinations() as f64 * (n_pairs + 8.0) } else { 0.0 };
        Self {
            weights: FLOAT * of(Layout::new(config).n_params()),
            differences: FLOAT * if edges { 5.0 } else { 3.0 } * n_pairs * sources * t * e,
            passes: FLOAT * (streams + attention.max(mlp).max(logits) + inputs + scores),
        }
    }

    /// All of it.
    #[must_use]
    pub(crate) fn total(&self) -> f64 {
        self.weights + self.differences + self.passes
    }

    /// That it fits into the main memory that is free, where the search is to be there.
    ///
    /// # Errors
    /// If it does not; says what would make it smaller.
    pub(crate) fn check(&self, device: Device) -> Result<()> {
        if device.is_cuda() {
            // libtorch says so itself, and loses nothing.
            return Ok(());
        }
        self.check_in(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
    }

    fn check_in(&self, meminfo: &str) -> Result<()> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let free = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        let Some(free) = free.map(|kib| kib * 1024.0) else { return Ok(()) };
        ensure!(
            self.total() <= free,
            "a circuit of this model takes about {self}, and {:.1} GB of memory are free; lower --max-tokens, take shorter pairs, score whole \
             heads alone with --cheap, or compute on a larger --device",
            free / 1e9
        );
        Ok(())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [total, weights, differences, passes] =
            [self.total(), self.weights, self.differences, self.passes].map(|bytes| bytes / 1e9);
        write!(
            f,
            "{total:.1} GB ({weights:.1} of weights, {differences:.1} of differences of writes, {passes:.1} of passes and scores)"
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;

    /// Qwen2.5-1.5B and Qwen3-8B by their shapes, pairs of 200 tokens.
    #[test]
    fn large_models_are_refused_where_they_do_not_fit() {
        let small = ModelConfig {
            vocab_size: 151_936,
            hidden_size: 1536,
            intermediate_size: 8960,
            n_layers: 28,
            n_heads: 12,
            n_kv_heads: 2,
            head_dim: 128,
            tie_word_embeddings: true,
            ..tiny(Family::Qwen2)
        };
        let large = ModelConfig {
            hidden_size: 4096,
            intermediate_size: 12_288,
            n_layers: 36,
            n_heads: 32,
            n_kv_heads: 8,
            tie_word_embeddings: false,
            ..small.clone()
        };
        let of = |config: &ModelConfig, edges| Memory::new(config, 100, 200, 8, 4096, edges);
        assert!((of(&small, true).weights / 6.2e9 - 1.0).abs() < 0.05, "{}", of(&small, true));
        assert!((of(&large, true).weights / 32.8e9 - 1.0).abs() < 0.05, "{}", of(&large, true));
        assert!(of(&small, false).total() < of(&small, true).total());
        let meminfo = "MemTotal:       32000000 kB\nMemAvailable:   24000000 kB\n";
        assert!(of(&small, true).check_in(meminfo).is_ok());
        assert!(of(&small, true).check_in("").is_ok());
        let said = of(&large, true).check_in(meminfo).unwrap_err().to_string();
        assert!(said.contains("and 24.6 GB of memory are free; lower --max-tokens"), "{said}");
    }
}
