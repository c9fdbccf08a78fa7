"""What a person decides on: the verdict, the numbers beside their limits and production, pictures, data, lineage."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops import words
from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.judging.intervals import BETTER, CANNOT_TELL, WORSE
from mlops.judging.tasks import task_of
from mlops.reading.points import points_of
from mlops.records import costs
from mlops.records.runs import FAILED, Stage
from mlops.rounding import keeps_to, reaches

_LINK_SECONDS = 900
MOST_SHOWN_RELEASES = 5
# Characters of all pictures in a report: a file that mail and browsers bear, and a quarter of what the function has.
MOST_EMBEDDED = 11_000_000


@dataclass(frozen=True)
class Measure:
    """A number beside its limit, which it must reach (`at least`) or keep to (`at most`); None: not measured.

    `production` is the same number of the version in production, where it is known; `counts` says of how many,
    `interval` where the true number lies.
    """

    name: str
    value: float | None
    bound: str
    limit: float
    production: float | None = None
    counts: str = ""
    interval: Sequence[float] | None = None

    @property
    def certainty(self) -> str:
        """Of how many, and where the true number lies; empty when neither is known."""
        lies = f"{words.between(self.interval)}" if self.interval and self.value is not None else ""
        return "; ".join(filter(None, (self.counts, lies)))

    @property
    def is_doubtful(self) -> bool:
        """Whether it keeps to its limit, and the unfavourable end of its interval does not."""
        if self.value is None or not self.interval or not self.is_good:
            return False
        low, high = self.interval
        return not (reaches(low, self.limit) if self.bound == "at least" else keeps_to(high, self.limit))

    @property
    def is_good(self) -> bool:
        """Whether the number keeps to its limit; one that is not known is not good."""
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
    store = buckets.artifacts_bucket()
    texts = (store.read_if_exists(run_key(run_id, name)) for name in ("ground_truth.json", "eval_metric.json"))
    truth, gate = (json.loads(text) if text else None for text in texts)
    answered = store.read_if_exists(run_key(run_id, f"{environment}/inference_test.json"))
    test = json.loads(answered) if answered else None
    found = {"truth": truth, "gate": gate, "test": test}
    prepared = json.loads(store.read_if_exists(run_key(run_id, "training_input.json")) or "{}")
    # What a test could not tell comes first.
    warnings = [*(test or {}).get("remarks", ()), *prepared.get("warnings", ())]
    facts = {"warnings": warnings, "bucket": store.name, "cost": costs.estimate(run_id)}
    sure = sureness_of(gate, test)
    told = {"confusion": confusion_of(truth, test), "points": points_of(gate, test), "sureness": sure}
    known = {**found, **facts, "measures": list(measures_of(gate, test)), **told}
    return {**known, "mistakes": _mistakes(test) if test else None}


def _mistakes(test: dict[str, Any]) -> int:
    """Of how many images an answer was wrong. Results of earlier releases hold all answers, some ten thousand."""
    answers = test.pop("answers", ())
    if "mistakes" in test:
        return int(test["mistakes"])
    task = task_of(test["task"], test.get("match_iou", 0.5))
    return sum(task.read(answer).is_wrong for answer in answers)


def measures_of(gate: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> Iterator[Measure]:
    """Every number that has a limit: how much is found, and how often the model cries wolf."""
    if gate and "at_points" in gate:
        at = gate["at_points"]
        least, lies = gate["thresholds"]["f1"], at["f1_interval"]
        yield Measure("F1 on the test images", at["f1"], "at least", least, interval=lies)
    elif gate:
        # What an earlier release of this stack has judged.
        least = gate["thresholds"]["f1"]
        yield Measure("F1 of the service on the test images", gate["service"]["f1"], "at least", least)
        own = gate["recomputed"]
        yield Measure(
            "F1 recomputed from its predictions", own["f1"], "at least", least, interval=own.get("f1_interval")
        )
    if not test:
        return
    limits, beside = test["thresholds"], test["comparison"]
    asked = f"{test['images']} {test['images_from']} images"
    production = beside["f1"]["production"] if beside.get("f1") and not beside["note"] else None
    lies = test.get("intervals") or {}
    yield Measure(
        f"F1 of real inference on {asked}",
        test["f1"],
        "at least",
        limits["f1"],
        production,
        interval=lies.get("f1"),
    )
    if "accuracy" in limits:
        accuracy, counts = test["accuracy"], _right(test) if lies else ""
        yield Measure(
            "Accuracy of real inference", accuracy, "at least", limits["accuracy"], None, counts, lies.get("accuracy")
        )
    what = "False alarms per clean image" if test["task"] == "detection" else "Clean images called a defect"
    name = f"{what} ({test['clean_images']} images)"
    rate, counts = test["false_alarm_rate"], _alarms(test) if lies else ""
    yield Measure(name, rate, "at most", limits["false_alarm_rate"], None, counts, lies.get("false_alarm_rate"))


def _right(test: Mapping[str, Any]) -> str:
    answered = test["images"] - len(test.get("errors", ()))
    return f"{round(test['accuracy'] * answered)} of {answered}"


def _alarms(test: Mapping[str, Any]) -> str:
    if test["task"] == "detection":
        return f"{test['false_alarms_on_clean_images']} on {test['clean_images']}"
    return f"{round((test['false_alarm_rate'] or 0) * test['clean_images'])} of {test['clean_images']}"


def sureness_of(gate: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> dict[str, str]:
    """In sentences, each empty where nothing is known: whole parts, the service's own thresholds, the comparison."""
    test = test or {}
    parts, pair = test.get("parts"), (test.get("comparison") or {}).get("paired")
    told = {"parts": _parts(parts) if parts else "", "service": "", "paired": _paired(pair) if pair else ""}
    said = [*_on_test_images(gate or {}), *_in_real_inference(test)]
    if said:
        told["service"] = f"By the service's own thresholds: {', '.join(said)}."
    return told


def _on_test_images(gate: Mapping[str, Any]) -> Iterator[str]:
    """What the service's own thresholds give there, counted by the service, and by us where that differs."""
    if "at_points" in gate:
        f1 = gate["service"]["f1"]
        yield f"F1 {words.number(f1, gate['at_points']['f1'])} on the test images"
        if not gate["agrees"]:
            yield f"F1 {words.number(gate['recomputed']['f1'], f1)} there by our count"


def _in_real_inference(test: Mapping[str, Any]) -> Iterator[str]:
    if service := test.get("by_service"):
        whole = _parts(service["parts"])
        yield f"F1 {words.number(service['f1'], test['f1'])} of real inference, {whole[0].lower()}{whole[1:]}"


def _parts(parts: Mapping[str, Any]) -> str:
    escapes, overkill = (
        words.of_many(parts[name]["count"], parts[name]["of"], parts[name]["interval"])
        for name in ("escapes", "overkill")
    )
    return f"Escapes {escapes}, overkill {overkill}"


def _paired(pair: Mapping[str, Any]) -> str:
    said = {
        CANNOT_TELL: "cannot tell which of the two is better",
        BETTER: "it is better than production",
        WORSE: "it is worse than production",
    }[pair["verdict"]]
    counts = f"{pair['better']} answered better, {pair['worse']} worse, {pair['same']} alike"
    return f"Part by part, {counts}: {said}"


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
    store = buckets.artifacts_bucket()
    return _by_kind(_drawn(known), lambda drawn: store.link(drawn.key, _LINK_SECONDS))


def embedded(known: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """The pictures of a run themselves, what was wrong first, as many as fit; the others, `left_out`, by their places.

    Nothing is read any more once one did not fit: time and memory have a bound, however many labels there are.
    """
    store, left, sources, drawn = buckets.artifacts_bucket(), MOST_EMBEDDED, dict[_Drawn, str](), _drawn(known)
    for wanted in sorted(drawn, key=_importance):
        source = _kept.pop(wanted, None) or _data_uri(store.read_bytes(wanted.key))
        left -= len(source)
        if left < 0:
            break
        sources[wanted] = source
    _kept.clear()
    _kept.update(sources)
    places = {picture: f"s3://{store.name}/{picture.key}" for picture in drawn if picture not in sources}
    left_out = [_picture(picture, place) for picture, place in places.items()]
    return {**_by_kind(drawn, sources.get), "left_out": left_out}


@dataclass(frozen=True)
class _Drawn:
    """A picture of a run that is there."""

    kind: str
    key: str
    etag: str
    caption: str
    is_wrong: bool = False


# A report is written several times in a row, and most of its pictures are those of the time before.
_kept: dict[_Drawn, str] = {}


def _importance(drawn: _Drawn) -> int:
    if drawn.is_wrong:
        return 0
    return 1 if drawn.kind == "overlays" else 2


def _drawn(known: Mapping[str, Any]) -> list[_Drawn]:
    truth, test = known["truth"] or {}, known["test"] or {}
    run_id = truth.get("run_id", "")
    there = dict(buckets.artifacts_bucket().list(run_key(run_id, ""))) if run_id else {}
    gallery = [("gallery", item["key"], item["caption"], item["is_wrong"]) for item in test.get("gallery", [])]
    overlays = [("overlays", key, label, False) for label, key in truth.get("overlays", {}).items()]
    return [_Drawn(kind, key, there[key], *told) for kind, key, *told in gallery + overlays if key in there]


def _data_uri(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _picture(drawn: _Drawn, source: str) -> Picture:
    return Picture(source, drawn.caption, drawn.is_wrong)


def _by_kind(drawn: Sequence[_Drawn], source: Callable[[_Drawn], str | None]) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {"gallery": [], "overlays": []}
    for picture in drawn:
        if place := source(picture):
            found[picture.kind].append(_picture(picture, place))
    return found


def outcome_of(stages: Sequence[Stage]) -> Stage | None:
    """The stage that says how a run stands: one that failed, or else the last; None before the first."""
    failed = [stage for stage in stages if stage.state == FAILED]
    candidates = failed or stages
    return candidates[-1] if candidates else None
