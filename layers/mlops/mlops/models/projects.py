"""The Rekognition projects of the stack, and the versions in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops import stack
from mlops.arns import account_of, project_name, version_name
from mlops.aws import clients
from mlops.aws.clients import client_in, code_of
from mlops.codec import Json


@dataclass(frozen=True)
class Place:
    """Where the service has put a file."""

    bucket: str
    key: str


@dataclass(frozen=True)
class Version:
    """What DescribeProjectVersions says of a version.

    `summary` is the service's evaluation and `snapshot` its predictions for the test images, where it was evaluated;
    `manifest_summary` says what is wrong with the manifests.
    """

    arn: str
    status: str
    message: str = ""
    training_seconds: int = 0
    summary: Place | None = None
    snapshot: Place | None = None
    manifest_summary: Place | None = None

    @property
    def name(self) -> str:
        """The name, which is that of its run where it is ours."""
        return version_name(self.arn)

    @classmethod
    def of(cls, described: Json) -> "Version":
        """From one of the `ProjectVersionDescriptions`."""
        assets = described.get("TestingDataResult", {}).get("Output", {}).get("Assets", [])
        return cls(
            str(described["ProjectVersionArn"]),
            str(described["Status"]),
            str(described.get("StatusMessage", "")),
            int(described.get("BillableTrainingTimeInSeconds", 0)),
            _place_in(described.get("EvaluationResult", {}).get("Summary", {})),
            _place_in(assets[0]["GroundTruthManifest"]) if assets else None,
            _place_in(described.get("ManifestSummary", {})),
        )


def _place_in(asset: Json) -> Place | None:
    place = asset.get("S3Object")
    return Place(str(place["Bucket"]), str(place["Name"])) if place else None


def projects() -> dict[str, dict[str, str]]:
    """ARNs of the Rekognition projects by task and environment; those of other accounts in place of the stack's own."""
    elsewhere = stack.here().projects_elsewhere
    return {
        task: own | {environment: arn for environment, arn in elsewhere.get(task, {}).items() if arn}
        for task, own in stack.here().projects.items()
    }


def all_projects() -> Iterator[tuple[str, str]]:
    """(environment, ARN) of every project: also the stack's own where another account's took its place."""
    for by_task in (stack.here().projects, stack.here().projects_elsewhere):
        for environments in by_task.values():
            yield from ((environment, arn) for environment, arn in environments.items() if arn)


def place_of(arn: str) -> tuple[str, str]:
    """The environment and the project of a project or version. Raises LookupError when it is none of the stack's."""
    for environment, project in all_projects():
        # No further: a version's ARN does not have the time that ends the project's.
        if project.split("/")[:2] == arn.split("/")[:2]:
            return environment, project
    raise LookupError(f"{arn} is in no project of this stack")


def rekognition(arn: str) -> Any:
    """The client for a project or version: with its environment's role when it is in that role's account."""
    environment, _ = place_of(arn)
    role = stack.here().role_of(environment)
    # Where another account took over, the stack's own project may still hold models that run.
    is_there = bool(role) and account_of(role) == account_of(arn)
    return client_in(environment, "rekognition") if is_there else clients.client("rekognition")


def versions_in(project: str) -> list[Version]:
    """All versions of a project, oldest first."""
    pages = rekognition(project).get_paginator("describe_project_versions").paginate(ProjectArn=project)
    found = [Version.of(described) for page in pages for described in page["ProjectVersionDescriptions"]]
    # The end of an ARN is when the version was made, in milliseconds.
    return sorted(found, key=lambda version: int(version.arn.rsplit("/", 1)[-1]))


def running_versions(project: str) -> Iterator[str]:
    """ARNs of the versions of a project that are starting or running."""
    for version in versions_in(project):
        if version.status in ("STARTING", "RUNNING"):
            yield version.arn


def describe_version(project: str, version_name: str) -> Version | None:
    """A version of a project, None when there is none of that name."""
    try:
        found = rekognition(project).describe_project_versions(ProjectArn=project, VersionNames=[version_name])
    except ClientError as error:
        # It is the project that is gone; where only the version is, the answer is empty.
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return next(map(Version.of, found["ProjectVersionDescriptions"]), None)


def fullness(project: str) -> str:
    """Why waiting does not help: a project holds so many models and no more; empty when it has room."""
    models, most = versions_in(project), stack.here().project_models
    if len(models) < most:
        return ""
    return (
        f"{project_name(project)} holds {len(models)} models; {most} is the most. Delete those that nobody needs, "
        f"such as the oldest: aws rekognition delete-project-version --project-version-arn "
        f"{models[0].arn}"
    )


def names_of(version_arn: str) -> tuple[str, str]:
    """The project's ARN and the version's name of a version ARN, in which the project's creation time is not."""
    return place_of(version_arn)[1], version_name(version_arn)
