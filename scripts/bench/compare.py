#!/usr/bin/env python3
"""The table of scripts/bench_vs_trl: reads two files of JSON lines (one line per round) and prints medians and ratios.

    python3 scripts/bench/compare.py RLCREDIT.jsonl TRL.jsonl

The ratio is TRL's median over rlcredit's, so above 1 rlcredit is faster or smaller; its spread, in brackets, is the smallest
and the largest ratio of one round's pair.
"""

import json
import statistics
import sys
from pathlib import Path

ROWS = (("step_s", "whole step", "s"), ("generate_s", "generate", "s"), ("train_s", "train", "s"), ("peak_rss_gb", "peak memory", "GB"))


def read(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def figure(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.2f} {unit} ({min(values):.2f}-{max(values):.2f})"


def table(ours: list[dict], theirs: list[dict]) -> list[str]:
    lines = [f"{'':<12} {'rlcredit':<24} {'TRL':<26} {'ratio':>6}"]
    for key, name, unit in ROWS:
        a, b = [r[key] for r in ours], [r[key] for r in theirs]
        pairs = [y / x for x, y in zip(a, b)]
        ratio = statistics.median(b) / statistics.median(a)
        lines.append(f"{name:<12} {figure(a, unit):<24} {figure(b, unit):<26} {ratio:>5.2f}x ({min(pairs):.2f}-{max(pairs):.2f})")
    prompts = {round(r["prompt_tokens"]) for r in ours + theirs if "prompt_tokens" in r}
    if len(prompts) > 1:
        lines.append(f"note: mean prompt lengths differ: {sorted(prompts)} tokens")
    return lines


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: compare.py RLCREDIT.jsonl TRL.jsonl")
    ours, theirs = read(sys.argv[1]), read(sys.argv[2])
    if not ours or len(ours) != len(theirs):
        sys.exit(f"compare.py: {len(ours)} rounds of rlcredit against {len(theirs)} of TRL, expected as many")
    print("\n".join(table(ours, theirs)))


if __name__ == "__main__":
    main()
