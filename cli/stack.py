"""A deployed stack as its operators see it: its releases, and how to go back to one."""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any, Protocol

from botocore.exceptions import ClientError

from mlops import words
from mlops.dataset.dataset_json import TASKS
from mlops.events import Event, ModelRollbackRequested
from mlops.pictures.looking import MaskRules
from mlops.records import activity, decisions, images, releases, runs
from mlops.records.releases import Release
from mlops.records.runs import Run
from mlops.records.table import Table
from mlops.stage import ENVIRONMENTS, StageRef


class Session(Protocol):
    """Makes boto3's clients and resources, as a session of boto3 does, for AWS or for a local cloud."""

    def client(self, service: str, /) -> Any: ...

    def resource(self, service: str, /) -> Any: ...


class CommandRefused(RuntimeError):  # noqa: N818
    """What was asked for cannot be done; the message says why."""


class Stack:
    """A stack by its name: what it is made of, and its table, which `mlops.records` reads."""

    def __init__(self, name: str, session: Session) -> None:
        self.name, self._session = name, session
        # To make a client takes longer than most calls.
        self.clients = cache(session.client)

    @cached_property
    def table(self) -> Table:
        """The application's table."""
        return Table(self._session.resource("dynamodb").Table(self.outputs["ApplicationTableName"]))

    def runs(self, dataset: str) -> list[Run]:
        """All runs of a dataset with their stages, oldest first."""
        found = runs.of_dataset(dataset, self.table)
        return [run for known in found if (run := runs.read(known.run_id, self.table))]

    def run(self, run_id: str) -> Run | None:
        """One run with its stages, None when it does not exist (yet)."""
        return runs.read(run_id, self.table)

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self._description["Outputs"]}

    @cached_property
    def parameters(self) -> dict[str, str]:
        return {given["ParameterKey"]: given["ParameterValue"] for given in self._description["Parameters"]}

    @property
    def mask_rules(self) -> MaskRules:
        """What counts as a defect in a mask."""
        given = self.parameters
        return MaskRules(int(given.get("MinimumDefectPixels", 10)), int(given.get("MergeDistance", 0)))

    def recorded(self, dataset: str) -> dict[str, tuple[str, str]]:
        """Etag and SHA-256 of every object of a dataset that the stack has looked at, by key."""
        return images.digests_of(dataset, self.table)

    def batches_seen(self, dataset: str) -> int:
        """How many batches of uploads of a dataset the stack has looked at."""
        return activity.of(dataset, self.table).generation

    def progress(self, dataset: str) -> str:
        """How far a long look at a dataset has come, before its runs begin; empty when there is none."""
        return activity.of(dataset, self.table).progress

    def artifact(self, key: str) -> bytes | None:
        """An object of the artifacts bucket, None when it was not written (yet)."""
        try:
            found = self.clients("s3").get_object(Bucket=self.outputs["ArtifactsBucketName"], Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
                raise
            return None
        return bytes(found["Body"].read())

    def put(self, event: Event) -> None:
        """Put an event of this stack. Raises CommandRefused."""
        answer = self.clients("events").put_events(Entries=[event.as_entry(self.arn)])
        if answer["FailedEntryCount"]:
            raise CommandRefused(f"EventBridge refused the request: {answer['Entries'][0].get('ErrorMessage')}")

    @property
    def arn(self) -> str:
        return str(self._description["StackId"])

    @property
    def status(self) -> str:
        return str(self._description["StackStatus"])

    @property
    def project_names(self) -> list[str]:
        """The names of the Rekognition projects that the stack makes."""
        return [f"{self.name}-{task}-{environment}" for task in TASKS for environment in ENVIRONMENTS]

    def resources(self, kind: str) -> dict[str, str]:
        """The physical ids of the stack's resources of a type, by logical id."""
        pages = self.clients("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = (resource for page in pages for resource in page["StackResourceSummaries"])
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found if r["ResourceType"] == kind}

    def datasets(self) -> list[str]:
        """The datasets in the data bucket."""
        pages = self.clients("s3").get_paginator("list_objects_v2")
        request = {"Bucket": self.outputs["DataBucketName"], "Prefix": "datasets/", "Delimiter": "/"}
        found = (entry["Prefix"] for page in pages.paginate(**request) for entry in page.get("CommonPrefixes", ()))
        return [prefix.split("/")[1] for prefix in found]

    def projects(self) -> list[str]:
        """ARNs of the stack's projects in this account."""
        found = self.clients("rekognition").describe_projects(ProjectNames=self.project_names)["ProjectDescriptions"]
        return sorted(description["ProjectArn"] for description in found)

    def versions(self, project: str) -> Iterator[tuple[str, str]]:
        """ARN and status of every version of a project."""
        pages = self.clients("rekognition").get_paginator("describe_project_versions").paginate(ProjectArn=project)
        for page in pages:
            for version in page["ProjectVersionDescriptions"]:
                yield version["ProjectVersionArn"], version["Status"]

    def running(self) -> Iterator[str]:
        """ARNs of the versions in the stack's projects of this account that start or run."""
        for project in self.projects():
            yield from (arn for arn, status in self.versions(project) if status in ("STARTING", "RUNNING"))

    @cached_property
    def _description(self) -> dict[str, Any]:
        return dict(self.clients("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0])

    def roll_back(
        self, dataset: str, task: str, environment: str, run_id: str | None, approver: str, comment: str
    ) -> str:
        """Ask for an earlier release to be made current again; returns its run. Raises CommandRefused."""
        current = self.current(dataset, task, environment)
        history = releases.history(dataset, task, environment, self.table)
        earlier = [release.run_id for release in history if not current or release.run_id != current.run_id]
        if not earlier:
            raise CommandRefused(f"{dataset}, {task}: nothing else was ever released in {environment}.")
        target = run_id or earlier[0]
        if target not in earlier:
            raise CommandRefused(f"{target} is not an earlier release; these are: {', '.join(dict.fromkeys(earlier))}")
        if problem := words.overlong(approver, comment):
            raise CommandRefused(problem)
        ref = StageRef(target, dataset, task, "rollback", environment)
        # The event only tells where to look: who wants a run back is in the table.
        decision = decisions.new_rollback(ref)
        decisions.note(ref, decision, approver, comment, is_rollback=True, table=self.table)
        asked = ModelRollbackRequested(target, dataset, task, environment, decision)
        self.put(asked)
        return target

    def current(self, dataset: str, task: str, environment: str) -> Release | None:
        """The release that is in force in an environment, None before the first one."""
        return releases.current(dataset, task, environment, self.table)
