//! Speed of generation and training on fixed work: every response has the same length, so nothing depends on what the
//! model says.
//!
//! One step is what a training step does: generate, graft, estimate advantages, pack, forward, backward, update. Rewards
//! are made up, so that there is something to learn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rewards::{Countdown, Task};
use serde::Serialize;

use crate::batch::{BatchConfig, flatten};
use crate::credit::Credit;
use crate::credit::advantage::{AdvantageConfig, GroupConfig};
use crate::credit::strategy::CreditConfig;
use crate::data::Asker;
use crate::files::read_regular_text;
use crate::learner::{LearnerConfig, PolicyLearner, Rates};
use crate::loss::{ClipConfig, LossConfig};
use crate::measure::Measurer;
use crate::model::{
    Arithmetic, DeviceChoice, Dtype, FreeMemory, ModelConfig, Placement, Policy, Preset, matmul_peak,
};
use crate::optim::{OptimConfig, Schedule};
use crate::pipeline::graft;
use crate::rollout::explore::{Explorer, GroupConfig as Group};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::score::Scorer;
use crate::signal::{DecodePlan, Grouping, SignalConfig};
use crate::text::{Tokenizer, countdown_tokenizer};
use crate::types::{GenRequest, Prompt, Purpose, RunRandom};

/// The work of a benchmark.
#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// A Hugging Face folder, or the Countdown preset with random weights.
    pub model: Option<PathBuf>,
    /// Prompts per step.
    pub prompts: usize,
    /// A text file with a prompt in each line, of which the first ones are taken; without it they are made up.
    pub prompt_file: Option<PathBuf>,
    /// Responses per prompt.
    pub group: usize,
    /// Tokens per response.
    pub new_tokens: usize,
    /// Steps timed, after one that is not.
    pub steps: usize,
    /// Tokens per micro-batch, those of a prompt once for all its responses there.
    pub max_tokens: usize,
    /// Whether activations are computed again in the backward pass.
    pub recompute: bool,
    /// The strategy that reshapes the advantages.
    pub credit: CreditConfig,
    /// Precision.
    pub dtype: Dtype,
    /// Device.
    pub device: DeviceChoice,
}

/// Medians over the timed steps.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Number of parameters.
    pub n_params: i64,
    /// Compute precision.
    pub dtype: String,
    /// Where it ran.
    pub device: String,
    /// Threads of libtorch.
    pub threads: i32,
    /// Prompts per step.
    pub prompts: usize,
    /// Responses per prompt.
    pub group: usize,
    /// Mean prompt length, tokens.
    pub prompt_tokens: f64,
    /// Response length, tokens.
    pub new_tokens: usize,
    /// Whole step, seconds.
    pub step_s: f64,
    /// Generation, seconds.
    pub generate_s: f64,
    /// Everything after generation, seconds.
    pub train_s: f64,
    /// Response tokens per second of generation.
    pub generate_tokens_per_s: f64,
    /// Prompt and response tokens per second of training.
    pub train_tokens_per_s: f64,
    /// Fastest matrix product of this machine in the compute precision, GFLOP/s.
    pub matmul_peak_gflops: f64,
    /// Arithmetic of generation per second, as a share of that.
    pub generate_share_of_peak: f64,
    /// Arithmetic of training per second, as a share of that.
    pub train_share_of_peak: f64,
    /// Most memory held, GB.
    pub peak_rss_gb: f64,
}

/// Runs the benchmark.
///
/// # Errors
/// If the model cannot be loaded or the work does not fit it, or the file of prompts has too few.
pub fn bench(config: &BenchConfig) -> Result<BenchReport> {
    ensure!(
        config.prompts > 0 && config.group > 1 && config.new_tokens > 0 && config.steps > 0,
        "bench: expected at least 1 prompt, 2 responses each, 1 token and 1 step"
    );
    let placement = Placement::resolve(config.device, config.dtype)?;
    let peak = matmul_peak(placement)?;
    let (mut policy, tokenizer) = match &config.model {
        Some(dir) => {
            let tokenizer = Tokenizer::for_texts(dir)?;
            let shape = ModelConfig::from_folder(dir)?.with_tokens(tokenizer.has_token());
            (Policy::load(dir, shape, placement)?, tokenizer)
        }
        None => {
            let tokenizer = countdown_tokenizer()?;
            let shape = Preset::Countdown2m.config(i64::try_from(tokenizer.vocab_size())?);
            (Policy::scratch(shape, &RunRandom::new(0), placement)?, tokenizer)
        }
    };
    let prompts = prompts(config, &tokenizer)?;
    let longest = prompts.iter().map(|prompt| prompt.tokens.len()).max().unwrap_or(0);
    let positions = usize::try_from(policy.config.max_position_embeddings)?;
    ensure!(
        longest.saturating_add(config.new_tokens) <= positions,
        "--new-tokens: got {} after prompts of up to {longest} tokens, but the model has {positions} positions",
        config.new_tokens
    );
    let mut work = Work::new(config, &policy, tokenizer);
    let mut times = Vec::new();
    for step in 0..=config.steps as u64 {
        let time = work.step(&mut policy, &prompts, step)?;
        if step > 0 {
            times.push(time);
        }
    }

    let n_rows = (config.prompts * config.group) as f64;
    let prompt_tokens = prompts.iter().map(|p| p.tokens.len() as f64).sum::<f64>() / prompts.len() as f64;
    let (generated, trained) =
        (n_rows * config.new_tokens as f64, n_rows * (prompt_tokens + config.new_tokens as f64));
    let generate_s = median(times.iter().map(|t| t.0).collect());
    let train_s = median(times.iter().map(|t| t.1).collect());
    let flops = Arithmetic::of(&policy.config, &policy.layout, prompt_tokens + config.new_tokens as f64);
    let read = config.prompts as f64 * prompt_tokens + generated;
    Ok(BenchReport {
        n_params: policy.layout.n_params(),
        dtype: format!("{:?}", placement.kind),
        device: format!("{:?}", placement.device),
        threads: tch::get_num_threads(),
        prompts: config.prompts,
        group: config.group,
        prompt_tokens,
        new_tokens: config.new_tokens,
        step_s: median(times.iter().map(|t| t.0 + t.1).collect()),
        generate_s,
        train_s,
        generate_tokens_per_s: generated / generate_s,
        train_tokens_per_s: trained / train_s,
        matmul_peak_gflops: peak / 1e9,
        generate_share_of_peak: flops.forward(read, generated) / generate_s / peak,
        train_share_of_peak: flops.train(read, generated) / train_s / peak,
        peak_rss_gb: crate::files::peak_rss_gb(),
    })
}

/// The parts of one benchmark step.
struct Work {
    engine: DecodeEngine,
    generation: Generation,
    group: Group,
    scorer: Scorer,
    tokenizer: Tokenizer,
    max_tokens: usize,
    credit: Credit,
    signals: SignalConfig,
    learner: PolicyLearner,
    random: RunRandom,
    free_memory: FreeMemory,
}

impl Work {
    fn new(config: &BenchConfig, policy: &Policy, tokenizer: Tokenizer) -> Self {
        let sampling = SamplingConfig {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: config.new_tokens,
            max_rows: 512,
        };
        let random = RunRandom::new(0);
        let learner = LearnerConfig {
            loss: LossConfig::Clip(ClipConfig::default()),
            optim: OptimConfig {
                lr: 1e-6,
                betas: [0.9, 0.999],
                eps: 1e-8,
                weight_decay: 0.0,
                max_grad_norm: 1.0,
                warmup_steps: 0,
                schedule: Schedule::Constant,
                final_lr_ratio: None,
            },
            batch: BatchConfig {
                prompts: config.prompts,
                minibatches: 1,
                epochs: 1,
                max_tokens: config.max_tokens,
                recompute: config.recompute,
            },
            temperature: 1.0,
            max_new_tokens: config.new_tokens,
        };
        let advantage = AdvantageConfig::Group(GroupConfig::default());
        let credit =
            Credit { strategies: vec![config.credit.build(random)], ..Credit::of(advantage.build()) };
        let signals = SignalConfig::default();
        let plan = credit.needs().signals.then(|| DecodePlan::new(&signals, &policy.config)).flatten();
        Self {
            // Without an end-of-sequence token every response runs to its full length.
            engine: DecodeEngine::new(Vec::new(), config.prompts * config.group, config.max_tokens)
                .reading(plan),
            generation: Generation { random, purpose: Purpose::Rollout, step: 0, sampling },
            group: Group { size: config.group },
            scorer: Scorer::default(),
            tokenizer,
            max_tokens: config.max_tokens,
            credit,
            signals,
            learner: PolicyLearner::new(learner, policy),
            random,
            free_memory: FreeMemory::default(),
        }
    }

    /// Seconds of generation and of the rest of one step.
    fn step(&mut self, policy: &mut Policy, prompts: &[Arc<Prompt>], step: u64) -> Result<(f64, f64)> {
        let start = Instant::now();
        let requests: Vec<GenRequest> = prompts.iter().flat_map(|prompt| self.group.open(prompt)).collect();
        let generation = Generation { step, ..self.generation };
        let completions = self.engine.generate(policy, &requests, &generation, &mut |_| Ok(()))?;
        let generate_s = start.elapsed().as_secs_f64();

        let start = Instant::now();
        self.free_memory.release_if_due();
        let mut trees = graft(requests, completions, &self.scorer, &self.tokenizer, &mut |_| Ok(()))?;
        for tree in &mut trees {
            for leaf in &mut tree.leaves {
                let coordinates = [step, tree.prompt.id, leaf.sample.into()];
                leaf.verdict.value = self.random.uniform(Purpose::Items, &coordinates);
            }
        }
        let measurer = Measurer {
            policy,
            reference: None,
            critic: None,
            temperature: 1.0,
            max_tokens: self.max_tokens,
            signals: &self.signals,
            check: &|| Ok(()),
        };
        let measured = measurer.measure(trees, self.credit.needs(), step, &mut Grouping::default())?;
        let (credited, _) = self.credit.assign(measured, step, 0.0)?;
        self.learner.update(
            policy,
            &flatten(&credited),
            Rates { lr: 1e-6, kl_coef: 0.0 },
            &mut |_| Ok(()),
        )?;
        Ok((generate_s, start.elapsed().as_secs_f64()))
    }
}

/// Most bytes of a file of prompts.
const MAX_PROMPTS: u64 = 256 << 20;

fn prompts(config: &BenchConfig, tokenizer: &Tokenizer) -> Result<Vec<Arc<Prompt>>> {
    let texts = match &config.prompt_file {
        None => (0..config.prompts).map(made_up).collect(),
        Some(path) => {
            let text = read_regular_text(path, MAX_PROMPTS)
                .with_context(|| format!("--prompt-file {}: cannot be read", path.display()))?;
            let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
            let lines: Vec<String> = lines.take(config.prompts).map(str::to_owned).collect();
            ensure!(
                lines.len() == config.prompts && lines.iter().all(|line| !line.is_empty()),
                "--prompt-file {}: expected {} prompts (--prompts), one in each line, got {}",
                path.display(),
                config.prompts,
                lines.iter().filter(|line| !line.is_empty()).count()
            );
            lines
        }
    };
    let asker = Asker::new(tokenizer, None)?;
    let prompt = |(id, text): (u64, String)| {
        let (text, tokens) = asker.ask(&text)?;
        // Nobody grades.
        let task = Task::Countdown(Countdown { numbers: Vec::new(), target: 0 });
        Ok(Arc::new(Prompt { id, text, tokens, task }))
    };
    (0..).zip(texts).map(prompt).collect()
}

fn made_up(i: usize) -> String {
    let random = RunRandom::new(0);
    let number = |j: u64, of: f64| 1 + (random.uniform(Purpose::Items, &[i as u64, j]) * of) as u32;
    let numbers: Vec<u32> = (0..4).map(|j| number(j, 99.0)).collect();
    let target = number(4, 90.0) + 9;
    format!("Using the numbers {numbers:?}, create an equation that equals {target}. Show your work.")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
