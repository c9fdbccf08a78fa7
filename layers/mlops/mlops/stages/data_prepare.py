"""Everything that can be checked before training is paid for."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from mlops.aws import buckets
from mlops.dataset.keys import dataset_prefix, run_key
from mlops.dataset.labels import NORMAL
from mlops.dataset.limits import Verdict, check_manifests, small_boxes
from mlops.dataset.manifests import parse_lines
from mlops.records import runs
from mlops.stage import StageRef
from mlops.stages import eval_metric


def prepare(run_id: str, cause: str) -> None:
    """Check a run's manifests and write its training input; a violation fails the stage and names the files."""
    store = buckets.artifacts_bucket()
    truth = store.read_json(run_key(run_id, "ground_truth.json"))
    # A refused run leaves its account, too, and the rule cannot see what is in it.
    if truth["outcome"] != runs.COMPLETED:
        return
    ref = StageRef(run_id, truth["dataset"], truth["task"], "data_prepare")
    if not runs.begin(ref, cause):
        return
    train, test = (store.read(truth["manifests"][side]) for side in ("train", "test"))
    inventory = parse_lines(store.read(truth["inventory"]))
    facts = ("width", "height", "size", "format")
    shapes = {row.get("picture") or row["key"]: {name: row[name] for name in facts} for row in inventory}
    verdict = check_manifests(ref.task, train, test, shapes)
    # Everything at once: whoever corrects one thing should not wait for a mail about the next.
    violations = verdict.violations + _changed(truth["dataset"], inventory)
    limits = label_thresholds(ref.task, truth)
    violations += limits.violations
    if violations:
        artifact = run_key(run_id, "data_prepare.json")
        store.write_json(artifact, {**ref.as_detail(), "outcome": runs.FAILED, "reasons": violations})
        runs.fail(ref, violations, artifact)
        return
    artifact = run_key(run_id, "training_input.json")
    remarks = [*truth.get("remarks", ()), *verdict.warnings, *limits.warnings, *_remarks(truth, inventory)]
    store.write_json(artifact, _training_input(ref, truth, remarks))
    runs.complete(ref, artifact)


def _remarks(truth: Mapping[str, Any], inventory: Sequence[Mapping[str, Any]]) -> list[str]:
    """What somebody who decides should know beside the service's limits."""
    remarks = []
    if truth["task"] == "detection":
        remarks += small_boxes(inventory)
    if truth["task"] == "detection" and all(row["boxes"] for row in inventory):
        remarks.append("no clean image is tested on: nothing will be known of false alarms on them")
    if "detection" in truth["left_out_tasks"] and not truth["settings"]["tasks"]:
        remarks.append("no detection: there are no masks below ground_truth/, and no boxes in annotations.manifest")
    if truth.get("split", {}).get("by") == "pool" and truth["settings"]["split"] == "auto":
        remarks.append(f"the system deals the sides, not the folders: {truth['split']['why']}")
    return remarks


def label_thresholds(task: str, truth: Mapping[str, Any]) -> Verdict:
    """What is wrong with the thresholds of single labels, before a training is paid for.

    They are a parameter of the stack: a label that this dataset does not have may be one of another dataset.
    """
    verdict = Verdict()
    try:
        given = eval_metric.gate_of(task, truth.get("label_names", {})).by_label
    except ValueError as error:
        verdict.violations.append(str(error))
        return verdict
    # A detector never says that a part is normal.
    labels = {label for label in truth["labels"] if task == "classification" or label != NORMAL}
    for label in sorted(given):
        if label not in labels:
            alike = difflib.get_close_matches(label, labels, 1)
            hint = f"; did you mean {alike[0]!r}?" if alike else ""
            verdict.warnings.append(f"{label!r} has a threshold, but is no label of this dataset{hint}")
        elif not truth["counts"]["test"].get(label):
            verdict.violations.append(f"{label!r} has a threshold, but no image in test that could show that it is met")
    return verdict


def _changed(dataset: str, inventory: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which images are no longer those of the manifest: the service would train on others, or fail."""
    present = dict(buckets.data_bucket().list(dataset_prefix(dataset)))
    return [
        f"{row['key']} was {'replaced' if row['key'] in present else 'deleted'} after its manifest was written; "
        "the change starts a run of its own"
        for row in sorted(inventory, key=lambda row: str(row["key"]))
        if present.get(row["key"]) != row["etag"] and not _has_same_bytes(row)
    ]


def _has_same_bytes(row: Mapping[str, Any]) -> bool:
    """Whether an object with another etag has the bytes of the inventory: in parts or encrypted, it was sent again."""
    try:
        found = buckets.data_bucket().get(row["key"])
    except buckets.ObjectUnreadable:
        return False
    return found is not None and hashlib.sha256(found["Body"].read()).hexdigest() == row.get("digest")


def _training_input(ref: StageRef, truth: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    copied = {name: truth[name] for name in ("digest", "labels", "counts", "manifests")}
    output = run_key(ref.run_id, "rekognition/development")
    return {**ref.as_detail(), **copied, "version_name": ref.run_id, "output_prefix": output, "warnings": warnings}
