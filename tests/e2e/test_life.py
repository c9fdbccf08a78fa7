"""What comes back, in short: the lamp dims, a new defect comes, people answer, the next model knows. Rights are
enforced, and every event comes twice."""

import json
from typing import Any

import pytest

from local.runner.reviewing import answer_all, review_link
from mlops.dataset.keys import drift_key
from mlops.records import reviews
from tests.e2e.conftest import picture, separable
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

DATASET = "lamps"
# As good parts under a lamp that dims, and a defect that no model knows under the same lamp.
DIM = {"good": (30, 70, 30), "dent": (20, 20, 20)}
GOOD, DENTS = 40, 14


def inspected(system: System, name: str, good: int, dents: int) -> dict[str, dict[str, Any]]:
    """Have pictures under the dim lamp judged; what was told of each by its name."""
    labels = ["good"] * good + ["dent"] * dents
    keys = {f"inspect/{DATASET}/{name}/{number:03}-{label}.png": label for number, label in enumerate(labels)}
    system.upload({key: picture(DIM[label], 1000 * len(name) + i) for i, (key, label) in enumerate(keys.items())})

    def told() -> dict[str, dict[str, Any]] | None:
        system.observe()
        found = {
            event["detail"]["key"]: event["detail"]
            for event in system.events
            if event["detail-type"] == "Part Inspected"
        }
        return {key: found[key] for key in keys} if keys.keys() <= found.keys() else None

    return eventually(told, "answers about all pictures", 300)


def drifted(system: System) -> list[str]:
    """What the hourly look finds."""
    system.invoke("DriftFunction")
    key, bucket = drift_key(DATASET), system.outputs["ArtifactsBucketName"]
    body = system.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return [one["name"] for one in json.loads(body)["measures"] if one["has_drifted"]]


def lines(system: System) -> list[dict[str, Any]]:
    """The annotation manifest."""
    key, bucket = f"datasets/{DATASET}/annotations.manifest", system.outputs["DataBucketName"]
    body = system.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_what_people_answer_about_a_new_look_makes_the_next_model_right_again(system: System) -> None:
    system.repeat.add(DATASET)
    system.drop(separable(DATASET, per_label=12), DATASET)
    first = system.to_production(DATASET)
    before = inspected(system, "before", GOOD, DENTS)
    assert not any("dent" in told["labels"] for told in before.values())
    assert "brightness" in drifted(system)
    mail = eventually(lambda: [m for m in system.cloud.mails() if m.subject.startswith(f"Drift: {DATASET}")], "mail")[0]
    assert review_link(mail.text)

    # As many as a day has places for.
    eventually(
        lambda: len(list(reviews.of_state(DATASET, reviews.WAITING, table=system.operated.table))) == 50, "reviews"
    )
    system.invoke("RetrainingFunction")
    asked = eventually(
        lambda: [m for m in system.cloud.mails() if "to look at" in m.subject and DATASET in m.subject],
        "mail that asks",
    )
    link = review_link(asked[0].text)
    assert link and len(asked) == 1
    count = answer_all(link, lambda path: "dent" if "dent" in path else "normal", "Ann")
    assert count == 50
    second = system.to_production(DATASET, number=1)
    assert second.run_id != first.run_id

    filed = lines(system)
    assert len({line["source-ref"] for line in filed}) == len(filed) == count
    assert {line["side"] for line in filed} <= {"train", "holdout"}
    assert "dent" in system.artifact(second.run_id, "ground_truth.json")["labels"]
    assert drifted(system) == []
    after = inspected(system, "after", 8, 4)
    assert all(told["verdict"] == "ok" for key, told in after.items() if "good" in key), after
    assert all("dent" in told["labels"] and told["verdict"] != "ok" for key, told in after.items() if "dent" in key), (
        after
    )
    for queue in ("UndeliveredEvents", "FailedInvocations"):
        assert system.dead_letters(queue) == 0
