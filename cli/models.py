"""Models and projects outlive their stack, because they were paid for; this is how they go."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from cli.stack import CommandRefused, Stack

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 1800.0
_BUSY = ("TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STARTING", "STOPPING", "DELETING")


def delete_models(stack: Stack, say: Callable[[str], None]) -> None:
    """Stop and delete every version, then every project of a stack, which may be deleted already.

    Raises CommandRefused when something is still busy after half an hour.
    """
    rekognition = stack.clients("rekognition")
    found = rekognition.describe_projects(ProjectNames=stack.project_names)["ProjectDescriptions"]
    for project in sorted(description["ProjectArn"] for description in found):
        _delete_versions(rekognition, project, say)
        rekognition.delete_project(ProjectArn=project)
        say(f"deleted {project.split('/')[1]}")


def _delete_versions(rekognition: Any, project: str, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while versions := list(_versions(rekognition, project)):
        for arn, status in versions:
            if status == "RUNNING":
                rekognition.stop_project_version(ProjectVersionArn=arn)
                say(f"stopping {arn.split('/')[3]}")
            elif status not in _BUSY:
                rekognition.delete_project_version(ProjectVersionArn=arn)
                say(f"deleting {arn.split('/')[3]}")
        if time.monotonic() > deadline:
            busy = ", ".join(f"{arn} ({status})" for arn, status in versions)
            raise CommandRefused(f"still there after {PATIENCE_SECONDS / 60:.0f} minutes: {busy}. Try again later.")
        time.sleep(POLL_SECONDS)


def _versions(rekognition: Any, project: str) -> Iterator[tuple[str, str]]:
    for page in rekognition.get_paginator("describe_project_versions").paginate(ProjectArn=project):
        for version in page["ProjectVersionDescriptions"]:
            yield version["ProjectVersionArn"], version["Status"]
