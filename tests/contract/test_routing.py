"""Every event reaches the function it is meant for, and no other."""

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mlops import codec, stack
from mlops.aws import clients
from mlops.dataset.keys import parse_upload, run_key
from mlops.events import PipelineStageCompleted
from mlops.models import projects, pruning
from mlops.models.projects import Version
from mlops.records import approvals, runs
from mlops.records.decisions import Decision
from mlops.records.documents import InferenceTest, TrainingInput
from mlops.records.table import Table
from mlops.stage import StageRef
from mlops.stages import approval, model_status, model_sweeper, promotion, training
from tests.infrastructure.template import BUCKETS, STACK_ID, logical_id, samples, targets_of

RUN = "transistor-classification-0f3a9c1b7d25"
WRITTEN = {
    "ground_truth": ("ground_truth.json", "images.jsonl", "manifests/train.manifest", "manifests/holdout.manifest"),
    "data_prepare": ("training_input.json",),
    "training": ("rekognition/development/evaluation/summary.json",),
    "eval_metric": ("eval_metric.json",),
    "inference_test": ("development/inference_test.json", "staging/inference_test.json"),
    "promotion": ("rekognition/staging/evaluation/summary.json",),
}


def bus_events() -> Iterator[Any]:
    """Every EventBridge event of the samples; ingest's come inside queue messages."""
    for function, name, event in samples():
        inner = [json.loads(record["body"]) for record in event.get("Records", ())] or [event]
        for number, entry in enumerate(entry for entry in inner if "detail-type" in entry):
            yield pytest.param(function, entry, id=f"{function}-{name}-{number}")


def sample(function: str, name: str) -> dict[str, Any]:
    return next(event for owner, file, event in samples() if (owner, file) == (function, name))


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was put on the bus, as rules see it; the table is empty."""
    events: list[dict[str, Any]] = []

    def put_events(Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        events.extend(
            {
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "resources": entry["Resources"],
                "detail": json.loads(entry["Detail"]),
            }
            for entry in Entries
        )
        return {"FailedEntryCount": 0}

    monkeypatch.setenv("STACK_ID", STACK_ID)
    monkeypatch.setattr(clients, "client", lambda service: SimpleNamespace(put_events=put_events))
    monkeypatch.setattr(Table, "get", lambda *_: None)
    for name in ("put", "update", "delete"):
        monkeypatch.setattr(Table, name, lambda *_: True)
    return events


@pytest.mark.parametrize(("function", "event"), list(bus_events()))
def test_a_sample_event_reaches_its_function_and_no_other(function, event):
    # What other people's programs listen to, none of ours does.
    own = set() if function == "consumers" else {logical_id(function)}
    assert targets_of(event) == own | _who_else(event)


@pytest.mark.parametrize("event", [event for _, _, event in samples() if event.get("source") == stack.SOURCE])
def test_an_event_of_another_stack_reaches_nobody(event):
    assert targets_of({**event, "resources": [STACK_ID.replace("rekognition-mlops", "another")]}) == set()


def _who_else(event):
    """Functions that share an event: a report is written of what people are told, too."""
    match event["detail-type"], event["detail"].get("environment"):
        case "Pipeline Stage Failed" | "Model Released", _:
            return {"ReportFunction", "NotificationFunction"}
        case "Drift Found", _:
            return {"NotificationFunction", "RetrainingFunction"}
        case "Pipeline Stage Completed", "development":
            return {"ReportFunction", "ApprovalFunction"}
        case "Pipeline Stage Completed", "staging":
            # Released there, and somebody is asked about production.
            return {"ReportFunction", "ApprovalFunction", "PromotionFunction"}
        case "Pipeline Stage Completed", _:
            return {"ReportFunction", "PromotionFunction"}
    return set()


@pytest.mark.parametrize(("function", "name"), [(f, n) for f, names in WRITTEN.items() for n in names])
def test_what_a_function_writes_does_not_start_it_again(function, name):
    event = sample("data_prepare", "ground_truth_written")
    event["detail"] |= {"object": {"key": run_key(RUN, name)}, "bucket": {"name": BUCKETS["ArtifactsBucket"]}}

    assert logical_id(function) not in targets_of(event)


def test_unusual_keys_stay_as_they_are():
    records = sample("ingest", "unusual_keys")["Records"]
    keys = [json.loads(record["body"])["detail"]["object"]["key"] for record in records]

    assert [parse_upload(key).key for key in keys] == keys
    assert all(quote(key) != key for key in keys)


@pytest.mark.parametrize(
    ("stage", "environment", "consumers"),
    [
        ("training", "development", set()),
        ("eval_metric", "development", set()),
        ("inference_test", "development", {"ReportFunction", "ApprovalFunction"}),
        ("inference_test", "staging", {"ReportFunction", "ApprovalFunction", "PromotionFunction"}),
        ("inference_test", "production", {"ReportFunction", "PromotionFunction"}),
    ],
)
def test_a_completed_stage_starts_what_follows(put, stage, environment, consumers):
    runs.complete(StageRef(RUN, "transistor", "classification", stage, environment), "artifact.json")

    assert targets_of(put[0]) == consumers


def test_every_failed_stage_reaches_people(put):
    runs.fail(StageRef(RUN, "transistor", "classification", "training"), ["no reason"])

    assert targets_of(put[0]) == {"NotificationFunction", "ReportFunction"}
    assert put[0]["detail"].keys() == sample("notification", "failed")["detail"].keys()


@pytest.mark.parametrize(
    ("stage", "environment", "consumer"),
    [
        ("training", "development", "TrainingFunction"),
        ("inference_test", "development", "EvalMetricFunction"),
        ("inference_test", "staging", "PromotionFunction"),
        ("inference_test", "production", "PromotionFunction"),
        ("approve2staging", "staging", "PromotionFunction"),
        ("approve2production", "production", "PromotionFunction"),
    ],
)
def test_a_stage_that_waited_is_asked_for_again(put, stage, environment, consumer):
    ref = StageRef(RUN, "transistor", "classification", stage, environment)
    model_status.handle({**ref.as_detail(), "kind": "retry", "artifact": "x"})

    assert targets_of(put[0]) == {consumer}


@pytest.mark.parametrize(
    ("status", "consumers"),
    [
        ("TRAINING_COMPLETED", {"EvalMetricFunction"}),
        ("RUNNING", {"InferenceTestFunction"}),
        ("COPYING_COMPLETED", {"PromotionFunction"}),
        ("COPYING_FAILED", {"PromotionFunction"}),
        ("TRAINING_FAILED", set()),
        ("STOPPED", set()),
    ],
)
def test_a_change_of_status_starts_what_waits_for_it(put, monkeypatch, status, consumers):
    body = json.loads(sample("model_status", "watch")["Records"][0]["body"])
    project = f"{body['version_arn'].split('/version/')[0]}/1"
    monkeypatch.setenv("PROJECTS", json.dumps({"classification": {"development": project}}))
    monkeypatch.setenv("PROJECTS_ELSEWHERE", "{}")
    monkeypatch.setattr(projects, "describe_version", lambda *_: Version(body["version_arn"], status))
    model_status.handle({**body, "until": [status]})

    assert targets_of(put[0]) == consumers
    assert put[0]["detail"].keys() == sample("eval_metric", "trained")["detail"].keys()


@pytest.mark.parametrize("state", [approvals.APPROVED, approvals.REJECTED])
def test_a_decision_reaches_promotion(put, monkeypatch, state):
    expected = sample("promotion", "approved")["detail"]
    place = {"stage": "approve2staging", "environment": "staging"}
    row = {**expected, **place, "pk": expected["approval"], "state": state}
    monkeypatch.setattr(Table, "get", lambda *_: row)
    resumed: list[StageRef] = []
    monkeypatch.setattr(runs, "resume", lambda ref, what: resumed.append(ref))
    approval.decide(approval.Decision("token", "approve", "Ada", "", ""), {})

    assert targets_of(put[0]) == {"PromotionFunction"}
    assert put[0]["detail"].keys() == expected.keys()
    assert [(ref.stage, ref.environment) for ref in resumed] == [("approve2staging", "staging")]


def test_a_release_reaches_people(put, monkeypatch):
    told = sample("notification", "released")["detail"]
    ref = StageRef(RUN, "transistor", "classification", "inference_test", "staging")
    said = {**ref.as_detail(), "version_arn": told["version_arn"], "lease_id": "l", "tested_at": "t"}
    monkeypatch.setattr("mlops.records.results.passed", lambda *_: (ref, codec.read(InferenceTest, said)))
    monkeypatch.setattr("mlops.stages.promotion._decision_of", lambda *_: Decision("Ada"))
    monkeypatch.setattr("mlops.records.releases.record", lambda release: release)
    monkeypatch.setattr("mlops.stages.promotion._is_current", lambda _: True)
    monkeypatch.setattr("mlops.stages.promotion._keep_running", lambda *_: False)
    monkeypatch.setattr("mlops.stages.promotion._publish", lambda _: None)
    promotion.release(PipelineStageCompleted.of(sample("promotion", "tested")["detail"]))

    assert targets_of(put[0]) == {"NotificationFunction", "ReportFunction"}
    assert put[0]["detail"] == told


def test_models_that_had_to_be_stopped_reach_people(put, monkeypatch):
    arns = sample("notification", "swept")["detail"]["version_arns"]
    monkeypatch.setattr(model_sweeper, "running", lambda: arns)
    monkeypatch.setattr(model_sweeper, "_stop", lambda arn: True)
    monkeypatch.setattr("mlops.records.kept_models.kept", set)
    monkeypatch.setattr("mlops.records.leases.is_held", lambda arn: False)
    model_sweeper.sweep()

    assert targets_of(put[0]) == {"NotificationFunction"}
    assert put[0]["detail"].keys() == sample("notification", "swept")["detail"].keys()
    assert put[0]["detail"]["version_arns"] == arns


def test_models_that_were_deleted_reach_people(put, monkeypatch):
    (arn,) = sample("notification", "deleted")["detail"]["version_arns"]
    monkeypatch.setattr(
        "mlops.models.projects.all_projects", lambda: [("development", arn.partition("/version")[0] + "/1")]
    )
    monkeypatch.setattr(pruning, "_superfluous", lambda *_: [arn])
    monkeypatch.setattr(pruning, "_delete", lambda _: True)
    pruning.prune()

    assert targets_of(put[0]) == {"NotificationFunction"}
    assert put[0]["detail"].keys() == sample("notification", "deleted")["detail"].keys()
    assert put[0]["detail"]["version_arns"] == [arn]


def test_the_request_to_train_is_valid_for_the_service(monkeypatch):
    monkeypatch.setenv("ARTIFACTS_BUCKET", BUCKETS["ArtifactsBucket"])
    manifests = {side: run_key(RUN, f"manifests/{side}.manifest") for side in ("train", "test")}
    output = run_key(RUN, "rekognition/development")
    ref = StageRef(RUN, "transistor", "classification", "data_prepare")
    given = TrainingInput(ref, manifests=manifests, version_name=RUN, output_prefix=output)
    request = training.version_request("arn:aws:rekognition:eu-west-1:111122223333:project/p/1763890000000", given)
    model = botocore.session.get_session().get_service_model("rekognition").operation_model("CreateProjectVersion")

    assert not ParamValidator().validate(request, model.input_shape).has_errors()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
