"""Operations on project versions: train, copy, start, stop, delete, describe."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.rekognition.access.identity import Caller, Scope, scope_of_arn
from local.rekognition.errors import in_use, invalid_parameter, limit_exceeded, not_found
from local.rekognition.operations import datasets, policies
from local.rekognition.operations.service import Answer, Request, Service, page
from local.rekognition.state.descriptions import describe_version
from local.rekognition.state.records import (
    DELETABLE,
    STARTABLE,
    TAKING_A_MODEL_SLOT,
    TRAINED,
    Project,
    ProjectStatus,
    ProjectVersion,
    VersionStatus,
)


def create_project_version(service: Service, caller: Caller, request: Request) -> Answer:
    """CreateProjectVersion: train from the project's datasets, or from the manifests of the request."""
    if "FeatureConfig" in request:
        raise invalid_parameter("FeatureConfig is for adapters, which this local service does not have: leave it out.")
    project = service.project(caller.scope, request["ProjectArn"])
    lines = _dataset_lines(service, project, request)
    is_split = lines is not None and "TEST" not in lines
    _check_room_to_train(service, caller.scope)
    version = _new_version(
        service,
        project,
        request,
        status=VersionStatus.TRAINING_IN_PROGRESS,
        status_message="The model is being trained.",
        training_input=request.get("TrainingData", {}),
        testing_input={"AutoCreate": True} if is_split else request.get("TestingData", {}),
        description=request.get("VersionDescription"),
    )
    service.store.put(version)
    service.lifecycle.train(version, caller.credentials, lines)
    return {"ProjectVersionArn": version.arn}


def copy_project_version(service: Service, caller: Caller, request: Request) -> Answer:
    """CopyProjectVersion: called by the destination's account; within one region."""
    source = _copy_source(service, caller, request)
    destination = service.project(caller.scope, request["DestinationProjectArn"])
    version = _new_version(
        service,
        destination,
        request,
        status=VersionStatus.COPYING_IN_PROGRESS,
        status_message="The model is being copied.",
        training_input=source.training_input,
        testing_input=source.testing_input,
        description=source.description,
        source_version_arn=source.arn,
    )
    service.store.put(version)
    service.lifecycle.copy(version, caller.credentials)
    return {"ProjectVersionArn": version.arn}


def describe_project_versions(service: Service, caller: Caller, request: Request) -> Answer:
    """DescribeProjectVersions: newest first; names that do not exist are absent."""
    versions = service.versions_of(service.project(caller.scope, request["ProjectArn"]))
    if "VersionNames" in request:
        versions = [version for version in versions if version.name in request["VersionNames"]]
    return page(versions, request, "ProjectVersionDescriptions", describe_version)


def start_project_version(service: Service, caller: Caller, request: Request) -> Answer:
    """StartProjectVersion: load the model and keep it running until it is stopped."""
    version = service.version(caller.scope, request["ProjectVersionArn"])
    _check_units(service, request)
    if version.status not in STARTABLE:
        raise in_use(f"The version {version.name} is {version.status}; only a trained, stopped model can be started.")
    versions, quota = service.store.within(ProjectVersion, caller.scope), service.settings.quotas.running_models
    if sum(other.status in TAKING_A_MODEL_SLOT for other in versions) >= quota:
        raise limit_exceeded(f"This account has {quota} running models, the most it may have. Stop one first.")
    units = {"min_units": request["MinInferenceUnits"], "max_units": request.get("MaxInferenceUnits")}
    starting = _enter(service, version, VersionStatus.STARTING, "The model is starting.", **units)
    service.lifecycle.start(starting)
    return {"Status": starting.status}


def stop_project_version(service: Service, caller: Caller, request: Request) -> Answer:
    """StopProjectVersion: it must be RUNNING, or else STARTING, where the service is told to take that."""
    version = service.version(caller.scope, request["ProjectVersionArn"])
    is_taken = version.status is VersionStatus.STARTING and service.settings.stops_while_starting
    if version.status is not VersionStatus.RUNNING and not is_taken:
        raise in_use(f"The version {version.name} is {version.status}; only a RUNNING model can be stopped.")
    stopping = _enter(service, version, VersionStatus.STOPPING, "The model is stopping.")
    service.lifecycle.stop(stopping)
    return {"Status": stopping.status}


def delete_project_version(service: Service, caller: Caller, request: Request) -> Answer:
    """DeleteProjectVersion: not while it trains, copies, starts, runs or stops, nor while it is being copied."""
    version = service.version(caller.scope, request["ProjectVersionArn"])
    if version.status not in DELETABLE:
        raise in_use(f"The version {version.name} is {version.status}. Wait for it to end, or stop it, then delete it.")
    if any(_is_being_copied(version, other) for other in service.store.everywhere(ProjectVersion)):
        raise in_use(f"The version {version.name} is being copied. Wait for the copy, then delete it.")
    deleting = _enter(service, version, VersionStatus.DELETING, "The model is being deleted.")
    service.lifecycle.delete(deleting)
    return {"Status": deleting.status}


def _enter(
    service: Service, version: ProjectVersion, status: VersionStatus, message: str, **changes: Any
) -> ProjectVersion:
    now_ms = int(time.time() * 1000)
    changed = replace(version, status=status, status_message=message, status_since_ms=now_ms, **changes)
    service.store.put(changed)
    return changed


def _is_being_copied(version: ProjectVersion, other: ProjectVersion) -> bool:
    return other.source_version_arn == version.arn and other.status is VersionStatus.COPYING_IN_PROGRESS


def _new_version(service: Service, project: Project, request: Request, **details: Any) -> ProjectVersion:
    _check_room_in_project(service, project, request["VersionName"])
    output = request["OutputConfig"]
    if "S3Bucket" not in output:
        raise invalid_parameter("OutputConfig must name the S3Bucket that receives the training outputs.")
    created_ms = service.store.new_creation_ms()
    return ProjectVersion(
        arn=scope_of_arn(project.arn).version_arn(project.name, request["VersionName"], created_ms),
        project_arn=project.arn,
        project_name=project.name,
        name=request["VersionName"],
        created_ms=created_ms,
        output_bucket=output["S3Bucket"],
        output_prefix=output.get("S3KeyPrefix", ""),
        kms_key_id=request.get("KmsKeyId"),
        tags=request.get("Tags", {}),
        **details,
    )


def _check_room_in_project(service: Service, project: Project, version_name: str) -> None:
    if project.status is ProjectStatus.DELETING:
        raise in_use(f"The project {project.name} is being deleted.")
    versions, quota = service.versions_of(project), service.settings.quotas.versions_per_project
    if any(version.name == version_name for version in versions):
        raise in_use(f"The project {project.name} has a version named {version_name} already.")
    if len(versions) >= quota:
        raise limit_exceeded(f"The project {project.name} has {quota} models, the most it may have. Delete one first.")


def _check_room_to_train(service: Service, scope: Scope) -> None:
    versions, quota = service.store.within(ProjectVersion, scope), service.settings.quotas.trainings
    if sum(version.status is VersionStatus.TRAINING_IN_PROGRESS for version in versions) >= quota:
        raise limit_exceeded(f"This account is training {quota} models, the most it may at once. Wait for one to end.")


def _check_units(service: Service, request: Request) -> None:
    fewest, quota = request["MinInferenceUnits"], service.settings.quotas.inference_units
    most = request.get("MaxInferenceUnits", fewest)
    if most < fewest:
        raise invalid_parameter("MaxInferenceUnits must not be less than MinInferenceUnits.")
    if most > quota:
        raise limit_exceeded(f"A model may have {quota} inference units at most, not {most}.")


def _dataset_lines(service: Service, project: Project, request: Request) -> Mapping[str, list[str]] | None:
    """Return the entries to train from, None when the request names manifests."""
    training, testing = request.get("TrainingData"), request.get("TestingData")
    if training is None and testing is None:
        return datasets.training_lines(service, project)
    if service.datasets_of(project):
        raise invalid_parameter("The project has datasets: leave out TrainingData and TestingData.")
    if training is None or testing is None:
        raise invalid_parameter("TrainingData and TestingData must be passed together.")
    _check_manifests(training, testing)
    return None


def _check_manifests(training: Mapping[str, Any], testing: Mapping[str, Any]) -> None:
    _check_asset("TrainingData", training)
    if not testing.get("AutoCreate"):
        _check_asset("TestingData", testing)
    elif testing.get("Assets"):
        raise invalid_parameter("TestingData must have either Assets or AutoCreate, not both.")


def _check_asset(name: str, data: Mapping[str, Any]) -> None:
    assets = data.get("Assets", [])
    if len(assets) != 1:
        raise invalid_parameter(f"{name} must have exactly one asset, not {len(assets)}.")
    if not {"Bucket", "Name"} <= assets[0].get("GroundTruthManifest", {}).get("S3Object", {}).keys():
        raise invalid_parameter(f"{name} must name the Bucket and Name of a GroundTruthManifest.S3Object.")


def _copy_source(service: Service, caller: Caller, request: Request) -> ProjectVersion:
    arn = request["SourceProjectVersionArn"]
    region = caller.scope.region
    if scope_of_arn(arn).region != region or scope_of_arn(request["DestinationProjectArn"]).region != region:
        raise invalid_parameter(f"Both projects must be in the Region of the request, {region}.")
    project, source = service.store.get(Project, request["SourceProjectArn"]), service.store.get(ProjectVersion, arn)
    policies.check_copy(caller, project, arn)
    if project is None:
        raise not_found(request["SourceProjectArn"])
    if source is None:
        raise not_found(arn)
    if source.project_arn != project.arn:
        raise invalid_parameter(f"The version {source.arn} does not belong to the project {project.arn}.")
    if source.status not in TRAINED:
        raise in_use(f"The version {source.name} is {source.status}; only a trained model can be copied.")
    return source
