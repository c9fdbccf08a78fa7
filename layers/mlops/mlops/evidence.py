"""What a person decides on: the verdict, the numbers beside their limits and production, pictures, data, lineage."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlops import aws, costs, runs, table, words
from mlops.environments import ENVIRONMENTS
from mlops.keys import run_key
from mlops.metrics import keeps_to, reaches
from mlops.mistakes import is_wrong

_LINK_SECONDS = 900
MOST_SHOWN_RELEASES = 5


@dataclass(frozen=True)
class Measure:
    """A number beside its limit, which it must reach (`at least`) or keep to (`at most`); None: not measured.

    `production` is the same number of the version in production, where it is known.
    """

    name: str
    value: float | None
    bound: str
    limit: float
    production: float | None = None

    @property
    def is_good(self) -> bool:
        if self.value is None:
            return True
        return (reaches if self.bound == "at least" else keeps_to)(self.value, self.limit)

    @property
    def texts(self) -> tuple[str, str]:
        """The value and its limit as a person reads them."""
        return words.beside(self.value, self.limit) if self.value is not None else ("-", words.number(self.limit))


@dataclass(frozen=True)
class Picture:
    """A picture, what it shows, and where it is: a link, or the picture itself as a data URI."""

    source: str
    caption: str
    is_wrong: bool = False


def load(run_id: str, environment: str) -> dict[str, Any]:
    """What is known of a run up to its test in an environment; what it has not come to is None or empty."""
    store = aws.artifacts_bucket()
    names = {"truth": "ground_truth.json", "gate": "eval_metric.json", "test": f"{environment}/inference_test.json"}
    texts = {name: store.read_if_exists(run_key(run_id, file)) for name, file in names.items()}
    found = {name: json.loads(text) if text else None for name, text in texts.items()}
    prepared = json.loads(store.read_if_exists(run_key(run_id, "training_input.json")) or "{}")
    truth, gate, test = found["truth"], found["gate"], found["test"]
    facts = {"warnings": prepared.get("warnings", []), "bucket": store.name, "cost": costs.estimate(run_id)}
    known = {**found, **facts, "measures": list(measures_of(gate, test)), "confusion": confusion_of(truth, test)}
    return {**known, "mistakes": sum(map(is_wrong, test["answers"])) if test else None}


def measures_of(gate: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> Iterator[Measure]:
    """Every number that has a limit: how much is found, and how often the model cries wolf."""
    if gate:
        least = gate["thresholds"]["f1"]
        yield Measure("F1 of the service on the test images", gate["service"]["f1"], "at least", least)
        yield Measure("F1 recomputed from its predictions", gate["recomputed"]["f1"], "at least", least)
    if not test:
        return
    limits, beside = test["thresholds"], test["comparison"]
    asked = f"{test['images']} {test['images_from']} images"
    production = beside["f1"]["production"] if beside.get("f1") and not beside["note"] else None
    yield Measure(f"F1 of real inference on {asked}", test["f1"], "at least", limits["f1"], production)
    if "accuracy" in limits:
        yield Measure("Accuracy of real inference", test["accuracy"], "at least", limits["accuracy"])
    what = "False alarms per clean image" if test["task"] == "detection" else "Clean images called a defect"
    name = f"{what} ({test['clean_images']} images)"
    yield Measure(name, test["false_alarm_rate"], "at most", limits["false_alarm_rate"])


def confusion_of(truth: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Columns, and rows of (true label, [(images, share of the row)]); None for a task that has no such thing."""
    if not truth or not test or "confusion_matrix" not in test:
        return None
    counts = test["confusion_matrix"]
    silent = any("" in row for row in counts.values())
    columns = [*truth["labels"], *([""] if silent else [])]
    rows = [(label, _shares([counts.get(label, {}).get(column, 0) for column in columns])) for label in truth["labels"]]
    return {"columns": columns, "rows": rows}


def _shares(counts: Sequence[int]) -> list[tuple[int, float]]:
    total = sum(counts)
    return [(count, count / total if total else 0.0) for count in counts]


def lineage_of(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a model comes from: (what, which), each of which can be looked up."""
    truth, test = known["truth"], known["test"]
    found = []
    if truth:
        found += [("Dataset", f"{truth['images']} images, digest {truth['digest']}")]
        found += [(f"Manifest, {side}", key) for side, key in sorted(truth.get("manifests", {}).items())]
    if test:
        found += [("Version", test["version_arn"]), ("Tested at", test["tested_at"])]
    return found


def links(known: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """The pictures of a run through links that end soon."""
    return _pictures(known, lambda key, _etag: aws.artifacts_bucket().link(key, _LINK_SECONDS))


def embedded(known: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """The pictures of a run themselves."""
    return _pictures(known, _data_uri)


# A report is written several times in a row, and most of its pictures are those of the time before.
@lru_cache(maxsize=64)
def _data_uri(key: str, _etag: str) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(aws.artifacts_bucket().read_bytes(key)).decode()}"


def _pictures(known: Mapping[str, Any], source: Callable[[str, str], str]) -> dict[str, list[Picture]]:
    truth, test = known["truth"] or {}, known["test"] or {}
    run_id = truth.get("run_id", "")
    there = dict(aws.artifacts_bucket().list(run_key(run_id, ""))) if run_id else {}
    drawn = [
        (item["key"], item["caption"], item["is_wrong"]) for item in test.get("gallery", []) if item["key"] in there
    ]
    overlays = [(key, label) for label, key in truth.get("overlays", {}).items() if key in there]
    return {
        "gallery": [Picture(source(key, there[key]), caption, wrong) for key, caption, wrong in drawn],
        "overlays": [Picture(source(key, there[key]), label) for key, label in overlays],
    }


def stages_of(run_id: str) -> list[dict[str, Any]]:
    """The stages that a run has come to, in the order in which they began."""
    rows = table.query(f"RUN#{run_id}", "STAGE#")
    return sorted(rows, key=lambda row: (row["started_at"], ENVIRONMENTS.index(row["environment"])))


def outcome_of(stages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The stage that says how a run stands: one that failed, or else the last; None before the first."""
    failed = [stage for stage in stages if stage["state"] == runs.FAILED]
    candidates = failed or stages
    return candidates[-1] if candidates else None
