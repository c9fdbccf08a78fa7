"""A deployed stack as its operators see it: its releases, and how to go back to one."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cli.items import query
from mlops import words
from mlops.pictures.looking import MaskRules
from mlops.records.images import partitions_of

SOURCE = "rekognition-mlops"
TASKS = ("classification", "detection")
ENVIRONMENTS = ("development", "staging", "production")
Clients = Callable[[str], Any]


class CommandRefused(RuntimeError):  # noqa: N818
    """What was asked for cannot be done; the message says why."""


@dataclass(frozen=True)
class Release:
    """One entry of the history."""

    run_id: str
    version_arn: str
    released_at: str
    approver: str
    comment: str
    is_rollback: bool
    is_current: bool


class Stack:
    """`clients` makes the boto3 client of a service, for AWS or for a local cloud."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name, self.clients = name, clients

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
        client, table = self.clients("dynamodb"), self.outputs["ApplicationTableName"]
        rows = (row for partition in partitions_of(dataset) for row in query(client, table, partition))
        return {row["sk"]: (row.get("etag", ""), row["digest"]) for row in rows if "digest" in row}

    def batches_seen(self, dataset: str) -> int:
        """How many batches of uploads of a dataset the stack has looked at."""
        return sum(int(row["generation"]) for row in self.rows(f"DATASET#{dataset}") if "generation" in row)

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

    def releases(self, dataset: str, task: str, environment: str) -> list[Release]:
        """Every release of a dataset and task in an environment, newest first."""
        rows = {row["sk"]: row for row in self.rows(f"RELEASE#{dataset}#{task}#{environment}")}
        current = rows.pop("CURRENT", {})
        return [
            Release(
                **{name: row[name] for name in ("run_id", "version_arn", "released_at", "approver", "comment")},
                is_rollback=row["is_rollback"],
                is_current=row["lease_id"] == current.get("lease_id"),
            )
            for _, row in sorted(rows.items(), reverse=True)
        ]

    def costs(self, run_id: str) -> Iterator[dict[str, Any]]:
        """What the training and each test of a run cost: kind, environment, seconds, and dollars as text."""
        return (row for row in self.rows(f"RUN#{run_id}") if row["sk"].startswith("COST#"))

    def roll_back(
        self, dataset: str, task: str, environment: str, run_id: str | None, approver: str, comment: str
    ) -> str:
        """Ask for an earlier release to be made current again; returns its run. Raises CommandRefused."""
        releases = self.releases(dataset, task, environment)
        current = next((release.run_id for release in releases if release.is_current), None)
        earlier = [release.run_id for release in releases if release.run_id != current]
        if not earlier:
            raise CommandRefused(f"{dataset}, {task}: nothing else was ever released in {environment}.")
        target = run_id or earlier[0]
        if target not in earlier:
            raise CommandRefused(f"{target} is not an earlier release; these are: {', '.join(dict.fromkeys(earlier))}")
        if problem := words.overlong(approver, comment):
            raise CommandRefused(problem)
        decision = self._note_rollback(target, environment, approver, comment)
        detail = {"run_id": target, "dataset": dataset, "task": task, "environment": environment, "decision": decision}
        entry = {
            "Source": SOURCE,
            "DetailType": "Model Rollback Requested",
            "Resources": [self.arn],
            "Detail": json.dumps(detail),
        }
        answer = self.clients("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise CommandRefused(f"EventBridge refused the request: {answer['Entries'][0].get('ErrorMessage')}")
        return target

    def _note_rollback(self, run_id: str, environment: str, approver: str, comment: str) -> str:
        """Record who wants a run back: the event only tells where to look. Returns the name of the record."""
        decision = f"ROLLBACK#{environment}#{uuid.uuid4().hex}"
        who = {"approver": approver, "comment": comment, "environment": environment}
        item = {name: {"S": value} for name, value in ({"pk": f"RUN#{run_id}", "sk": decision} | who).items()}
        table = self.outputs["ApplicationTableName"]
        self.clients("dynamodb").put_item(TableName=table, Item=item | {"is_rollback": {"BOOL": True}})
        return decision

    def rows(self, pk: str) -> Iterator[dict[str, Any]]:
        """The items of a partition of the application's table."""
        return query(self.clients("dynamodb"), self.outputs["ApplicationTableName"], pk, ConsistentRead=True)
