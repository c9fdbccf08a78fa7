"""Operations on datasets: create, describe, change, list, distribute, delete."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.rekognition.access.identity import Caller
from local.rekognition.errors import ServiceError, in_use, invalid_parameter, not_found
from local.rekognition.operations.service import Answer, Request, Service, decode_number, decode_token, encode_token
from local.rekognition.state.descriptions import describe_dataset as described
from local.rekognition.state.entries import Filters
from local.rekognition.state.records import DATASET_BUSY, DatasetRecord, DatasetStatus, Project, ProjectStatus
from local.rekognition.transitions.importing import ManifestSource

_PAGE_SIZE = 100


def create_dataset(service: Service, caller: Caller, request: Request) -> Answer:
    """CreateDataset: empty, from a manifest, or as a copy of another dataset."""
    project = service.project(caller.scope, request["ProjectArn"])
    if project.status is ProjectStatus.DELETING:
        raise not_found(project.arn)
    kind = request["DatasetType"]
    if any(existing.kind == kind for existing in service.datasets_of(project)):
        message = f"The project {project.name} has a {kind} dataset already. Delete it first."
        raise ServiceError("ResourceAlreadyExistsException", message)
    source = _source(service, caller, request)
    created_ms = service.store.new_creation_ms()
    dataset = DatasetRecord(
        arn=caller.scope.dataset_arn(project.name, kind, created_ms),
        project_arn=project.arn,
        kind=kind,
        created_ms=created_ms,
        updated_ms=created_ms,
        status=DatasetStatus.CREATE_IN_PROGRESS,
        status_message="The dataset is being created.",
        tags=request.get("Tags", {}),
    )
    service.store.put(dataset)
    service.lifecycle.datasets.create(dataset, source, caller.credentials)
    return {"DatasetArn": dataset.arn}


def describe_dataset(service: Service, caller: Caller, request: Request) -> Answer:
    """DescribeDataset: its state, and how many entries it has."""
    dataset = service.dataset(caller.scope, request["DatasetArn"])
    return {"DatasetDescription": described(dataset, service.store.entries.stats(dataset.created_ms))}


def update_dataset_entries(service: Service, caller: Caller, request: Request) -> Answer:
    """UpdateDatasetEntries: add lines, or put them in the place of those about the same images."""
    dataset = _idle(service, caller, request["DatasetArn"])
    try:
        text = request["Changes"]["GroundTruth"].decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid_parameter("Changes.GroundTruth is not UTF-8 text.") from error
    service.lifecycle.datasets.update(_begin_update(service, dataset), text)
    return {}


def list_dataset_entries(service: Service, caller: Caller, request: Request) -> Answer:
    """ListDatasetEntries: the lines that pass every filter, in the order in which they came."""
    dataset = _readable(service, caller, request["DatasetArn"])
    filters = Filters(
        contains_labels=request.get("ContainsLabels"),
        labeled=request.get("Labeled"),
        source_ref_contains=request.get("SourceRefContains"),
        has_errors=request.get("HasErrors"),
    )
    after = decode_number(request["NextToken"]) if request.get("NextToken") else 0
    size = request.get("MaxResults", _PAGE_SIZE)
    found = service.store.entries.page(dataset.created_ms, after, size + 1, filters)
    answer: Answer = {"DatasetEntries": [body for _, body in found[:size]]}
    if len(found) > size:
        answer["NextToken"] = encode_token(str(found[size - 1][0]))
    return answer


def list_dataset_labels(service: Service, caller: Caller, request: Request) -> Answer:
    """ListDatasetLabels: by name; counts are of images."""
    dataset = _readable(service, caller, request["DatasetArn"])
    after = decode_token(request["NextToken"]) if request.get("NextToken") else ""
    size = request.get("MaxResults", _PAGE_SIZE)
    found = service.store.entries.labels(dataset.created_ms, after, size + 1)
    labels = [{"LabelName": name, "LabelStats": _label_stats(images, boxed)} for name, images, boxed in found[:size]]
    answer: Answer = {"DatasetLabelDescriptions": labels}
    if len(found) > size:
        answer["NextToken"] = encode_token(found[size - 1][0])
    return answer


def distribute_dataset_entries(service: Service, caller: Caller, request: Request) -> Answer:
    """DistributeDatasetEntries: move a fifth of the training entries into the empty testing dataset."""
    # The operation models no ResourceInUseException.
    busy = "ResourceNotReadyException"
    datasets = {(d := _idle(service, caller, entry["Arn"], busy)).kind: d for entry in request["Datasets"]}
    if set(datasets) != {"TRAIN", "TEST"} or len({dataset.project_arn for dataset in datasets.values()}) != 1:
        raise invalid_parameter("Datasets must name the training and the testing dataset of one project.")
    training, testing = datasets["TRAIN"], datasets["TEST"]
    if service.store.entries.stats(testing.created_ms)["TotalEntries"]:
        raise invalid_parameter("The testing dataset is not empty: entries are distributed into an empty one only.")
    service.lifecycle.datasets.distribute(_begin_update(service, training), _begin_update(service, testing))
    return {}


def delete_dataset(service: Service, caller: Caller, request: Request) -> Answer:
    """DeleteDataset: not while it is created or changed."""
    dataset = _idle(service, caller, request["DatasetArn"])
    deleting = replace(dataset, status=DatasetStatus.DELETE_IN_PROGRESS, status_message="The dataset is being deleted.")
    service.store.put(deleting)
    service.lifecycle.datasets.delete(deleting)
    return {}


def training_lines(service: Service, project: Project) -> Mapping[str, list[str]]:
    """Return the entries to train on and test with, by the kind of their dataset.

    Without a testing dataset, where the service may split, there are training entries only. Raises ServiceError when a
    dataset is missing or busy.
    """
    datasets = {dataset.kind: dataset for dataset in service.datasets_of(project)}
    needed = {"TRAIN"} if service.settings.splits_training_dataset else {"TRAIN", "TEST"}
    if missing := needed - datasets.keys():
        kinds = " and a ".join(sorted(missing, reverse=True))
        raise invalid_parameter(
            f"The project has no {kinds} dataset. Create a training and a testing dataset, or pass TrainingData and "
            "TestingData to a project without datasets."
        )
    for dataset in datasets.values():
        if dataset.status in DATASET_BUSY:
            raise in_use(f"The dataset {dataset.arn} is {dataset.status}. Wait until it is complete.")
    return {kind: service.store.entries.bodies(dataset.created_ms) for kind, dataset in datasets.items()}


def _source(service: Service, caller: Caller, request: Request) -> ManifestSource | DatasetRecord | None:
    if "DatasetSource" not in request:
        return None
    given = request["DatasetSource"]
    if len(given) != 1:
        raise invalid_parameter("DatasetSource must have either a GroundTruthManifest or a DatasetArn.")
    if "DatasetArn" in given:
        return _readable(service, caller, given["DatasetArn"])
    place = given["GroundTruthManifest"].get("S3Object", {})
    if not {"Bucket", "Name"} <= place.keys():
        raise invalid_parameter("GroundTruthManifest.S3Object must have Bucket and Name.")
    return ManifestSource(place["Bucket"], place["Name"], place.get("Version"))


def _begin_update(service: Service, dataset: DatasetRecord) -> DatasetRecord:
    updating = replace(dataset, status=DatasetStatus.UPDATE_IN_PROGRESS, status_message="The dataset is being updated.")
    service.store.put(updating)
    return updating


def _idle(service: Service, caller: Caller, arn: str, code: str = "ResourceInUseException") -> DatasetRecord:
    dataset = service.dataset(caller.scope, arn)
    if dataset.status in DATASET_BUSY:
        raise ServiceError(code, f"The dataset is {dataset.status}. Wait until that has ended.")
    return dataset


def _readable(service: Service, caller: Caller, arn: str) -> DatasetRecord:
    dataset = service.dataset(caller.scope, arn)
    if dataset.status is DatasetStatus.CREATE_IN_PROGRESS:
        raise ServiceError("ResourceNotReadyException", "The dataset is being created. Wait until it is complete.")
    if dataset.status is DatasetStatus.DELETE_IN_PROGRESS:
        raise not_found(arn)
    return dataset


def _label_stats(images: int, boxed: int) -> dict[str, Any]:
    return {"EntryCount": images} | ({"BoundingBoxCount": boxed} if boxed else {})
