"""Production and the way back, with three accounts: the pipeline's, one for staging, one for production.

Rights are enforced in each. That one account does as well is seen in test_capacity.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.sam import ROOT
from mlops.records import costs
from mlops.records import releases as released
from mlops.records.runs import Run
from tests.e2e.conftest import separable
from tests.e2e.system import STRICT, System, eventually

pytestmark = pytest.mark.e2e

NAME = "plant"
PIPELINE = "000000000000"
ACCOUNTS = {"staging": "222222222222", "production": "333333333333"}
TASK = "classification"


@pytest.fixture(scope="module")
def plant(system: System) -> Iterator[System]:
    """A stack of its own whose staging and production are in other accounts, set up as the documents say."""
    outputs = system.cloud.deploy(NAME, STRICT)
    parameters = {"ProductionAlwaysOn": "true"}
    sources = {"staging": PIPELINE, "production": ACCOUNTS["staging"]}
    for environment, account in ACCOUNTS.items():
        given = {
            "Environment": environment,
            "PipelineAccount": PIPELINE,
            "PipelineStack": NAME,
            "SourceAccount": sources[environment],
            "DataBucket": outputs["DataBucketName"],
        }
        made = create_stack(system.cloud.client("cloudformation", account), given)
        parameters |= {f"{environment.capitalize()}{name}": value for name, value in made.items()}
    outputs = system.cloud.deploy(NAME, STRICT | parameters)
    plant = System(system.cloud, outputs, system.tap, NAME, ACCOUNTS)
    yield plant
    plant.delete_stack()
    # What releases left running in production ends with the stack.
    assert not plant.running()


def create_stack(cloudformation: Any, given: dict[str, str]) -> dict[str, str]:
    """Deploy delivery/environment.yaml; returns its outputs."""
    cloudformation.create_stack(
        StackName=f"{NAME}-environment",
        TemplateBody=(ROOT / "delivery/environment.yaml").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=f"{NAME}-environment", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (stack,) = cloudformation.describe_stacks(StackName=f"{NAME}-environment")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture(scope="module")
def releases(plant: System) -> tuple[Run, Run]:
    """Two releases of one dataset."""
    plant.drop(separable("press", per_label=9), "press")
    first = plant.to_production("press")
    plant.drop(separable("press", per_label=11), "press")
    return first, plant.to_production("press", 1)


def project(plant: System, environment: str) -> str:
    rekognition = plant.cloud.client("rekognition", plant.account(environment))
    name = f"{NAME}-{TASK}-{environment}"
    return str(rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"][0]["ProjectArn"])


def test_each_environment_has_its_copies_in_its_own_account(plant: System, releases: tuple[Run, Run]) -> None:
    run_id = releases[1].run_id

    for environment, status in (("development", "STOPPED"), ("staging", "STOPPED"), ("production", "RUNNING")):
        assert eventually(lambda e=environment, s=status: plant.statuses(run_id, e) == [s], f"{status} {run_id}")  # type: ignore[misc]
    own = plant.cloud.client("rekognition")
    (staging,) = own.describe_projects(ProjectNames=[f"{NAME}-{TASK}-staging"])["ProjectDescriptions"]
    assert own.describe_project_versions(ProjectArn=staging["ProjectArn"])["ProjectVersionDescriptions"] == []


def test_what_was_granted_for_a_copy_is_taken_back_after_it(plant: System, releases: tuple[Run, Run]) -> None:
    for environment in ("development", "staging"):
        rekognition = plant.cloud.client("rekognition", plant.account(environment))
        listed = rekognition.list_project_policies(ProjectArn=project(plant, environment))
        assert listed["ProjectPolicies"] == []


def test_without_a_grant_no_other_account_copies_a_version(plant: System, releases: tuple[Run, Run]) -> None:
    (version,) = [v for v in plant.versions("development") if releases[0].run_id in v["ProjectVersionArn"]]
    with pytest.raises(ClientError) as refused:
        plant.cloud.client("rekognition", ACCOUNTS["staging"]).copy_project_version(
            SourceProjectArn=project(plant, "development"),
            SourceProjectVersionArn=version["ProjectVersionArn"],
            DestinationProjectArn=project(plant, "staging"),
            VersionName="stolen",
            OutputConfig={"S3Bucket": "any-bucket"},
        )

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_the_released_version_stays_running_and_the_one_before_is_stopped(
    plant: System, releases: tuple[Run, Run]
) -> None:
    first, second = releases

    assert plant.is_stopped(first.run_id, "production")
    assert plant.statuses(second.run_id, "production") == ["RUNNING"]


def test_a_candidate_is_compared_with_production_on_the_same_images(plant: System, releases: tuple[Run, Run]) -> None:
    first, second = (plant.artifact(run.run_id, "development/inference_test.json")["comparison"] for run in releases)

    assert "first release" in first["note"]
    assert second["with"] == releases[0].run_id
    assert second["images"] > 0
    assert set(second["per_label"]) == {"normal", "scratch", "stain"}
    assert "Beside production" in plant.approvals(releases[1].run_id)[0].text


def test_what_a_run_cost_is_in_its_record_and_in_its_mail(plant: System, releases: tuple[Run, Run]) -> None:
    run_id = releases[0].run_id
    found = costs.of_run(run_id, plant.operated.table)

    assert sorted((cost.kind, cost.environment) for cost in found) == [
        ("running", "development"),
        ("running", "production"),
        ("running", "staging"),
        ("training", "development"),
    ]
    assert all(cost.seconds > 0 and cost.usd > 0 for cost in found)
    assert "about USD" in plant.approvals(run_id, "production")[0].text


def test_the_sweeper_stops_what_nobody_may_use_and_nothing_else(plant: System, releases: tuple[Run, Run]) -> None:
    stray = next(v["ProjectVersionArn"] for v in plant.versions("staging") if releases[0].run_id in str(v))
    rekognition = plant.cloud.client("rekognition", ACCOUNTS["staging"])
    rekognition.start_project_version(ProjectVersionArn=stray, MinInferenceUnits=1)
    eventually(lambda: plant.statuses(releases[0].run_id, "staging") == ["RUNNING"], f"start of {stray}")
    plant.sweep()

    assert plant.is_stopped(releases[0].run_id, "staging")
    assert plant.statuses(releases[1].run_id, "production") == ["RUNNING"]


def test_a_rollback_copies_a_version_again_that_was_deleted_in_production(
    plant: System, releases: tuple[Run, Run]
) -> None:
    first, second = releases
    production = plant.cloud.client("rekognition", ACCOUNTS["production"])
    (version,) = [v for v in plant.versions("production") if first.run_id in v["ProjectVersionArn"]]
    production.delete_project_version(ProjectVersionArn=version["ProjectVersionArn"])
    eventually(lambda: not plant.statuses(first.run_id, "production"), f"end of {first.run_id}")

    plant.operated.roll_back("press", TASK, "production", first.run_id, "Ada", "worse")

    assert eventually(lambda: plant.current("press") == first.run_id, f"return of {first.run_id}")
    assert plant.statuses(first.run_id, "production") == ["RUNNING"]
    assert plant.is_stopped(second.run_id, "production")
    history = released.history("press", TASK, "production", plant.operated.table)
    assert [(release.run_id, release.is_rollback) for release in history] == [
        (first.run_id, True),
        (second.run_id, False),
        (first.run_id, False),
    ]
    current = plant.operated.current("press", TASK, "production")
    assert current and current.lease_id == history[0].lease_id
    assert history[0].approver == "Ada" and history[0].comment == "worse"
