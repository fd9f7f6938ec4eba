//! Speed of generation and training on fixed work: every response has the same length, so nothing depends on what the
//! model says.
//!
//! A step is the one that training makes ([`Trainer::step`]). Rewards are made up, so that there is something to learn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rewards::{Countdown, Task};
use serde::Serialize;

use crate::batch::BatchConfig;
use crate::credit::Credit;
use crate::credit::advantage::{AdvantageConfig, GroupConfig};
use crate::credit::strategy::CreditConfig;
use crate::data::PromptBuilder;
use crate::data::sampler::{SamplerState, UniformState};
use crate::files::model_folder::TOKENIZER;
use crate::files::read_regular_text;
use crate::hub::{preset, source};
use crate::learner::LearnerConfig;
use crate::loss::LossConfig;
use crate::model::{
    Arithmetic, Backend, BackendChoice, DeviceChoice, Dtype, ModelConfig, Placement, Policy, Preset,
    matmul_peak,
};
use crate::optim::{OptimConfig, Schedule};
use crate::pipeline::{Discarded, RolloutBatch, RolloutSource, SourceState, Timings};
use crate::ranks::Ranks;
use crate::rollout::explore::{Explorer, ExplorerState, GroupConfig as Group};
use crate::rollout::{DecodeEngine, Generated, Generation, RolloutEngine, SamplingConfig};
use crate::score::Judge;
use crate::signal::{DecodePlan, SignalConfig};
use crate::stats::median;
use crate::step::{StepConfig, Times, Trainer, Unwatched};
use crate::text::Tokenizer;
use crate::types::{Attention, GenRequest, Progress, Prompt, Purpose, RunRandom, SharedPrefix, Step};

/// The work of a benchmark.
#[derive(Clone, Debug)]
pub(crate) struct BenchConfig {
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
    pub gradient_checkpointing: bool,
    /// The strategy that reshapes the advantages.
    pub credit: CreditConfig,
    /// Precision.
    pub dtype: Dtype,
    /// Device.
    pub device: DeviceChoice,
    /// What computes.
    pub backend: BackendChoice,
}

/// Medians over the timed steps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BenchReport {
    /// Number of parameters.
    pub n_params: i64,
    /// Compute precision.
    pub dtype: String,
    /// Where it ran.
    pub device: String,
    /// What computed.
    pub backend: Backend,
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
pub(crate) fn bench(config: &BenchConfig) -> Result<BenchReport> {
    ensure!(
        config.prompts > 0 && config.group > 1 && config.new_tokens > 0 && config.steps > 0,
        "bench: expected at least 1 prompt, 2 responses each, 1 token and 1 step"
    );
    let placement = Placement::resolve(config.device, config.dtype, config.backend)?;
    let (policy, tokenizer) = match &config.model {
        Some(dir) => {
            let source = source(dir)?;
            let tokenizer = Tokenizer::for_texts(source.folder_with(TOKENIZER))?;
            let shape = ModelConfig::from_folder(&source.folder)?.with_tokens(tokenizer.has_token());
            (Policy::of_source(&source, shape, placement)?, tokenizer)
        }
        None => {
            let (shape, tokenizer) = preset(Preset::Countdown2m)?;
            (Policy::scratch(shape, &RunRandom::new(0), placement)?, tokenizer)
        }
    };
    let peak = matmul_peak(policy.network.backend, placement)?;
    let prompts = prompts(config, &tokenizer)?;
    let longest = prompts.iter().map(|prompt| prompt.tokens.len()).max().unwrap_or(0);
    let positions = usize::try_from(policy.network.config.max_position_embeddings)?;
    ensure!(
        longest.saturating_add(config.new_tokens) <= positions,
        "--new-tokens: got {} after prompts of up to {longest} tokens, but the model has {positions} positions",
        config.new_tokens
    );
    let prompt_tokens = prompts.iter().map(|p| p.tokens.len() as f64).sum::<f64>() / prompts.len() as f64;
    let mut trainer = trainer(config, policy, tokenizer, prompts);
    let mut times = Vec::new();
    for step in 0..=config.steps as Step {
        let Times { generate_s: generate, step_s: whole, .. } = trainer.step(step, &mut Unwatched)?.times;
        if step > 0 {
            times.push((generate, whole - generate));
        }
    }

    let n_rows = (config.prompts * config.group) as f64;
    let (generated, trained) =
        (n_rows * config.new_tokens as f64, n_rows * (prompt_tokens + config.new_tokens as f64));
    let generate_s = median(times.iter().map(|t| t.0).collect());
    let train_s = median(times.iter().map(|t| t.1).collect());
    let policy = &trainer.policy;
    let flops = Arithmetic::new(
        &policy.network.config,
        &policy.network.layout,
        prompt_tokens + config.new_tokens as f64,
    );
    let read = config.prompts as f64 * prompt_tokens + generated;
    Ok(BenchReport {
        n_params: policy.network.layout.n_params(),
        dtype: placement.dtype().to_string(),
        device: placement.device_name(),
        backend: policy.network.backend,
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

/// Answers the same prompts in every step.
struct MadeUp {
    engine: DecodeEngine,
    generation: Generation,
    group: Group,
    judge: Judge,
    prompts: Vec<Arc<Prompt>>,
}

impl MadeUp {
    /// For responses of `config.new_tokens` tokens, whose attention is read as `plan` says.
    fn new(
        config: &BenchConfig,
        plan: Option<DecodePlan>,
        tokenizer: Tokenizer,
        prompts: Vec<Arc<Prompt>>,
    ) -> Self {
        let sampling = SamplingConfig::plain(config.new_tokens);
        Self {
            // Without an end-of-sequence token every response runs to its full length.
            engine: DecodeEngine::new(Vec::new(), config.prompts * config.group, config.max_tokens)
                .reading(plan),
            generation: Generation {
                random: RunRandom::new(0),
                purpose: Purpose::Rollout,
                step: 0,
                sampling,
            },
            group: Group { size: config.group },
            judge: Judge {
                scorer: Arc::default(),
                tokenizer: Arc::new(tokenizer),
                stops: None,
                overlong: None,
                ranks: Ranks::default(),
            },
            prompts,
        }
    }
}

impl RolloutSource for MadeUp {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch> {
        let start = Instant::now();
        let requests: Vec<GenRequest> =
            self.prompts.iter().flat_map(|prompt| self.group.open(prompt)).collect();
        let generation = Generation { step, ..self.generation.clone() };
        let Generated { completions, signals, counts, served } =
            self.engine.generate(policy, &requests, &generation, progress)?;
        let generate_s = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let mut trees = self.judge.trees(requests, completions, progress)?;
        for tree in &mut trees {
            for leaf in &mut tree.leaves {
                let coordinates = [step, tree.prompt.id, leaf.sample.into()];
                leaf.verdict.value = generation.random.uniform(Purpose::Items, &coordinates);
            }
        }
        let timings = Timings { generate_s, score_s: start.elapsed().as_secs_f64(), counts, served };
        let (ages, discarded) = (vec![0; trees.len()], Discarded::default());
        Ok(RolloutBatch { trees, attention: Attention::Heads(signals), ages, discarded, timings })
    }

    fn state(&mut self) -> Result<SourceState> {
        // Every step asks the same.
        let sampler = SamplerState::Uniform(UniformState { epoch: 0, position: 0 });
        Ok(SourceState { sampler, explorer: ExplorerState::default(), pending: None })
    }

    fn restore(&mut self, _: SourceState) -> Result<()> {
        Ok(())
    }
}

/// What trains `policy` on responses that are made up.
fn trainer(config: &BenchConfig, policy: Policy, tokenizer: Tokenizer, prompts: Vec<Arc<Prompt>>) -> Trainer {
    let learner = LearnerConfig {
        loss: LossConfig::default(),
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
            gradient_checkpointing: config.gradient_checkpointing,
            shared_prefix: SharedPrefix::default(),
        },
        temperature: 1.0,
        max_new_tokens: config.new_tokens,
    };
    let settings = StepConfig {
        learner,
        signals: SignalConfig::default(),
        is_off_policy: false,
        n_responses: config.prompts * config.group,
        n_steps: config.steps as Step,
        ranks: Ranks::default(),
    };
    let advantage = AdvantageConfig::Group(GroupConfig::default());
    let strategies = vec![config.credit.build(RunRandom::new(0))];
    let credit = Credit { strategies, ..Credit::new(advantage) };
    let plan = credit
        .needs(1)
        .signals()
        .then(|| DecodePlan::new(&settings.signals, &policy.network.config))
        .flatten();
    let source = MadeUp::new(config, plan, tokenizer, prompts);
    Trainer::new(settings, policy, None, None, Box::new(source), credit)
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
    let builder = PromptBuilder::new(tokenizer, None)?;
    let prompt = |(id, text): (u64, String)| {
        let (text, tokens) = builder.build(&text)?;
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
