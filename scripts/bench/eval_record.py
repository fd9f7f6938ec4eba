#!/usr/bin/env python3
"""What `rlcredit eval --out` has left of one model, in the form that scripts/bench/eval_transformers.py prints.

    python3 scripts/bench/eval_record.py OUT/MODEL
"""

import json
import sys
from pathlib import Path


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: eval_record.py OUT/MODEL")
    folder = Path(sys.argv[1])
    sets = json.loads((folder / "results.json").read_text())["sets"]
    shares = {}
    for name in sets:
        items = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        shares[name] = [item["n_correct"] / len(item["responses"]) for item in items]
    record = {key: sum(one["time"][key] for one in sets.values()) for key in ("generate_s", "score_s", "n_tokens")}
    print(json.dumps({**record, "n_responses": sum(one["n_responses"] for one in sets.values()), "shares": shares}))


if __name__ == "__main__":
    main()
