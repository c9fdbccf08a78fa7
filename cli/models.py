"""Models and projects outlive their stack, because they were paid for; this is how they go."""

import time
from collections.abc import Callable

from cli.stack import CommandRefused, Stack

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 1800.0
_BUSY = ("TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STARTING", "STOPPING", "DELETING")


def delete_models(stack: Stack, say: Callable[[str], None]) -> None:
    """Stop and delete every version, then every project of a stack, which may be deleted already.

    Raises CommandRefused when something is still busy after half an hour.
    """
    rekognition = stack.clients("rekognition")
    for project in stack.projects():
        _delete_versions(stack, project, say)
        rekognition.delete_project(ProjectArn=project)
        say(f"deleted {project.split('/')[1]}")


def _delete_versions(stack: Stack, project: str, say: Callable[[str], None]) -> None:
    rekognition = stack.clients("rekognition")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while versions := list(stack.versions(project)):
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
