#!/usr/bin/env python3
"""One GRPO run of TRL on a local model folder, timed: a warm-up step, then the measured ones. Called by scripts/bench_vs_trl.

    python scripts/bench/run_trl.py --model DIR --prompt-file FILE --prompts 8 --group 8 --new-tokens 128 --steps 2 --dtype bf16

Each step answers the first --prompts lines of the file. Every response has exactly --new-tokens tokens, so the work of a step is fixed. Prints one JSON line: step_s, generate_s and
train_s (everything else in the step) as medians over the measured steps, peak_rss_gb, prompt_tokens (mean). Settings that
cost TRL time are off: no KL reference, no checkpoints, no logging, no gradient checkpointing.
"""

import argparse
import json
import os
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--prompt-file", required=True)
    for name, default in (("prompts", 8), ("group", 8), ("new-tokens", 128), ("steps", 2), ("rows-per-pass", 8)):
        p.add_argument(f"--{name}", type=int, default=default)
    p.add_argument("--dtype", choices=("bf16", "f32"), default="bf16")
    return p.parse_args()


class Clock(TrainerCallback):
    """Times the calls of `generate` and notes when each optimiser step ends."""

    def __init__(self, model):
        self.generate_s, self.step_ends, inner = [], [], model.generate

        def timed(*args, **kwargs):
            start = time.perf_counter()
            result = inner(*args, **kwargs)
            self.generate_s.append(time.perf_counter() - start)
            return result

        model.generate = timed

    def on_step_end(self, *_args, **_kwargs):
        self.step_ends.append(time.perf_counter())


def main() -> None:
    a = arguments()
    rows = a.prompts * a.group
    if rows % a.rows_per_pass:
        raise SystemExit(f"bench/run_trl.py: {a.prompts} prompts x {a.group} responses do not divide by --rows-per-pass {a.rows_per_pass}")
    rng = random.Random(0)
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    prompts = Path(a.prompt_file).read_text().splitlines()[:a.prompts]
    if len(prompts) != a.prompts:
        raise SystemExit(f"bench/run_trl.py: {a.prompt_file} has {len(prompts)} lines, expected at least {a.prompts}")
    clock = Clock(model)
    with tempfile.TemporaryDirectory() as scratch:
        config = GRPOConfig(
            output_dir=scratch, use_cpu=not torch.cuda.is_available(), bf16=a.dtype == "bf16", max_steps=1 + a.steps, learning_rate=1e-6,
            per_device_train_batch_size=a.rows_per_pass, gradient_accumulation_steps=rows // a.rows_per_pass, num_generations=a.group,
            max_completion_length=a.new_tokens, generation_kwargs={"min_new_tokens": a.new_tokens}, temperature=1.0, beta=0.0,
            gradient_checkpointing=False, shuffle_dataset=False, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True)
        trainer = GRPOTrainer(model=model, args=config, processing_class=tokenizer, train_dataset=Dataset.from_dict({"prompt": prompts * (1 + a.steps)}),
                              reward_funcs=lambda completions, **_: [rng.random() for _ in completions], callbacks=[clock])
        trainer.train()
    steps = [end - start for start, end in zip(clock.step_ends, clock.step_ends[1:])]
    generate = clock.generate_s[1:]
    if len(generate) != len(steps):
        raise SystemExit(f"bench/run_trl.py: {len(clock.generate_s)} calls of generate in {len(clock.step_ends)} steps, expected one each")
    print(json.dumps({
        "step_s": statistics.median(steps), "generate_s": statistics.median(generate),
        "train_s": statistics.median(s - g for s, g in zip(steps, generate)),
        "peak_rss_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "prompt_tokens": statistics.mean(len(tokenizer(p)["input_ids"]) for p in prompts)}))


if __name__ == "__main__":
    main()
