//! One of the models that are measured: found and checked, then asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::{Chat, Plan, PlannedSet};
use crate::data::{ChatConfig, PromptBuilder};
use crate::environment::Environment;
use crate::eval::{
    Answered, ChunkRecord, EvalItem, EvalReport, Evaluator, Kept, Measured, Results, ResultsFolder, average,
};
use crate::files::model_folder::TOKENIZER;
use crate::hub::source;
use crate::interrupt::{Interrupt, OrStopped, StopSignal};
use crate::model::{Backend, BackendChoice, HeadScales, ModelConfig, ModelSource, Placement, Policy, load};
use crate::observe::Console;
use crate::ranks::Ranks;
use crate::rollout::DecodeEngine;
use crate::score::Judge;
use crate::text::{Stops, Tokenizer};
use crate::types::counted;

/// A model with everything that is asked of it.
pub(crate) struct Subject {
    /// How it is called.
    pub name: String,
    /// The folder of the weights.
    pub folder: PathBuf,
    /// How problems are put, `None` as they are.
    pub chat: Option<ChatConfig>,
    /// Where and how it computes.
    pub placement: Placement,
    /// What computes.
    pub backend: Backend,
    /// What is known of it.
    pub results: Results,
    source: ModelSource,
    config: ModelConfig,
    heads: HeadScales,
    tokenizer: Arc<Tokenizer>,
    sets: Vec<(Evaluator, Kept)>,
    kept_in: Option<ResultsFolder>,
    max_prefill_tokens: usize,
}

impl Subject {
    /// The model in `folder`, called `name`, some of whose heads are scaled, with all that keeps it from being measured as `plan`
    /// says found, problems put to it as `chat` says; its weights are not loaded. What is kept of it lies in `out`.
    ///
    /// # Errors
    /// If it cannot be measured; [`Refused`](crate::eval::Refused) if what is kept is of another evaluation.
    pub(crate) fn new(
        name: &str,
        folder: PathBuf,
        heads: HeadScales,
        chat: &Chat,
        plan: &Plan,
        out: Option<&Path>,
    ) -> Result<Self> {
        let shown = folder.display().to_string();
        let source = source(&folder)?;
        let config = ModelConfig::from_folder(&source.folder)?;
        load::check(&source, &config)?;
        let tokenizer = Arc::new(Tokenizer::from_folder(source.folder_with(TOKENIZER))?);
        tokenizer.check_fits(usize::try_from(config.vocab_size)?).with_context(|| shown.clone())?;
        let config = config.with_tokens(tokenizer.has_token());
        let placement = plan.placement;
        let backend = Backend::choose(&config, placement);
        let mut chat = chat.of_model(&tokenizer).with_context(|| shown.clone())?;
        if let Some(chat) = &mut chat {
            let before = || ResultsFolder::setting(&out?.join(name), "/settings/chat/now");
            chat.keep_time(tokenizer.chat_template(), before);
        }
        let builder = PromptBuilder::new(&tokenizer, chat.as_ref()).with_context(|| match chat {
            Some(_) => format!("{shown}: --chat always"),
            None => shown.clone(),
        })?;
        let builder = builder.showing(plan.few_shot.clone());
        let evaluators = evaluators(plan, &builder, &tokenizer, &config).with_context(|| shown.clone())?;
        let mut settings = settings(plan, placement, chat.as_ref());
        if heads != HeadScales::default() {
            settings["scale_heads"] = json!(heads);
        }
        let wanted: Map<String, Value> = [
            ("model".to_owned(), json!({ "files": source.fingerprints()? })),
            ("settings".to_owned(), settings),
        ]
        .into_iter()
        .collect();
        let of_sets = plan.sets.iter().map(|set| (set.items.name.clone(), set.settings.clone())).collect();
        let (kept_in, mut results) = match out {
            Some(out) => {
                let (kept_in, results) = ResultsFolder::open(&out.join(name), wanted, &of_sets)?;
                (Some(kept_in), results)
            }
            None => (None, Results::new(wanted, &of_sets)),
        };
        results.all.insert("folder".to_owned(), json!(folder));
        let keep = |evaluator: Evaluator| {
            let kept =
                kept_in.as_ref().map(|kept_in| Kept::open(kept_in.root(), &evaluator.set)).transpose()?;
            Ok((evaluator, kept.unwrap_or_default()))
        };
        let sets = evaluators.into_iter().map(keep).collect::<Result<_>>()?;
        let max_prefill_tokens = plan.max_prefill_tokens;
        Ok(Self {
            name: name.to_owned(),
            folder,
            source,
            chat,
            placement,
            backend,
            results,
            config,
            heads,
            tokenizer,
            sets,
            kept_in,
            max_prefill_tokens,
        })
    }

    /// The heads that are scaled, if any.
    pub(crate) fn scaled_heads(&self) -> Option<&HeadScales> {
        Some(&self.heads).filter(|heads| **heads != HeadScales::default())
    }

    /// Asks what has not been answered yet, unless somebody asks to stop.
    pub(crate) fn measure(
        &mut self,
        console: &Console,
        interrupt: Option<&Interrupt>,
    ) -> Result<Option<StopSignal>> {
        let total: usize = self.sets.iter().map(|(evaluator, _)| evaluator.n_responses()).sum();
        let done: usize =
            self.sets.iter().map(|(evaluator, kept)| kept.done.len() * evaluator.n_each()).sum();
        if done < total {
            if done > 0 {
                console.note(format_args!(
                    "{}: goes on after {done} of {}",
                    self.name,
                    counted(total, "response")
                ));
            }
            if let Err(signal) = self.ask(console, interrupt, done, total).or_stopped()? {
                return Ok(Some(signal));
            }
        }
        self.conclude()?;
        Ok(None)
    }

    fn ask(
        &mut self,
        console: &Console,
        interrupt: Option<&Interrupt>,
        done: usize,
        total: usize,
    ) -> Result<()> {
        let loading = interrupt.map(Interrupt::immediate).transpose()?;
        let phase = console.step_phase("load model", 0);
        let mut policy = Policy::of_source(&self.source, self.config.clone(), self.placement)?;
        policy.network.scale_heads(&self.heads)?;
        phase.finish();
        drop(loading);
        self.results.add_environment(serde_json::to_value(Environment::here(self.placement, self.backend))?);
        self.write()?;
        let phase = console.step_phase(&format!("evaluate {}", self.name), total as u64);
        phase.skip(done as u64);
        for (evaluator, kept) in &mut self.sets {
            let max_num_seqs = evaluator.sampling.max_num_seqs;
            let mut engine =
                DecodeEngine::new(self.tokenizer.eos_ids().to_vec(), max_num_seqs, self.max_prefill_tokens)
                    .telling(&self.tokenizer);
            while kept.done.len() < evaluator.set.prompts.len() {
                let chunk = evaluator.chunk(kept.done.len());
                let mut advance = |n| {
                    phase.advance(n as u64, evaluator.set.name.clone());
                    interrupt.map_or(Ok(()), Interrupt::check)
                };
                let answered = evaluator.answer(chunk, &policy, &mut engine, &mut advance)?;
                let Answered { items, generate_s, score_s, .. } = answered;
                let n_tokens = items.iter().map(n_tokens).sum();
                let record = ChunkRecord { n: items.len(), n_tokens, generate_s, score_s, max_num_seqs };
                kept.add(items, record)?;
            }
        }
        phase.finish();
        Ok(())
    }

    /// Adds the numbers to what is known.
    fn conclude(&mut self) -> Result<()> {
        let reports = self.reports();
        for (report, (_, kept)) in reports.iter().zip(&self.sets) {
            let mut numbers = report.to_json();
            // They are those of the whole evaluation.
            numbers.as_object_mut().map(|numbers| numbers.shift_remove("settings"));
            numbers["time"] = time(&kept.records);
            self.results.add(&report.set, numbers);
        }
        let mut mean = Map::new();
        for (name, _) in reports.first().map(EvalReport::shares).unwrap_or_default() {
            let of_sets = reports.iter().flat_map(EvalReport::shares).filter(|share| share.0 == name);
            if let Some(estimate) = average(&of_sets.map(|share| share.1).collect::<Vec<_>>()) {
                mean.insert(format!("{name}_ci95"), json!(estimate.ci95));
                mean.insert(name, json!(estimate.mean));
            }
        }
        mean.insert("sets".to_owned(), reports.iter().map(|report| json!(report.set)).collect());
        self.results.all.insert("mean".to_owned(), mean.into());
        self.write()
    }

    fn write(&self) -> Result<()> {
        self.kept_in.as_ref().map_or(Ok(()), |kept_in| kept_in.write(&self.results))
    }

    /// The numbers of each set.
    pub(crate) fn reports(&self) -> Vec<EvalReport> {
        self.sets.iter().map(|(evaluator, kept)| evaluator.report(&kept.done)).collect()
    }

    /// What a person should know of the numbers, a sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let of_set = |(evaluator, kept): &(Evaluator, Kept)| evaluator.report(&kept.done).notes(&kept.done);
        self.sets.iter().flat_map(of_set).collect()
    }

    /// What the chunks of all sets took.
    pub(crate) fn time(&self) -> Value {
        time(&self.sets.iter().flat_map(|(_, kept)| kept.records.clone()).collect::<Vec<_>>())
    }

    /// What it reached.
    pub(crate) fn measured(&self) -> Measured {
        let sets =
            self.sets.iter().map(|(evaluator, kept)| (evaluator.report(&kept.done), kept.done.clone()));
        Measured { name: self.name.clone(), sets: sets.collect() }
    }
}

/// Who asks each set, where each fits the model.
fn evaluators(
    plan: &Plan,
    builder: &PromptBuilder<'_>,
    tokenizer: &Arc<Tokenizer>,
    config: &ModelConfig,
) -> Result<Vec<Evaluator>> {
    let sets = plan.sets.iter().map(|set| set.evaluator(plan, builder, tokenizer));
    let evaluators = sets.collect::<Result<Vec<_>>>()?;
    let misfits = evaluators.iter().filter_map(|evaluator| misfit(evaluator, config.max_position_embeddings));
    let misfits: Vec<String> = misfits.collect();
    ensure!(misfits.is_empty(), "{}", misfits.join("\n"));
    Ok(evaluators)
}

/// What answers depend on beside the model's files and the problems.
fn settings(plan: &Plan, placement: Placement, chat: Option<&ChatConfig>) -> Value {
    let sampling = &plan.sampling;
    let mut settings = json!({
        "seed": plan.seed, "k": plan.samples, "greedy": plan.greedy,
        "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k,
        "max_new_tokens": sampling.max_new_tokens,
        "device": placement.device_name(), "dtype": placement.dtype(),
        // Absent like in results from before there was a choice.
        "backend": Some(placement.backend).filter(|choice| *choice != BackendChoice::Auto),
        "chat": chat,
    });
    sampling.add_ends(&mut settings);
    settings
}

impl PlannedSet {
    fn evaluator(
        &self,
        plan: &Plan,
        builder: &PromptBuilder<'_>,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Evaluator> {
        Ok(Evaluator {
            set: self
                .items
                .clone()
                .tokenize(self.first_id, builder)
                .with_context(|| self.items.name.clone())?,
            samples: plan.samples,
            greedy: plan.greedy,
            sampling: plan.sampling.clone(),
            random: self.random,
            judge: Judge {
                scorer: Arc::clone(&self.scorer),
                tokenizer: Arc::clone(tokenizer),
                stops: Stops::new(&plan.sampling.stop, tokenizer),
                overlong: None,
                ranks: Ranks::default(),
            },
        })
    }
}

/// What to say of prompts that are too long for a model with so many positions.
fn misfit(evaluator: &Evaluator, positions: i64) -> Option<String> {
    let positions = usize::try_from(positions).unwrap_or(0);
    let (set, new) = (&evaluator.set, evaluator.sampling.max_new_tokens);
    let too_long =
        set.prompts.iter().filter(|prompt| prompt.tokens.len().saturating_add(new) > positions).count();
    let lengths = set.prompts.iter().map(|prompt| prompt.tokens.len());
    let (longest, place) = lengths.zip(&set.places).max_by_key(|(length, _)| *length)?;
    let place = place.as_ref().map_or_else(String::new, |place| format!(", {place},"));
    let remedy = match positions.saturating_sub(longest) {
        0 => "leave these out of the file".to_owned(),
        room => format!("lower --max-new-tokens to at most {room}, or leave these out of the file"),
    };
    (too_long > 0).then(|| {
        format!(
            "{}: {too_long} of {} prompts are too long: the longest{place} has {longest} tokens, with {new} new ones {}, and the \
             model has {positions} positions; {remedy}",
            set.name,
            set.prompts.len(),
            longest.saturating_add(new)
        )
    })
}

fn n_tokens(item: &EvalItem) -> usize {
    item.responses.iter().chain(&item.greedy).map(|response| response.n_tokens).sum()
}

fn time(records: &[ChunkRecord]) -> Value {
    let generate_s: f64 = records.iter().map(|record| record.generate_s).sum();
    let score_s: f64 = records.iter().map(|record| record.score_s).sum();
    let n_tokens: usize = records.iter().map(|record| record.n_tokens).sum();
    let tokens_per_s = if generate_s > 0.0 { n_tokens as f64 / generate_s } else { 0.0 };
    json!({ "generate_s": generate_s, "score_s": score_s, "n_tokens": n_tokens, "tokens_per_s": tokens_per_s })
}
