//! What other trainers call keys and sections, and where these are here: for a person who comes from one and writes what they know.
//! The tables of `docs/migration.md` are the source; a test holds the two together.

/// A key of another trainer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere {
    /// Its name there, the last part; `section.name` where it means this in that section alone.
    name: &'static str,
    /// Paths that it has here; none where nothing corresponds to it.
    pub homes: &'static [&'static str],
    /// What a person should know beside the name.
    pub remark: &'static str,
}

const fn of(name: &'static str, homes: &'static [&'static str]) -> Elsewhere {
    Elsewhere { name, homes, remark: "" }
}

const fn with(name: &'static str, homes: &'static [&'static str], remark: &'static str) -> Elsewhere {
    Elsewhere { name, homes, remark }
}

/// What a run has in the place of epochs.
const NO_EPOCHS: &str = "a run is as long as its number of steps, each a batch of [batch] `prompts`; once over all problems is their number \
                         divided by that";
/// What becomes of a rate of warming up.
const IN_STEPS: &str = "a number of steps, not a share of them";
/// Where metrics go.
const SINKS: &str = "metrics always go to metrics.jsonl; [[observe.sink]] sends them to others, with scripts/sinks/wandb_sink.py or \
                     mlflow_sink.py to Weights & Biases or MLflow";

/// All of them, by name.
const KEYS: &[Elsewhere] = &[
    with("attn_implementation", &["model.backend"], "attention needs no choice"),
    with("adam_beta1", &["optim.betas"], "both in one list"),
    with("adam_beta2", &["optim.betas"], "both in one list"),
    of("adam_epsilon", &["optim.eps"]),
    of("adv_estimator", &["advantage.type"]),
    with("bf16", &["model.dtype"], "write dtype = \"bf16\""),
    with("fp16", &["model.dtype"], "bf16 or f32; there is no training in half precision"),
    of("base_model", &["model.path", "model.hub"]),
    of("batch_size", &["batch.prompts"]),
    of("beta", &["loss.kl.coef"]),
    of("clip_grad", &["optim.max_grad_norm"]),
    with("clip_range", &["loss.policy.clip_low", "loss.policy.clip_high"], ""),
    with("clip_ratio", &["loss.policy.clip_low", "loss.policy.clip_high"], ""),
    of("clip_ratio_c", &["loss.policy.dual_clip"]),
    of("clip_ratio_high", &["loss.policy.clip_high"]),
    of("clip_ratio_low", &["loss.policy.clip_low"]),
    with("cliprange", &["loss.policy.clip_low", "loss.policy.clip_high"], ""),
    of("cliprange_value", &["critic.clip"]),
    of("critic_warmup", &["critic.warmup_steps"]),
    of("default_local_dir", &["run.name"]),
    of("delta", &["loss.policy.dual_clip"]),
    of("enable_gradient_checkpointing", &["batch.gradient_checkpointing"]),
    of("enable_thinking", &["chat.variables"]),
    of("entropy_coef", &["loss.entropy_bonus"]),
    of("entropy_coeff", &["loss.entropy_bonus"]),
    with("run.epochs", &["run.steps"], NO_EPOCHS),
    of("epsilon", &["loss.policy.clip_low"]),
    of("epsilon_high", &["loss.policy.clip_high"]),
    of("eval_freq", &["eval.every"]),
    of("eval_interval", &["eval.every"]),
    of("eval_steps", &["eval.every"]),
    of("experiment_name", &["run.name"]),
    of("generation_batch_size", &["batch.prompts"]),
    of("gradient_clip", &["optim.max_grad_norm"]),
    of("gradient_clipping", &["optim.max_grad_norm"]),
    with(
        "gradient_accumulation_steps",
        &["batch.max_tokens", "batch.minibatches"],
        "micro-batches are made to fit the first; the second is into how many updates a step is cut",
    ),
    with("generation_kwargs", &["sampling.stop", "sampling.min_new_tokens"], "each a key of its own"),
    with("get_soft_overlong_punishment", &["overlong.type"], "write type = \"penalty\""),
    of("group_size", &["explore.size"]),
    of("kl_coef", &["loss.kl.coef"]),
    of("kl_loss_coef", &["loss.kl.coef"]),
    of("kl_loss_type", &["loss.kl.estimator"]),
    of("kl_penalty", &["loss.kl.estimator"]),
    of("lam", &["advantage.lambda"]),
    of("learning_rate", &["optim.lr"]),
    with("logging_steps", &[], SINKS),
    with("logger", &["observe.sink", "observe.tensorboard"], SINKS),
    of("lora_alpha", &["model.lora.alpha"]),
    of("lora_dropout", &["model.lora.dropout"]),
    of("lora_r", &["model.lora.rank"]),
    of("lora_rank", &["model.lora.rank"]),
    of("lora_target_modules", &["model.lora.targets"]),
    of("loss_agg_mode", &["loss.aggregation"]),
    of("loss_mode", &["loss.policy.type"]),
    of("loss_type", &["loss.aggregation", "loss.policy.type"]),
    of("lr_scheduler", &["optim.schedule"]),
    of("lr_scheduler_type", &["optim.schedule"]),
    of("lr_warmup_steps", &["optim.warmup_steps"]),
    with("lr_warmup_steps_ratio", &["optim.warmup_steps"], IN_STEPS),
    with("mask_truncated_completions", &["overlong.type"], "write type = \"mask\""),
    of("max_completion_length", &["sampling.max_new_tokens"]),
    of("max_actor_ckpt_to_keep", &["checkpoint.keep"]),
    with("max_epochs", &["run.steps"], NO_EPOCHS),
    of("max_length", &["sampling.max_new_tokens"]),
    of("max_num_gen_batches", &["groups.refill_rounds"]),
    of("max_prompt_length", &["data.max_prompt_tokens"]),
    of("max_response_length", &["sampling.max_new_tokens"]),
    of("max_steps", &["run.steps"]),
    with("micro_batch_size", &["batch.max_tokens"], "in tokens, not in rows"),
    with("mini_batch_size", &["batch.minibatches"], "how many there are, not how large they are"),
    of("min_tokens", &["sampling.min_new_tokens"]),
    of("model_name", &["model.path", "model.hub"]),
    of("model_name_or_path", &["model.path", "model.hub"]),
    of("n", &["explore.size"]),
    of("eval.n", &["eval.samples"]),
    of("eval.k", &["eval.samples"]),
    with("n_epochs", &["run.steps"], NO_EPOCHS),
    with("norm_adv_by_std_in_grpo", &["advantage.scale"], "\"group_std\", or \"none\" without it"),
    of("num_fewshot", &["data.few_shot"]),
    of("num_generations", &["explore.size"]),
    with("num_iterations", &["batch.epochs"], ""),
    of("num_generations_eval", &["eval.samples"]),
    of("num_return_sequences", &["explore.size"]),
    with("num_train_epochs", &["run.steps"], NO_EPOCHS),
    with("output_dir", &["run.name"], "--runs says in which folder a run lies"),
    with(
        "per_device_train_batch_size",
        &["batch.max_tokens"],
        "in tokens, not in rows; [batch] `prompts` is what a step takes",
    ),
    of("ppo_epochs", &["batch.epochs"]),
    of("ppo_max_token_len_per_gpu", &["batch.max_tokens"]),
    with("ppo_micro_batch_size_per_gpu", &["batch.max_tokens"], "in tokens, not in rows"),
    with("ppo_mini_batch_size", &["batch.minibatches"], "how many there are, not how large they are"),
    of("pretrained", &["model.path", "model.hub"]),
    with("report_to", &["observe.sink", "observe.tensorboard"], SINKS),
    of("response_length", &["sampling.max_new_tokens"]),
    with("reward_funcs", &["reward.type"], "a [[reward]] for each"),
    of("reward_weights", &["reward.weight"]),
    with("rollout_is", &["importance_sampling.mode"], ""),
    of("rollout_is_threshold", &["importance_sampling.cap"]),
    of("rollout_n", &["explore.size"]),
    of("save_freq", &["checkpoint.every"]),
    of("save_interval", &["checkpoint.every"]),
    of("save_steps", &["checkpoint.every"]),
    of("save_total_limit", &["checkpoint.keep"]),
    with("scale_rewards", &["advantage.scale"], ""),
    of("scheduler", &["optim.schedule"]),
    with("steps_per_generation", &["batch.minibatches"], ""),
    of("stop_sequences", &["sampling.stop"]),
    of("stop_strings", &["sampling.stop"]),
    of("target_modules", &["model.lora.targets"]),
    of("test_freq", &["eval.every"]),
    of("torch_dtype", &["model.dtype"]),
    with("total_epochs", &["run.steps"], NO_EPOCHS),
    of("total_training_steps", &["run.steps"]),
    of("train_batch_size", &["batch.prompts"]),
    of("train_files", &["data.train"]),
    with("use_kl_loss", &["loss.kl.coef"], "a section [loss.kl] switches it on"),
    with("use_lora", &["model.lora"], "a section [model.lora] switches it on"),
    with("use_vllm", &["engine.type"], "a section [engine] switches it on"),
    of("val_files", &["data.eval"]),
    of("vllm_importance_sampling_clip_max", &["importance_sampling.cap"]),
    of("vllm_importance_sampling_mode", &["importance_sampling.mode"]),
    with("wandb", &["observe.sink"], SINKS),
    with("warmup_ratio", &["optim.warmup_steps"], IN_STEPS),
    with("warmup_steps_ratio", &["optim.warmup_steps"], IN_STEPS),
];

/// Sections of other trainers, and what is here of them.
const SECTIONS: &[(&str, &str)] = &[
    ("actor", "[optim], [loss] and [batch]"),
    ("actor_rollout_ref", "[model], [optim], [loss], [batch] and [sampling]"),
    ("algorithm", "[advantage] and [loss.kl]"),
    ("dataset", "[data]"),
    ("generation", "[sampling] and [explore]"),
    ("grpo", "[explore], [advantage] and [loss]"),
    ("logging", "[observe]"),
    ("ref", "[loss.kl]"),
    ("reward_model", "[[reward]]"),
    ("rollout", "[sampling] and [explore]"),
    ("trainer", "[run], [eval] and [checkpoint]"),
    ("training", "[run], [optim] and [batch]"),
];

/// What `key` of another trainer is here, where it stands in the table at `path`.
pub(super) fn key(path: &str, key: &str) -> Option<&'static Elsewhere> {
    let there = |known: &&Elsewhere| known.name.rsplit_once('.') == Some((path, key));
    KEYS.iter().find(there).or_else(|| KEYS.iter().find(|known| known.name == key))
}

/// The keys of another trainer in `value`, by their paths in it.
pub(super) fn within(value: &toml::Value) -> Vec<(String, &'static Elsewhere)> {
    let Some(table) = value.as_table() else { return Vec::new() };
    let of_entry = |(name, value): (&String, &toml::Value)| match self::key("", name) {
        Some(known) if !value.is_table() => vec![(name.clone(), known)],
        _ => within(value).into_iter().map(|(path, known)| (format!("{name}.{path}"), known)).collect(),
    };
    table.iter().flat_map(of_entry).collect()
}

/// The sections that have what is in the section `name` of another trainer.
pub(super) fn section(name: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(other, _)| *other == name).map(|(_, here)| *here)
}

/// Values of other trainers, by the key here, and what they are here; what is said instead where there is nothing like it.
const VALUES: &[(&str, &[&str], &str)] = &[
    ("dtype", &["bfloat16", "torch.bfloat16"], "did you mean \"bf16\"?"),
    ("dtype", &["float32", "fp32", "torch.float32", "float"], "did you mean \"f32\"?"),
    (
        "dtype",
        &["fp16", "float16", "f16", "half", "torch.float16"],
        "half precision loses small gradients, and there is no training in it; bf16 takes as little memory",
    ),
    ("device", &["gpu"], "did you mean \"cuda\"?"),
    (
        "policy.type",
        &["grpo", "dapo", "bnpo", "ppo"],
        "did you mean \"clip\"? (with [loss] `aggregation` as it is there)",
    ),
    ("advantage.type", &["grpo"], "did you mean \"group\"?"),
    (
        "sink.type",
        &["wandb"],
        "write type = \"command\", program = [\"python3\", \"scripts/sinks/wandb_sink.py\"]",
    ),
    (
        "sink.type",
        &["mlflow"],
        "write type = \"command\", program = [\"python3\", \"scripts/sinks/mlflow_sink.py\"]",
    ),
    ("sink.type", &["tensorboard"], "that is [observe] `tensorboard`, on by itself"),
];

/// What there is in place of `value` of another trainer, for the key at `path`.
pub(super) fn value(path: &str, value: &str) -> Option<&'static str> {
    let names: Vec<&str> = path.split('.').filter(|name| name.parse::<usize>().is_err()).collect();
    let is_of = |key: &str| names.ends_with(&key.split('.').collect::<Vec<_>>());
    let is_meant = |(of, names, _): &&(&str, &[&str], &str)| is_of(of) && names.contains(&value);
    VALUES.iter().find(is_meant).map(|(_, _, remark)| *remark)
}

#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    KEYS.iter().map(|known| (known.name, known.homes))
}
