"""Every kind of event is one class, and samples, rules and documents say the same of it."""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from mlops.events import KINDS, Event, ModelApprovalDecided, PipelineStageRetry
from mlops.records import decisions
from mlops.stack import SOURCE
from tests.infrastructure.template import ROOT, of_type, samples

ARN = "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"
OF_STAGE = {"run_id": "r", "dataset": "d", "task": "detection", "stage": "inference_test", "environment": "staging"}
DECIDED = {"run_id": "r", "dataset": "d", "task": "detection", "approval": "APPROVAL#1", "decision": "approved"}


def ours() -> Iterator[Any]:
    for function, name, event in samples():
        if event.get("source") == SOURCE:
            yield pytest.param(event, id=f"{function}-{name}")


def rules_of_ours() -> Iterator[Any]:
    for name, rule in of_type("AWS::Events::Rule").items():
        pattern = rule["EventPattern"]
        if SOURCE in pattern["source"]:
            yield pytest.param(pattern, id=name)


@pytest.mark.parametrize("event", list(ours()))
def test_a_sample_has_the_fields_of_its_class_and_no_others(event: dict[str, Any]) -> None:
    read = KINDS[event["detail-type"]].of(event["detail"])

    assert read.as_detail() == event["detail"]


def test_every_kind_has_a_sample() -> None:
    assert {event["detail-type"] for _, _, event in samples() if event.get("source") == SOURCE} == set(KINDS)


@pytest.mark.parametrize("pattern", list(rules_of_ours()))
def test_a_rule_asks_for_what_its_events_have(pattern: dict[str, Any]) -> None:
    put = {event["detail-type"]: event["detail"] for _, _, event in samples() if event.get("source") == SOURCE}
    for kind in pattern["detail-type"]:
        assert set(pattern["detail"]) <= put[kind].keys()


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=lambda kind: kind.__name__)
def test_the_architecture_names_the_fields_of_every_kind(kind: type[Event]) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (told,) = re.findall(rf"^\|[^|]*`{kind.detail_type}`[^|]*\|(.*)\|$", text, re.MULTILINE)[-1:]
    named = {field.name for field in fields(kind)} - {"is_rollback"}

    assert named <= set(re.findall(r"\w+", told))


@pytest.mark.parametrize(
    ("subject", "version_arn", "artifact_key"),
    [(ARN, ARN, ""), ("runs/r/training_input.json", "", "runs/r/training_input.json"), ("r", "", "")],
)
def test_a_retry_of_an_earlier_release_is_read(subject: str, version_arn: str, artifact_key: str) -> None:
    retry = PipelineStageRetry.of({**OF_STAGE, "artifact": subject, "decision": "APPROVAL#1"})

    assert (retry.version_arn, retry.artifact_key, retry.decision) == (version_arn, artifact_key, "APPROVAL#1")
    assert "artifact" not in retry.as_detail()


def test_a_rollback_that_an_earlier_release_asks_for_again_is_passed_on_and_read() -> None:
    retry = PipelineStageRetry.of({**OF_STAGE, "artifact": ARN, "is_rollback": True})

    assert PipelineStageRetry.of(retry.as_detail()) == retry
    assert decisions.named_in(retry) == "ROLLBACK#staging"


@pytest.mark.parametrize("place", [{"target": "staging"}, {"environment": "staging"}])
def test_a_decision_names_its_environment_also_for_rules_of_an_earlier_release(place: dict[str, str]) -> None:
    decided = ModelApprovalDecided.of({**DECIDED, **place})

    assert decided.environment == "staging"
    assert decided.as_detail().keys() >= {"environment", "target"}


def test_a_detail_that_lacks_what_it_is_about_is_refused() -> None:
    with pytest.raises(TypeError, match="run_id"):
        PipelineStageRetry.of({"stage": "training"})
