#!/usr/bin/env python3
"""The evaluation of `rlcredit eval --set` written with transformers and math-verify, timed. Called by scripts/bench_eval.

    python scripts/bench/eval_transformers.py --model DIR --results RESULTS.json --responses FOLDER --batch 64

RESULTS.json and FOLDER are what `rlcredit eval --out` has left: its settings, and its prompts as the model reads them, so
that both sides answer the same texts. Every prompt is answered k times by `generate`: all responses sorted by the length of
their prompts, longest first, in batches padded on the left, with the same temperature, top-p, top-k and limit. Prints one
JSON line: seconds for generating and for grading, tokens, and per set the share of right answers of every problem, as
math-verify says. math-verify takes any last expression for the answer, and the grader `math` does not: --replies lets
`rlcredit grade` judge the same responses, which tells the two apart.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from math_verify import parse, verify
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "results", "responses"):
        p.add_argument(f"--{name}", required=True)
    p.add_argument("--batch", type=int, required=True, help="responses decoded at once")
    p.add_argument("--replies", help="keep gold answers and responses here, a file that `rlcredit grade` reads")
    return p.parse_args()


def generation(settings: dict, model, tokenizer) -> GenerationConfig:
    """The settings of rlcredit and nothing else: what generation_config.json says besides of sampling would not be the same work."""
    ends = model.generation_config.eos_token_id
    return GenerationConfig(
        do_sample=True, temperature=settings["temperature"], top_p=settings["top_p"], top_k=settings["top_k"],
        max_new_tokens=settings["max_new_tokens"], eos_token_id=ends, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id)


def right(gold: str, text: str) -> bool:
    answer = parse(text, parsing_timeout=5)
    marked = gold if "$" in gold else f"${gold}$"
    return verify(parse(marked, parsing_timeout=5), answer, timeout_seconds=5)


def main() -> None:
    a = arguments()
    results = json.loads(Path(a.results).read_text())
    settings = results["settings"]
    items = [(name, json.loads(line)) for name in results["sets"] for line in (Path(a.responses) / f"{name}.jsonl").read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(a.model, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    dtype = torch.bfloat16 if settings["dtype"] == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype).eval()
    config = generation(settings, model, tokenizer)
    torch.manual_seed(settings["seed"])

    start = time.perf_counter()
    prompts = [tokenizer(item["prompt"], add_special_tokens=settings["chat"] is None)["input_ids"] for _, item in items]
    rows = sorted((i for i in range(len(items)) for _ in range(settings["k"])), key=lambda i: -len(prompts[i]))
    texts: list[list[str]] = [[] for _ in items]
    n_tokens = clipped = 0
    ends = set(config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id])
    with torch.inference_mode():
        for first in range(0, len(rows), a.batch):
            batch = rows[first:first + a.batch]
            inputs = tokenizer.pad({"input_ids": [prompts[i] for i in batch]}, return_tensors="pt")
            new = model.generate(**inputs, generation_config=config)[:, inputs["input_ids"].shape[1]:]
            for i, row in zip(batch, new.tolist()):
                length = next((at + 1 for at, token in enumerate(row) if token in ends), None)
                clipped += length is None
                n_tokens += length or len(row)
                texts[i].append(tokenizer.decode(row[:length], skip_special_tokens=True))
    generate_s = time.perf_counter() - start
    if a.replies:
        lines = (json.dumps({"gold": item["gold"], "reply": text}) for (_, item), responses in zip(items, texts) for text in responses)
        Path(a.replies).write_text("".join(line + "\n" for line in lines))
    start = time.perf_counter()
    shares: dict[str, list[float]] = {}
    for (name, item), responses in zip(items, texts):
        shares.setdefault(name, []).append(sum(right(item["gold"], text) for text in responses) / len(responses))
    print(json.dumps({
        "generate_s": generate_s, "score_s": time.perf_counter() - start, "n_tokens": n_tokens, "n_responses": len(rows),
        "clip_ratio": clipped / len(rows), "batch": a.batch, "shares": shares}))


if __name__ == "__main__":
    main()
