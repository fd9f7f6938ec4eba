#!/usr/bin/env python3
"""Sends a run to Weights & Biases as it goes on. In a recipe:

    [[observe.sink]]
    type = "command"
    name = "wandb"
    program = ["python3", "scripts/sinks/wandb_sink.py", "--project", "mine"]
    pass_env = ["WANDB_API_KEY"]            # not needed after `wandb login`

Needs the package wandb. The run there has the id of the run here, so that one that goes on goes on there too; rows that are
there already are left out: W&B says which, and offline a file beside the log of this program does. WANDB_MODE=offline writes to
the disk, `wandb sync` sends it later; all of W&B's variables count.
"""

import argparse
import json
import pathlib
import sys

import wandb


class Sent:
    """The last step that was sent, for the time when nobody can be asked."""

    def __init__(self, about):
        self.path = pathlib.Path(about["folder"], "sinks", f"wandb_{about['id']}.step")

    def read(self):
        return int(self.path.read_text() or 0) if self.path.exists() else 0

    def write(self, step):
        self.path.parent.mkdir(exist_ok=True)
        # At once or not at all.
        beside = self.path.with_suffix(".tmp")
        beside.write_text(str(step))
        beside.replace(self.path)


def missed(about, last):
    """The rows behind step `last` that do not come any more: those that an earlier program did not send on."""
    path = pathlib.Path(about["folder"], "metrics.jsonl")
    for line in path.read_text().splitlines() if last < about["after_step"] else []:
        row = json.loads(line)
        step = row.pop("step")
        if last < step:
            yield step, row
        # What is behind it may not be whole, and comes.
        if step >= about["after_step"]:
            return


def begin(about, given):
    """The run there."""
    return wandb.init(
        project=given.project,
        entity=given.entity,
        group=given.group,
        dir=given.dir or about["folder"],
        id=about["id"],
        name=about["name"],
        resume="allow",
        config={**about["recipe"], "folder": about["folder"]},
    )


def sample_table(line):
    """Responses to one prompt."""
    columns = ["step", "prompt", "gold", "response", "answer", "reward", "note"]
    keys = ("text", "answer", "reward", "note")
    rows = [[line["step"], line["prompt"], line["gold"], *map(one.get, keys)] for one in line["responses"]]
    return wandb.Table(columns=columns, data=rows)


def send(run, sent, step, row):
    run.log({key: value for key, value in row.items() if value is not None}, step=step)
    sent.write(step)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", default="rlcredit")
    parser.add_argument("--entity")
    parser.add_argument("--group", help="a name that runs have in common")
    parser.add_argument("--dir", help="where W&B keeps its files; the run's folder without it")
    given = parser.parse_args()
    run, sent, last, samples = None, None, 0, {}
    for line in map(json.loads, sys.stdin):
        if line["type"] == "run":
            run, sent = begin(line, given), Sent(line)
            # `run.step` is the next one.
            last = max(run.step - 1, sent.read())
            for last, row in missed(line, last):
                send(run, sent, last, row)
        elif line["type"] == "sample" and line["step"] > last:
            samples = {"samples": sample_table(line)}
        elif line["type"] == "row" and line["step"] > last:
            last = line["step"]
            send(run, sent, last, {**line["metrics"], **samples})
            samples = {}
        elif line["type"] == "end":
            run.finish(exit_code=1 if line["outcome"] == "failed" else 0)
            return
    # Without a line `end` the run was killed.
    if run:
        run.finish(exit_code=1)


if __name__ == "__main__":
    main()
