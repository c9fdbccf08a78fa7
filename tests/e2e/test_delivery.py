"""The steps of the CI/CD pipeline, done as it does them: buildspecs by command, deployments by change set."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cloud.sam import PACKAGES_BUCKET, ROOT, VENVS, Sam, local_parameters, runtime_parameters
from tests.e2e.system import STACK, System
from tests.infrastructure.delivery import GIVEN, delivery
from tests.infrastructure.language_extensions import parsed

pytestmark = pytest.mark.e2e

PIPELINE = delivery("pipeline")
STAGES = PIPELINE["Pipeline"]["Properties"]["Stages"]
NEW = "parts"
A_TEST = "tests/unit/local/test_processes.py"
# What is known about types is known of the copy, too.
ONE_TEST = {"PYTEST_ADDOPTS": A_TEST, "WORKERS": "0", "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}


@dataclass(frozen=True)
class Machine:
    """A copy of the source as CodeBuild gets it, without history, and a home folder with nothing in it."""

    source: Path
    home: Path

    def build(self, project: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the buildspec of a project: every command in one shell, the first that fails ends it."""
        spec = yaml.safe_load((self.source / PIPELINE[project]["Properties"]["Source"]["BuildSpec"]).read_text())
        commands = [command for phase in spec["phases"].values() for command in phase.get("commands", ())]
        variables = spec.get("env", {}).get("variables", {})
        given = {**environment, **variables}
        if both := [values["PYTEST_ADDOPTS"] for values in (variables, environment) if "PYTEST_ADDOPTS" in values]:
            given["PYTEST_ADDOPTS"] = " ".join(both)
        return subprocess.run(
            ["bash", "-ec", "\n".join(commands)],
            cwd=self.source,
            env={"PATH": os.environ["PATH"], **given, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    source, home = tmp_path / "source", tmp_path / "home"
    home.mkdir()
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".?*", "build", "__pycache__"))
    # What `make` would fill; this very run of the tests did.
    (source / ".venvs").symlink_to(VENVS)
    yield Machine(source, home)


def unit_tests(machine: Machine) -> subprocess.CompletedProcess[str]:
    """The stage UnitTests over one file: all of them are running right now."""
    return machine.build("UnitTests", ONE_TEST)


def test_green_unit_tests_leave_the_reports_that_the_buildspec_names(machine: Machine) -> None:
    result = unit_tests(machine)

    assert result.returncode == 0, result.stdout + result.stderr
    spec = yaml.safe_load((machine.source / "delivery/unit_tests.buildspec.yaml").read_text())
    for report in spec["reports"].values():
        (name,) = report["files"]
        assert (machine.source / report["base-directory"] / name).stat().st_size > 100
    assert "<coverage" in (machine.source / "build/reports/coverage.xml").read_text()


def test_one_red_test_makes_the_stage_red(machine: Machine) -> None:
    with (machine.source / A_TEST).open("a") as tests:
        tests.write("\n\ndef test_that_is_red() -> None:\n    assert False\n")
    result = unit_tests(machine)

    assert result.returncode != 0
    assert "test_that_is_red" in result.stdout


def test_build_and_deploy_leave_the_stack_that_make_up_leaves(machine: Machine, system: System) -> None:
    cloud = system.cloud
    given = Sam(machine.source / "template.yaml", cloud.state, cloud.endpoint).environment()
    result = machine.build("Build", {**given, "PACKAGES_BUCKET": PACKAGES_BUCKET})
    assert result.returncode == 0, result.stdout + result.stderr
    client = cloud.client("cloudformation")
    cloud.client("s3").upload_file(str(machine.source / "packaged.yaml"), PACKAGES_BUCKET, "packaged.yaml")
    for action in actions_of("Development"):
        carry_out(client, action, f"{cloud.endpoint}/{PACKAGES_BUCKET}/packaged.yaml")

    assert resources(client, f"{NEW}-development") == resources(client, STACK)
    client.delete_stack(StackName=f"{NEW}-development")
    client.get_waiter("stack_delete_complete").wait(StackName=f"{NEW}-development", WaiterConfig={"Delay": 1})


@pytest.mark.parametrize(
    ("template", "left_out"),
    [
        # This cloud has no CodePipeline; moto has, but not for CloudFormation: tests/infrastructure/test_delivery.py.
        ("pipeline", {"Pipeline", "SourceUploaded", "SourceUploadedRole"}),
        # Nor has it a catalog.
        ("product", {name for name in delivery("product") if name != "LaunchRole"} | {"Launcher"}),
        # Nor identity providers.
        ("github", {"Provider", "DeliveryRole"}),
    ],
)
def test_what_this_cloud_knows_of_delivery_is_made_by_cloudformation(
    template: str, left_out: set[str], system: System
) -> None:
    source = parsed(ROOT / "delivery" / f"{template}.yaml")
    source["Resources"] = {name: entry for name, entry in source["Resources"].items() if name not in left_out}
    del source["Outputs"]
    client, stack = system.cloud.client("cloudformation"), f"delivery-{template}"
    client.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(source),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in GIVEN[template].items()],
    )
    client.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})

    made = {r["LogicalResourceId"] for r in client.describe_stack_resources(StackName=stack)["StackResources"]}
    assert made == {name for name, entry in source["Resources"].items() if entry.get("Condition") != "HasLauncher"}
    client.delete_stack(StackName=stack)


def actions_of(stage: str) -> list[dict[str, Any]]:
    """The actions of a stage in their order, for stacks of another name."""
    (found,) = [entry["Actions"] for entry in STAGES if entry["Name"] == stage]
    return sorted(found, key=lambda action: int(action["RunOrder"]))


def carry_out(client: Any, action: Mapping[str, Any], template_url: str) -> None:
    """What CodePipeline's action CloudFormation does. On this machine with its runtime and its haste."""
    asked = action["Configuration"]
    change_set = {"StackName": f"{NEW}-development", "ChangeSetName": asked["ChangeSetName"]}
    if asked["ActionMode"] == "CHANGE_SET_REPLACE":
        here = local_parameters(ROOT / "samconfig.toml") | runtime_parameters()
        values = here | json.loads(asked["ParameterOverrides"])
        client.create_change_set(
            **change_set,
            ChangeSetType="CREATE",
            TemplateURL=template_url,
            Capabilities=asked["Capabilities"].split(","),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        )
        client.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig={"Delay": 1})
    else:
        client.execute_change_set(**change_set)
        done = client.get_waiter("stack_create_complete")
        done.wait(StackName=change_set["StackName"], WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def resources(client: Any, stack: str) -> dict[str, str]:
    """The type of every resource of a stack, by logical id; those of layers end in a digest of their package."""
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    found = {r["LogicalResourceId"]: r["ResourceType"] for page in pages for r in page["StackResourceSummaries"]}
    return {re.sub("(?<=Layer)[0-9a-f]{10}$", "", name): kind for name, kind in found.items()}
