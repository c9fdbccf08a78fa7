"""From the drop to staging, deployed by sam with IAM enforced, and what must not happen on the way."""

import json
from collections.abc import Iterator

import httpx
import pytest

from mlops.records.runs import Run
from tests.e2e.conftest import inseparable, picture, separable
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

ODD_NAME = "datasets/parts/train/stain/a b+c %41 é.png"
BAD = {
    "datasets/parts/train/stain/cut_off.png": picture((50, 70, 190), 7)[:2000],
    "datasets/parts/train/stain/notes.png": b"these are only words\n",
}


@pytest.fixture(scope="module")
def released(system: System) -> Iterator[Run]:
    """A dataset with odd and bad files, brought to staging while every event is delivered twice."""
    system.repeat.add("parts")
    system.drop({**separable("parts"), **BAD, ODD_NAME: picture((50, 70, 190), 999)}, "parts")
    run = system.run_until("parts", "inference_test", "development", "COMPLETED")
    system.decide(run.run_id, "approve")
    run = system.run_until("parts", "inference_test", "staging", "COMPLETED")
    system.mail(run.run_id, "Released")
    yield run


@pytest.fixture(scope="module")
def refused_by_gate(system: System) -> Run:
    system.drop(inseparable("noise"), "noise")
    return system.run_until("noise", "eval_metric", "development", "FAILED")


def test_a_drop_and_a_click_bring_a_model_to_staging(system: System, released: Run) -> None:
    assert system.released("parts", "classification", "staging") == released.run_id
    assert system.is_stopped(released.run_id, "staging")


def test_the_inference_test_uses_images_that_were_held_out(system: System, released: Run) -> None:
    result = system.artifact(released.run_id, "staging/inference_test.json")
    holdout = system.artifact(released.run_id, "manifests/holdout.manifest")

    assert result["images_from"] == "holdout"
    assert all(answer["key"] in holdout for answer in system.answers(released.run_id, "staging"))


def test_a_name_with_spaces_plus_percent_and_accents_is_taken_as_it_is(system: System, released: Run) -> None:
    manifests = "".join(
        system.artifact(released.run_id, f"manifests/{s}.manifest") for s in ("train", "test", "holdout")
    )

    assert f"/{ODD_NAME}" in manifests


def test_a_cut_off_image_and_a_text_file_are_refused_by_name_with_the_reason(system: System, released: Run) -> None:
    refused = system.artifact(released.run_id, "ground_truth.json")["refused"]

    assert set(refused) == set(BAD)
    assert "not a PNG, JPEG, TIFF" in refused["datasets/parts/train/stain/notes.png"]
    assert "cut off" in refused["datasets/parts/train/stain/cut_off.png"]


def test_the_page_shows_and_the_decided_link_decides_nothing_more(system: System, released: Run) -> None:
    page = httpx.get(system.link(released.run_id))

    assert "Approved by Ada" in page.text
    assert "looks &lt;b&gt;right&lt;/b&gt;" in page.text
    assert page.headers["cache-control"] == "no-store"


def test_every_event_twice_and_once_more_late_is_one_training_one_mail_one_promotion(
    system: System, released: Run, refused_by_gate: Run
) -> None:
    for event in [event for event in system.events if "parts" in str(event["detail"])]:
        system.deliver(event)
    # A later run that ends shows that the late deliveries before it have been worked off.
    system.drop(inseparable("barrier"), "barrier")
    system.run_until("barrier", "eval_metric", "development", "FAILED")

    assert [run.run_id for run in system.operated.runs("parts")] == [released.run_id]
    assert len(system.statuses(released.run_id, "development")) == 1
    assert len(system.approvals(released.run_id)) == 1
    assert len(system.mails(released.run_id, "Released")) == 1
    assert system.is_stopped(released.run_id, "staging")


def test_a_failed_gate_sends_the_mail_and_starts_and_promotes_nothing(system: System, refused_by_gate: Run) -> None:
    mail = system.mail(refused_by_gate.run_id, "FAILED: eval_metric")

    assert "is below 0.900" in mail.text
    assert system.statuses(refused_by_gate.run_id, "development") == ["TRAINING_COMPLETED"]
    assert not system.mails(refused_by_gate.run_id, "Approve")
    report = eventually(lambda: _failed_report(system, refused_by_gate), "report of the failure")
    why, numbers = report.index('<strong class="bad">Why</strong>'), report.index("Numbers beside their limits")
    assert why < report.index("is below") < numbers
    assert refused_by_gate.run_id not in str(system.versions("staging"))


def test_a_dataset_of_one_label_fails_before_training_and_says_what_to_add(system: System) -> None:
    objects = {key: data for key, data in separable("single").items() if "/good/" in key}
    system.drop(objects, "single")
    run = system.run_until("single", "data_prepare", "development", "FAILED")

    mail = system.mail(run.run_id, "FAILED: data_prepare")
    assert "train has 1 label (normal)" in mail.text
    assert run.run_id not in str(system.versions("development"))


def test_a_rejected_model_goes_nowhere_and_the_mail_says_who_rejected_it(system: System) -> None:
    system.drop(separable("rejects", per_label=9), "rejects")
    run = system.run_until("rejects", "inference_test", "development", "COMPLETED")
    system.decide(run.run_id, "reject")
    run = system.run_until("rejects", "approve2staging", "staging", "FAILED")

    assert "rejected by Ada" in system.mail(run.run_id, "FAILED: approve2staging").text
    assert run.run_id not in str(system.versions("staging"))


def test_events_that_somebody_forges_bring_nothing_into_production(system: System, released: Run) -> None:
    run = {"run_id": released.run_id, "dataset": "parts", "task": "classification", "environment": "production"}
    artifact = f"runs/{released.run_id}/staging/inference_test.json"
    forged = {
        "Pipeline Stage Retry": {"stage": "approve2production", "artifact": released.run_id, "decision": ""},
        "Pipeline Stage Completed": {"stage": "inference_test", "artifact": artifact, "reasons": []},
        "Model Rollback Requested": {"decision": "ROLLBACK#production", "approver": "Eve", "comment": ""},
        "Model Approval Decided": {"target": "production", "approval": "APPROVAL#0", "decision": "approved"},
    }
    stack = system.cloud.client("cloudformation").describe_stacks(StackName=system.stack)["Stacks"][0]["StackId"]
    entries = [
        {"Source": "rekognition-mlops", "DetailType": kind, "Resources": [stack], "Detail": json.dumps(run | more)}
        for kind, more in forged.items()
    ]
    refused = system.dead_letters("FailedInvocations")
    system.cloud.client("events").put_events(Entries=entries)

    # Each is tried three times, refused, and kept for an alarm.
    eventually(lambda: system.dead_letters("FailedInvocations") >= refused + len(forged), "refusal of all events")
    assert released.run_id not in str(system.versions("production"))
    assert system.released("parts", "classification", "production") is None


def test_a_form_without_the_typed_confirmation_decides_nothing(system: System, released: Run) -> None:
    wrong = httpx.post(system.link(released.run_id), data={"token": "guessed", "decision": "approve"})

    assert wrong.status_code == 404


def _failed_report(system: System, run: Run) -> str | None:
    text = str(system.artifact(run.run_id, "report.html"))
    return text if "<h1>Failed: eval_metric in development" in text else None
