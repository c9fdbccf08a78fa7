"""A page for people: projects, datasets, models, what is running and for how long."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.looks import template
from local.rekognition.access.identity import scope_of_arn
from local.rekognition.operations.service import Service
from local.rekognition.state.records import DatasetRecord, Project, ProjectStatus, ProjectVersion, VersionStatus
from local.rekognition.use_case import UseCase

PAGE = Path(__file__).with_name("templates") / "status.html"
_KINDS = {UseCase.IMAGE_LEVEL_LABELS: "classification", UseCase.OBJECT_LOCALIZATION: "detection"}


def render_status(service: Service) -> str:
    """Write the page; every account and region is on it, the newest project first."""
    versions = service.store.everywhere(ProjectVersion)
    return template(PAGE).render(
        projects=[_project(service, project, versions) for project in service.store.everywhere(Project)],
        training=sum(version.status is VersionStatus.TRAINING_IN_PROGRESS for version in versions),
        running=sum(version.status is VersionStatus.RUNNING for version in versions),
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
    )


def _project(service: Service, project: Project, versions: list[ProjectVersion]) -> dict[str, Any]:
    scope = scope_of_arn(project.arn)
    return {
        "name": project.name,
        "account": scope.account,
        "region": scope.region,
        "deleting": project.status is ProjectStatus.DELETING,
        "datasets": [_dataset(service, dataset) for dataset in service.datasets_of(project)],
        "versions": [_version(version) for version in versions if version.project_arn == project.arn],
    }


def _dataset(service: Service, dataset: DatasetRecord) -> dict[str, Any]:
    return {
        "kind": dataset.kind,
        "status": dataset.status,
        "mood": mood(dataset.status),
        "message": dataset.status_message,
        "stats": service.store.entries.stats(dataset.created_ms),
    }


def _version(version: ProjectVersion) -> Mapping[str, Any]:
    source = version.source_version_arn
    return {
        "name": version.name,
        "copied_from": source.split("/", 1)[1].rsplit("/", 1)[0] if source else "",
        "status": version.status,
        "mood": mood(version.status),
        "message": version.status_message,
        "since": duration(time.time() - (version.status_since_ms or version.created_ms) / 1000),
        "kind": _KINDS[UseCase(version.use_case)] if version.outputs else "",
        "f1": "" if version.f1_score is None else f"{version.f1_score:.3f}",
        "trained_in": duration(version.billable_seconds) if version.billable_seconds else "",
        "units": version.min_units if version.status is VersionStatus.RUNNING else "",
    }


def mood(status: str) -> str:
    """Return how a status is shown: good, bad, busy, or plain (empty)."""
    if status.endswith("FAILED"):
        return "bad"
    if status == VersionStatus.RUNNING:
        return "good"
    return "busy" if status.endswith("ING") or status.endswith("IN_PROGRESS") else ""


def duration(seconds: float) -> str:
    """Write a duration in its two largest units."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    rest, parts = max(0, round(seconds)), list[str]()
    for name, size in units:
        amount, rest = divmod(rest, size)
        if amount or (parts and len(parts) < 2) or (name == "s" and not parts):
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2])
