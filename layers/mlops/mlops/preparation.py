"""Everything that can be checked before training is paid for."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops import aws, runs
from mlops.keys import dataset_prefix, run_key
from mlops.limits import check_manifests
from mlops.manifests import parse_lines
from mlops.runs import StageRef


def prepare(run_id: str, cause: str) -> None:
    """Check a run's manifests and write its training input; a violation fails the stage and names the files."""
    store = aws.artifacts_bucket()
    truth = store.read_json(run_key(run_id, "ground_truth.json"))
    if truth["outcome"] != runs.COMPLETED:
        return
    ref = StageRef(run_id, truth["dataset"], truth["task"], "data_prepare")
    if not runs.begin(ref, cause):
        return
    train, test = (store.read(truth["manifests"][side]) for side in ("train", "test"))
    inventory = parse_lines(store.read(truth["inventory"]))
    shapes = {row["key"]: {name: row[name] for name in ("width", "height", "size", "format")} for row in inventory}
    verdict = check_manifests(ref.task, train, test, shapes)
    violations = verdict.violations + _changed(truth["dataset"], {row["key"]: row["etag"] for row in inventory})
    if violations:
        artifact = run_key(run_id, "data_prepare.json")
        store.write_json(artifact, {**ref.as_detail(), "outcome": runs.FAILED, "reasons": violations})
        runs.fail(ref, violations, artifact)
        return
    artifact = run_key(run_id, "training_input.json")
    store.write_json(artifact, _training_input(ref, truth, verdict.warnings + _remarks(truth, inventory)))
    runs.complete(ref, artifact)


def _remarks(truth: Mapping[str, Any], inventory: Sequence[Mapping[str, Any]]) -> list[str]:
    """What somebody who decides should know beside the service's limits."""
    remarks = []
    if truth["task"] == "detection" and all(row["boxes"] for row in inventory):
        remarks.append("no clean image is tested on: nothing will be known of false alarms on them")
    if "detection" in truth["left_out_tasks"] and not truth["settings"]["tasks"]:
        remarks.append("no detection: there are no masks below ground_truth/")
    return remarks


def _changed(dataset: str, recorded: dict[str, str]) -> list[str]:
    present = dict(aws.data_bucket().list(dataset_prefix(dataset)))
    return [
        f"{key} was {'replaced' if key in present else 'deleted'} after its manifest was written; "
        "the change starts a run of its own"
        for key, etag in sorted(recorded.items())
        if present.get(key) != etag
    ]


def _training_input(ref: StageRef, truth: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    copied = {name: truth[name] for name in ("digest", "labels", "counts", "manifests")}
    output = run_key(ref.run_id, "rekognition/development")
    return {**ref.as_detail(), **copied, "version_name": ref.run_id, "output_prefix": output, "warnings": warnings}
