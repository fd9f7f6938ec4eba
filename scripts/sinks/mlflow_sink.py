#!/usr/bin/env python3
"""Sends a run to MLflow as it goes on. In a recipe:

    [[observe.sink]]
    type = "command"
    name = "mlflow"
    program = ["python3", "scripts/sinks/mlflow_sink.py", "--experiment", "mine"]
    pass_env = ["MLFLOW_TRACKING_TOKEN"]    # or MLFLOW_TRACKING_PASSWORD, where the server asks for one

Needs the package mlflow. MLFLOW_TRACKING_URI says where: a server, a database (`sqlite:///mlflow.db`), or, with
MLFLOW_ALLOW_FILE_STORE=true, a folder (`file:mlruns`). A run that goes on is found by its id, the tag `rlcredit.id`, and goes on
there too; rows that are there already are left out.
"""

import argparse
import json
import pathlib
import sys
import time

import mlflow
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient

ENDS = {"done": RunStatus.FINISHED, "stopped": RunStatus.KILLED, "failed": RunStatus.FAILED}
# As many as a request may have.
METRICS, PARAMS = 1000, 100


def settings(value, path=""):
    """The settings of a recipe by path, tables opened."""
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        entries = enumerate(value)
    else:
        return {path: value}
    return {p: v for key, own in entries for p, v in settings(own, f"{path}.{key}" if path else str(key)).items()}


def begin(client, about, experiment):
    """The id of the run there, and the last step that it has."""
    found = client.get_experiment_by_name(experiment)
    experiment = found.experiment_id if found else client.create_experiment(experiment)
    known = client.search_runs([experiment], f"tags.`rlcredit.id` = '{about['id']}'", max_results=1)
    if known:
        run = known[0].info.run_id
        client.set_terminated(run, RunStatus.to_string(RunStatus.RUNNING))
        # The row of every step has this one.
        history = client.get_metric_history(run, "progress/wall_s")
        return run, max((point.step for point in history), default=0)
    tags = {"rlcredit.id": about["id"], "rlcredit.folder": about["folder"]}
    run = client.create_run(experiment, run_name=about["name"], tags=tags).info.run_id
    params = [Param(key, str(value)[:6000]) for key, value in settings(about["recipe"]).items()]
    for start in range(0, len(params), PARAMS):
        client.log_batch(run, params=params[start : start + PARAMS])
    return run, 0


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


def send(client, run, step, row, now):
    metrics = [Metric(named(key), value, now, step) for key, value in row.items() if value is not None]
    for start in range(0, len(metrics), METRICS):
        client.log_batch(run, metrics=metrics[start : start + METRICS])


def named(key):
    """A name that MLflow takes: `avg@4` has a character that it does not."""
    return key.replace("@", "_at_")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="rlcredit")
    given = parser.parse_args()
    client, run, last, ended = MlflowClient(), None, 0, RunStatus.KILLED
    for line in map(json.loads, sys.stdin):
        if line["type"] == "run":
            run, last = begin(client, line, given.experiment)
            for last, row in missed(line, last):
                send(client, run, last, row, int(1000 * time.time()))
        elif line["type"] == "sample" and line["step"] > last:
            client.log_dict(run, line, f"samples/step_{line['step']:06}.json")
        elif line["type"] == "row" and line["step"] > last:
            last = line["step"]
            send(client, run, last, line["metrics"], int(1000 * line["time"]))
        elif line["type"] == "end":
            ended = ENDS[line["outcome"]]
            if "message" in line:
                client.set_tag(run, "rlcredit.error", line["message"])
    # Without a line `end` the run was killed.
    if run:
        client.set_terminated(run, RunStatus.to_string(ended), int(1000 * time.time()))


if __name__ == "__main__":
    main()
