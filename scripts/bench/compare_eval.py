#!/usr/bin/env python3
"""The table of scripts/bench_eval: scores of both sides with their intervals, and the ratio of times; JSON as the last line.

    python3 scripts/bench/compare_eval.py K REGRADED.jsonl RLCREDIT.json... -- TRANSFORMERS.json...

One file a round for either side; REGRADED.jsonl is what `rlcredit grade` says of the first round's responses of
transformers, k of each problem. Scores are those of the first round; the 95 % intervals are those of `rlcredit eval`
(Wilson's, for as many coins as vary like the shares); `within` says whether the two may be the same. The ratio is the median
time of transformers over that of rlcredit.
"""

import json
import math
import statistics
import sys
from pathlib import Path

Z = 1.959963984540054


def estimate(shares: list[float], k: int) -> tuple[float, float, float]:
    n, mean = len(shares), statistics.fmean(shares)
    variance, coin = statistics.pvariance(shares), mean * (1 - mean)
    m = min(n * coin / variance, n * k) if variance > 1e-12 else n
    shrink = 1 + Z * Z / m
    centre, half = (mean + Z * Z / (2 * m)) / shrink, Z / shrink * math.sqrt(coin / m + (Z / (2 * m)) ** 2)
    return mean, max(0.0, min(centre - half, mean)), min(1.0, max(centre + half, mean))


def agree(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    """Whether 0 is in the 95 % interval of the difference (Newcombe 1998, method 10)."""
    low, high = (a, b) if a[0] <= b[0] else (b, a)
    return high[0] - low[0] <= math.hypot(low[2] - low[0], high[0] - high[1])


def shown(score: tuple[float, float, float]) -> str:
    return f"{100 * score[0]:.1f} [{100 * score[1]:.1f}, {100 * score[2]:.1f}]"


def total(record: dict) -> float:
    return record["generate_s"] + record["score_s"]


def main() -> None:
    if len(sys.argv) < 6 or "--" not in sys.argv:
        sys.exit("usage: compare_eval.py K REGRADED.jsonl RLCREDIT.json... -- TRANSFORMERS.json...")
    k, split = int(sys.argv[1]), sys.argv.index("--")
    ours, theirs = ([json.loads(Path(name).read_text()) for name in names] for names in (sys.argv[3:split], sys.argv[split + 1:]))
    right = [json.loads(line)["verdict"] for line in Path(sys.argv[2]).read_text().splitlines()]
    if not ours or len(ours) != len(theirs):
        sys.exit(f"compare_eval.py: {len(ours)} rounds of rlcredit against {len(theirs)} of transformers, expected as many")
    scores, inside, first = {}, True, 0
    print(f"| {'set (avg@' + str(k) + ' in %)':<20} | {'n':>4} | {'rlcredit':>20} | {'transformers':>20} | {'same, by `math`':>20} | within |")
    print(f"| {'-' * 20} | {'-' * 3}: | {'-' * 19}: | {'-' * 19}: | {'-' * 19}: | :----: |")
    for name, shares in ours[0]["shares"].items():
        other = theirs[0]["shares"].get(name)
        if other is None or len(other) != len(shares):
            sys.exit(f"compare_eval.py: {name} has {len(shares)} problems here and {len(other or [])} there, expected as many")
        a, b = estimate(shares, k), estimate(other, k)
        verdicts, first = right[first:first + k * len(shares)], first + k * len(shares)
        if len(verdicts) != k * len(shares):
            sys.exit(f"compare_eval.py: {sys.argv[2]} has {len(right)} lines, expected {k} for each problem")
        c = estimate([statistics.fmean(verdicts[i:i + k]) for i in range(0, len(verdicts), k)], k)
        holds, holds_by_math = agree(a, b), agree(a, c)
        inside &= holds
        scores[name] = {"n": len(shares), "rlcredit": a, "transformers": b, "transformers_by_math": c, "within": holds, "within_by_math": holds_by_math}
        print(f"| {name:<20} | {len(shares):>4} | {shown(a):>20} | {shown(b):>20} | {shown(c):>20} | {'yes' if holds else 'no':^6} |")
    times = {}
    for key, value in (("generate_s", lambda r: r["generate_s"]), ("score_s", lambda r: r["score_s"]), ("total_s", total),
                       ("tokens_per_s", lambda r: r["n_tokens"] / r["generate_s"])):
        a, b = [value(r) for r in ours], [value(r) for r in theirs]
        pairs = [x / y if key == "tokens_per_s" else y / x for x, y in zip(a, b) if x > 0 and y > 0]
        if not pairs:
            continue
        ratio = statistics.median(a) / statistics.median(b) if key == "tokens_per_s" else statistics.median(b) / statistics.median(a)
        times[key] = {"rlcredit": a, "transformers": b, "ratio": ratio}
        print(f"{key:<14} rlcredit {statistics.median(a):>9.2f}   transformers {statistics.median(b):>9.2f}   {ratio:.2f}x ({min(pairs):.2f}-{max(pairs):.2f})")
    print(json.dumps({"k": k, "batch": theirs[0]["batch"], "sets": scores, "times": times, "all_within": inside}))


if __name__ == "__main__":
    main()
