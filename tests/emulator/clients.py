"""Short ways to say what most tests of the service begin with."""

import json
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from tests.emulator.datasets import training_request
from tests.emulator.processes import wait_for
from tests.emulator.target import OUTPUT, PATIENCE_SECONDS, RUN

_numbers = count()

PASSING = {"TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STARTING", "STOPPING", "DELETING"}


def new_name(prefix: str = "line") -> str:
    return f"{prefix}-{RUN}-{next(_numbers)}"


def new_project(rekognition: Any, prefix: str = "line") -> str:
    return rekognition.create_project(ProjectName=new_name(prefix))["ProjectArn"]


def remove_project(rekognition: Any, project: dict[str, Any]) -> None:
    """Delete a project with everything in it, once nothing of it is busy; nothing may run."""

    def insist(call: Any, **parameters: Any) -> None:
        wait_for(lambda: error_code_of(call, **parameters) != "ResourceInUseException")

    arn = project["ProjectArn"]
    for version in rekognition.describe_project_versions(ProjectArn=arn)["ProjectVersionDescriptions"]:
        insist(rekognition.delete_project_version, ProjectVersionArn=version["ProjectVersionArn"])
    for dataset in project["Datasets"]:
        insist(rekognition.delete_dataset, DatasetArn=dataset["DatasetArn"])
    insist(rekognition.delete_project, ProjectArn=arn)


def project_of(rekognition: Any, version_arn: str) -> str:
    name = version_arn.split("/")[1]
    return rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"][0]["ProjectArn"]


def describe(rekognition: Any, version_arn: str) -> dict[str, Any] | None:
    """Return the description of a version, None once it is gone."""
    name = version_arn.split("/")[3]
    project = project_of(rekognition, version_arn)
    versions = rekognition.describe_project_versions(ProjectArn=project, VersionNames=[name])
    return next(iter(versions["ProjectVersionDescriptions"]), None)


def status(rekognition: Any, version_arn: str) -> str | None:
    found = describe(rekognition, version_arn)
    return found and found["Status"]


def settled(rekognition: Any, version_arn: str) -> dict[str, Any]:
    """Wait until a version is in no passing state; return its description."""
    # The shipped engine may have to share the processor with other tests.
    return wait_for(
        lambda: (found := describe(rekognition, version_arn)) and found["Status"] not in PASSING and found,
        seconds=max(120, PATIENCE_SECONDS),
    )


def begin_training(
    rekognition: Any, s3: Any, training: list[Any], testing: list[Any] | None = None, project: str = "", **changes: Any
) -> str:
    request = training_request(s3, f"v{next(_numbers)}", training, testing) | changes
    arn = project or new_project(rekognition)
    return rekognition.create_project_version(ProjectArn=arn, **request)["ProjectVersionArn"]


def train(rekognition: Any, s3: Any, *sets: Any, **changes: Any) -> dict[str, Any]:
    return settled(rekognition, begin_training(rekognition, s3, *sets, **changes))


def copy(rekognition: Any, source: dict[str, Any], destination: str = "", **changes: Any) -> str:
    name = f"copy{next(_numbers)}"
    parameters = {
        "SourceProjectArn": project_of(rekognition, source["ProjectVersionArn"]),
        "SourceProjectVersionArn": source["ProjectVersionArn"],
        "DestinationProjectArn": destination or new_project(rekognition),
        "VersionName": name,
        "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": f"runs/{name}"},
    }
    return rekognition.copy_project_version(**parameters | changes)["ProjectVersionArn"]


def start(rekognition: Any, version_arn: str, units: int = 1) -> None:
    rekognition.start_project_version(ProjectVersionArn=version_arn, MinInferenceUnits=units)
    wait_for(lambda: status(rekognition, version_arn) == "RUNNING")


def stop(rekognition: Any, version_arn: str) -> None:
    rekognition.stop_project_version(ProjectVersionArn=version_arn)
    wait_for(lambda: status(rekognition, version_arn) == "STOPPED")


def error_code_of(call: Any, **parameters: Any) -> str | None:
    """Call something; return the code of its error, None without one."""
    try:
        call(**parameters)
    except ClientError as raised:
        return str(raised.response["Error"]["Code"])
    return None


def error_code(call: Any, **parameters: Any) -> str:
    """Call something that must fail; return the code of the error."""
    return error(call, **parameters)["Code"]


def error(call: Any, **parameters: Any) -> dict[str, Any]:
    try:
        answer = call(**parameters)
    except ClientError as raised:
        return raised.response["Error"]
    raise AssertionError(f"expected an error, got {answer}")


def output(s3: Any, asset: dict[str, Any]) -> str:
    location = asset["S3Object"]
    body = s3.get_object(Bucket=location["Bucket"], Key=location["Name"])["Body"]
    return body.read().decode()


def output_lines(s3: Any, result: dict[str, Any]) -> list[dict[str, Any]]:
    text = output(s3, result["Assets"][0]["GroundTruthManifest"])
    return [json.loads(row) for row in text.splitlines()]


def output_kinds(s3: Any, version_name: str) -> set[str]:
    listed = s3.list_objects_v2(Bucket=OUTPUT, Prefix=f"runs/{version_name}/").get("Contents", [])
    return {entry["Key"].rsplit("/", 1)[1].split("-")[0] for entry in listed}
