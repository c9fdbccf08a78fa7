"""What people read: the approval page, the report and the mails, also where names are hostile."""

import html
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mlops.codec import plain, read
from mlops.events import ModelReleased
from mlops.judging import operating_points
from mlops.judging.intervals import wilson
from mlops.judging.operating_points import Answered, Cost, Costs
from mlops.reading import evidence, mails
from mlops.reading.evidence import Confusion, Evidence, Picture
from mlops.reading.points import points_of
from mlops.reading.rendering import render
from mlops.records import runs
from mlops.records.costs import Estimate
from mlops.records.documents import EvalMetric, GroundTruth, InferenceTest
from mlops.records.releases import Release
from mlops.records.runs import Stage
from mlops.stage import StageRef
from mlops.stages import report

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a'b\"c&d",
    "\u202etxt.exe",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 300,
    "\U0001f984 \u4e2d\u6587",
]
RUN = "transistor-classification-0f3a9c1b7d25"
# What the page has beside what is known of the run.
FORM = {"source": "development", "token": "t", "problem": "", "expires": "tomorrow", "confirmation": "1b7d25"}
BEGAN = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def known_of(label: str, task: str = "classification") -> dict[str, Any]:
    """What evidence knows of a run with one label beside `normal`, called as given."""
    score = {"f1": 0.8, "precision": 0.8, "recall": 0.8, "support": 5}
    score |= {"missed": 1, "false_alarms": 0, "false_alarms_on_clean_images": 0}
    truth = {
        "run_id": RUN,
        "images": 20,
        "digest": "0f3a9c1b7d25",
        "labels": [label, "normal"],
        "counts": {side: {label: 3, "normal": 4} for side in ("train", "test", "holdout")},
        "refused": {f"datasets/d/train/{label}/a.png": f"not a picture: {label}"},
        "manifests": {"train": f"runs/{RUN}/manifests/train.manifest"},
        "overlays": {},
    }
    place = {"run_id": RUN, "dataset": "transistor", "task": task, "stage": "x", "environment": "development"}
    gate = {**place, "thresholds": {"f1": 0.7}, "service": {"f1": 0.8}, "recomputed": {"f1": 0.79}}
    f1 = {"candidate": 0.8, "production": 0.9, "difference": -0.1}
    test = {
        **place,
        "thresholds": {"f1": 0.7, "false_alarm_rate": 0.2} | ({"accuracy": 0.9} if task == "classification" else {}),
        "images": 10,
        "images_from": "holdout",
        "clean_images": 5,
        "f1": 0.8,
        "accuracy": 0.8,
        "false_alarm_rate": 0.0,
        "match_iou": 0.5,
        "per_label": {label: score, "normal": score},
        "comparison": {"note": "", "with": RUN, "images": 10, "f1": f1, "per_label": {label: f1}},
        "answers": [],
        "version_arn": "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1772621000123",
        "tested_at": "2026-03-02T09:15:00.000+00:00",
    }
    if task == "classification":
        test["confusion_matrix"] = {label: {label: 4, "": 1}, "normal": {"normal": 5}}
    cost = Estimate(0.4, training=900.0, running=120.0, usd_an_hour=4.0)
    facts = {"warnings": [f"few images of {label}"], "cost": cost, "mistakes": 2}
    return {"truth": truth, "gate": gate, "test": test, **facts}


def evidence_of(known: dict[str, Any]) -> Evidence:
    """What the documents of a run tell people, as they are read."""
    truth, gate = read(GroundTruth, known["truth"]), read(EvalMetric, known["gate"]).evaluation
    test = read(InferenceTest, known["test"])
    return Evidence(
        truth,
        read(EvalMetric, known["gate"]),
        test,
        known["warnings"],
        "artifacts",
        known["cost"],
        list(evidence.measures_of(gate, test)),
        evidence.confusion_of(truth, test),
        points_of(gate, test),
        evidence.sureness_of(gate, test),
        known["mistakes"],
    )


def shared(label: str, task: str = "classification", known: dict[str, Any] | None = None) -> dict[str, Any]:
    told = evidence_of(known or known_of(label, task))
    release = Release(RUN, "arn", "2026-02-01T00:00:00", approver=label, comment=label, environment="staging")
    picture = Picture("https://bucket.example/a.jpg?X-Amz-Expires=900&b=c", f"{label}: a.png", is_wrong=True)
    return {
        **told.by_name(),
        "run_id": RUN,
        "dataset": "transistor",
        "task": task,
        "target": "staging",
        "stays_running": True,
        "pictures": {"gallery": [picture], "overlays": [picture]},
        "lineage": evidence.lineage_of(told),
        "releases": [release],
    }


def page(label: str, task: str = "classification") -> str:
    return render("approval.html", **shared(label, task), **FORM)


def report_of(label: str, task: str = "classification", known: dict[str, Any] | None = None) -> str:
    stage = Stage("eval_metric", "development", runs.FAILED, BEGAN)
    stages = [(stage, "3 s")]
    headline, why = report.headline_of(stage), [f"label {label}: f1 0.1 is below 0.5"]
    told = {"headline": headline, "reasons": why, "next_step": "Do it.", "written_at": "2026-03-02T09:16"}
    return render("report.html", **shared(label, task, known), stages=stages, **told)


@pytest.mark.parametrize("written", [page, report_of])
@pytest.mark.parametrize("task", ["classification", "detection"])
@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_names_are_shown_as_text(written: Callable[..., str], task: str, label: str) -> None:
    text = written(label, task)

    assert str(html.escape(label)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in text
    assert "<script" not in text
    assert "<img src=x" not in text


@pytest.mark.parametrize("label", HOSTILE)
def test_mails_hold_no_characters_that_change_what_is_read(label: str) -> None:
    ref = StageRef(RUN, "transistor", "classification", "approve2staging", "staging")
    terms = {"link": "https://x", "source": "development", "target": "staging", "confirmation": "1b7d25"}
    subject, text = mails.approval_mail(
        ref, evidence_of(known_of(label)), **terms, expires="tomorrow", stays_running=False
    )

    assert "\u202e" not in text
    assert len(subject) < 100
    assert label.replace("\u202e", "") in text


def sure_of(label: str, task: str) -> dict[str, Any]:
    """The same, of a version that was tested at operating points."""
    known = known_of(label, task)
    shapes = {label: Answered((20.0, 55.0, 70.0, 80.0), (10.0, 47.0), 5), "normal": Answered((90.0,), (), 5)}
    counts = {name: {"found": 4, "of": 5, "false": 1} for name in shapes}
    whole = {
        "escapes": {"count": 1, "of": 48, "interval": wilson(1, 48).as_plain()},
        "overkill": {"count": 3, "of": 200, "interval": wilson(3, 200).as_plain()},
    }
    pair = {"better": 5, "worse": 1, "same": 4, "chance": 0.2, "verdict": "cannot tell"}
    known["test"] |= {
        "intervals": {"f1": [0.6, 0.92], "accuracy": [0.5, 0.9], "false_alarm_rate": [0.0, 0.4]},
        "label_intervals": {name: [0.5, 0.9] for name in shapes},
        "label_counts": counts,
        "parts": whole,
        "by_service": {"f1": 0.7, "parts": whole},
        "gate_on": "value",
        "false_alarms_on_clean_images": 0,
        "operating_points": plain(
            operating_points.confirmed(shapes, {label: 50.0, "normal": 60.0}, {label: 61.0, "normal": 50.0})
        ),
        "comparison": {**known["test"]["comparison"], "paired": pair},
    }
    chosen = operating_points.choose_all(shapes, {label: 61.0}, Costs(Cost(2, 1)))
    known["gate"] |= {
        "operating_points": plain(chosen),
        "at_points": {"f1": 0.85, "f1_interval": [0.7, 0.95]},
        "service": {**known["gate"]["service"], "f1": 0.93},
        "recomputed": {**known["gate"]["recomputed"], "f1": 0.91},
        "agrees": False,
    }
    return known


@pytest.mark.parametrize("task", ["classification", "detection"])
@pytest.mark.parametrize("label", ["cut lead", *HOSTILE])
def test_page_mail_and_report_say_how_sure_the_numbers_are_and_what_a_step_would_change(label: str, task: str) -> None:
    sure = sure_of(label, task)
    known = shared(label, task, sure)
    ref = StageRef(RUN, "transistor", task, "approve2staging", "staging")
    terms = {"link": "https://x", "source": "development", "target": "staging", "confirmation": "1b7d25"}
    _, mail = mails.approval_mail(ref, evidence_of(sure), **terms, expires="tomorrow", stays_running=False)
    shown, report = render("approval.html", **{**known, **FORM}), report_of(label, task, sure)

    for text in (html.unescape(shown), mail, html.unescape(report)):
        assert "Escapes 1 of 48 (0.4 % to 11 %), overkill 3 of 200 (0.5 % to 4.3 %)" in text
        assert "By the service's own thresholds: F1 0.930 on the test images, F1 0.910 there by our count, " in text
        assert "F1 0.700 of real inference, escapes 1 of 48" in text
        assert "5 answered better, 1 worse, 4 alike: cannot tell which of the two is better" in text
        assert "from 40.0: 1 more wrong" in text
        assert "from 60.0: 1 fewer found" in text
        assert "may miss" in text
        assert "The gate looks at the value." in text
    for text in (shown, report):
        assert text.count("<svg") == 2 and "<script" not in text and "<img src=x" not in text


@pytest.mark.parametrize(("arns", "said"), [(["a"], "1 model that"), (["a", "b"], "2 models that")])
def test_the_mail_about_swept_models_names_each_and_says_what_keeps_it_from_coming_again(
    arns: list[str], said: str
) -> None:
    subject, text = mails.sweep_mail([f"arn:aws:rekognition:{name}" for name in arns], 4)

    assert said in subject
    assert all(f"  arn:aws:rekognition:{name}\n" in text for name in arns)
    assert "USD 4.00 an hour" in text
    assert "LeaseMinutes" in text
    assert max(map(len, text.splitlines())) <= 90


def test_the_mail_about_a_release_says_from_which_confidence_answers_count() -> None:
    released = ModelReleased(RUN, "transistor", "detection", "staging", "arn")
    facts = {"parameter": "/s/models/transistor/detection/staging", "no_room": 0}
    release = Release(RUN, "arn", "2026", min_confidence={"cut lead": 37.25})

    assert "cut lead                  37.25" in mails.release_mail(released, release, **facts)[1]
    assert "MinConfidence" not in mails.release_mail(released, replace(release, min_confidence={}), **facts)[1]


def test_the_verdict_comes_first_and_says_what_misses_its_limit() -> None:
    text = page("dent")

    assert "1 of 5 numbers miss their limits" in text
    assert "2 of 10 images are not answered" in text
    assert "-0.100" in text
    assert text.index('class="verdict') < text.index("Numbers beside their limits") < text.index("<form")
    assert "too low" in text


def test_a_run_that_was_not_tested_has_a_report_of_what_is_known() -> None:
    nothing = {"truth": None, "gate": None, "test": None, "measures": [], "confusion": None, "mistakes": None}
    rest = {"pictures": {"gallery": [], "overlays": []}, "lineage": [], "releases": [], "warnings": []}
    stage = Stage("ground_truth", "development", runs.FAILED, BEGAN)
    told = {"headline": report.headline_of(stage), "reasons": ["no image"], "next_step": "Add images."}
    text = render("report.html", **(shared("x") | nothing | rest), **told, written_at="2026-03-02T09:16", stages=[])

    assert "Failed: ground_truth in development" in text
    assert "no image" in text
    assert "Numbers beside" not in text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("COMPLETED", "Passed: inference_test in staging"),
        ("IN_PROGRESS", "Under way: inference_test in staging"),
        ("WAITING", "inference_test waits for a free slot"),
        ("FAILED", "Failed: inference_test in staging"),
    ],
)
def test_the_headline_says_how_a_run_stands(state: str, said: str) -> None:
    stage = Stage("inference_test", "staging", state, BEGAN, waiting_for="a free slot")

    assert report.headline_of(stage) == said


def test_a_release_is_the_headline() -> None:
    stage = Stage("inference_test", "staging", runs.COMPLETED, BEGAN)

    assert report.headline_of(stage, {"staging"}) == "Released to staging"


def test_a_failed_stage_says_how_a_run_stands_and_otherwise_the_last() -> None:
    stages = [Stage("x", "staging", state, BEGAN) for state in (runs.COMPLETED, runs.FAILED, runs.WAITING)]

    assert evidence.outcome_of(stages) == stages[1]
    assert evidence.outcome_of(stages[::2]) == stages[2]
    assert evidence.outcome_of([]) is None


def test_confusion_has_a_column_for_no_answer_only_where_there_was_none() -> None:
    truth, test = GroundTruth(labels=("a", "b")), known_of("x")["test"]

    def confusion(counts: dict[str, dict[str, int]]) -> Confusion | None:
        return evidence.confusion_of(truth, read(InferenceTest, {**test, "confusion_matrix": counts}))

    silent = confusion({"a": {"a": 1, "": 1}, "b": {"b": 2}})
    full = confusion({"a": {"a": 1, "b": 3}})

    assert silent and silent.columns == ["a", "b", ""]
    assert full and full.columns == ["a", "b"]
    assert full.rows == [("a", [(1, 0.25), (3, 0.75)]), ("b", [(0, 0.0), (0, 0.0)])]


def test_page_and_mail_say_what_is_true_in_production_beside_the_numbers_of_the_test() -> None:
    ref = StageRef(RUN, "transistor", "classification", "approve2staging", "staging")
    terms = {"link": "https://x", "source": "development", "target": "staging", "confirmation": "1b7d25"}
    rates = {"production": ["Escapes (defective parts called good): 1 of 3: too few to say"]}
    _, mail = mails.approval_mail(
        ref, evidence_of(known_of("cut")), **terms, **rates, expires="tomorrow", stays_running=False
    )
    shown = render("approval.html", **{**shared("cut", "classification"), **FORM, **rates})

    for text in (shown, mail):
        assert "What is in production now" in text and rates["production"][0] in text
