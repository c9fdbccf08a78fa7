"""What a person decides on: the data, the gate's numbers, the test's numbers, and pictures."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops import aws, costs
from mlops.keys import run_key

# An answer of a function may have 6 MB.
_PICTURE_CHARACTERS = 4_000_000
_MOST_PICTURES = 12


@dataclass(frozen=True)
class Measure:
    """A number beside its limit, which it must reach (`at least`) or keep to (`at most`); None: not measured."""

    name: str
    value: float | None
    bound: str
    limit: float

    @property
    def is_good(self) -> bool:
        if self.value is None:
            return True
        return self.value >= self.limit if self.bound == "at least" else self.value <= self.limit


def load(run_id: str, environment: str) -> dict[str, Any]:
    """What is known of a run that was tested in an environment."""
    store = aws.artifacts_bucket()
    names = {"truth": "ground_truth.json", "gate": "eval_metric.json", "test": f"{environment}/inference_test.json"}
    found = {name: store.read_json(run_key(run_id, file)) for name, file in names.items()}
    warnings = store.read_json(run_key(run_id, "training_input.json"))["warnings"]
    measures = list(measures_of(found["gate"], found["test"]))
    facts = {"warnings": warnings, "bucket": store.name, "cost": costs.estimate(run_id)}
    return {**found, "measures": measures, **facts}


def measures_of(gate: Mapping[str, Any], test: Mapping[str, Any]) -> Iterator[Measure]:
    """Every number that has a limit: how much is found, and how often the model cries wolf."""
    limits = test["thresholds"]
    asked = f"{test['images']} {test['images_from']} images"
    yield Measure("F1 of the service on the test images", gate["service"]["f1"], "at least", gate["thresholds"]["f1"])
    yield Measure("F1 recomputed from its predictions", gate["recomputed"]["f1"], "at least", gate["thresholds"]["f1"])
    yield Measure(f"F1 of real inference on {asked}", test["f1"], "at least", limits["f1"])
    if "accuracy" in limits:
        yield Measure("Accuracy of real inference", test["accuracy"], "at least", limits["accuracy"])
    what = "False alarms per clean image" if test["task"] == "detection" else "Clean images called a defect"
    name = f"{what} ({test['clean_images']} images)"
    yield Measure(name, test["false_alarm_rate"], "at most", limits["false_alarm_rate"])


def pictures(evidence: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """(caption, data URI) of what was drawn, in `overlays` and `gallery`, as far as one page can hold them."""
    drawn = {
        "overlays": list(evidence["truth"]["overlays"].items()),
        "gallery": [
            (item["image"].split("/", 2)[2], item["key"])
            for item in evidence["test"].get("gallery", ())[:_MOST_PICTURES]
        ],
    }
    room = _PICTURE_CHARACTERS
    shown: dict[str, list[tuple[str, str]]] = {kind: [] for kind in drawn}
    for kind, listed in drawn.items():
        for caption, key in listed:
            data = aws.artifacts_bucket().find(key)
            uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else ""
            if uri and len(uri) <= room:
                room -= len(uri)
                shown[kind].append((caption, uri))
    return shown
