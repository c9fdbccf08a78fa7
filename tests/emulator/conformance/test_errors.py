"""Every error that an operation models, from a call that provokes it; what no call provokes is ordered with --fault."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.cloud import LocalCloud
from tests.emulator.clients import (
    begin_training,
    copy,
    error_code_of,
    new_name,
    new_project,
    project_of,
    settled,
    start,
    train,
)
from tests.emulator.conformance.requests import OPERATIONS, call, requests_about_nothing
from tests.emulator.datasets import picture, put_manifest
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.roles import assumed
from tests.emulator.target import BUCKET, ON_AWS, OUTPUT, RUN

Case = tuple[str, str]
DENIED, FAILED, THROTTLED = "AccessDeniedException", "InternalServerError", "ThrottlingException"
EXCEEDED, INVALID, IN_USE = "LimitExceededException", "InvalidParameterException", "ResourceInUseException"
NOT_FOUND, NOT_READY = "ResourceNotFoundException", "ResourceNotReadyException"
BAD_TOKEN, BAD_REVISION = "InvalidPaginationTokenException", "InvalidPolicyRevisionIdException"
EXISTS, NO_QUOTA_LEFT = "ResourceAlreadyExistsException", "ServiceQuotaExceededException"
BAD_PROVISION = "ProvisionedThroughputExceededException"


def modelled() -> set[Case]:
    model = boto3.client("rekognition", region_name="eu-west-1").meta.service_model
    return {(name, shape.name) for name in OPERATIONS for shape in model.operation_model(name).error_shapes}


@dataclass(frozen=True)
class World:
    """A project with two datasets and five policies, and one with a version that failed to train."""

    rekognition: Any
    s3: Any
    project: str
    training: str
    testing: str
    failed: str

    def another(self, **changes: Any) -> dict[str, Any]:
        """A request to train a version that cannot be trained, in the project without datasets."""
        manifest = put_manifest(self.s3, "errors/bad.manifest", ["{"])
        request = {"VersionName": new_name("v"), "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": "runs/errors"}}
        inputs = {"TrainingData": manifest, "TestingData": {"AutoCreate": True}}
        return {"ProjectArn": project_of(self.rekognition, self.failed), **request, **inputs} | changes

    def in_training(self) -> str:
        return str(self.rekognition.create_project_version(**self.another())["ProjectVersionArn"])

    def busy(self) -> dict[str, str]:
        """A testing dataset, which is empty, while it is being created."""
        arn = new_project(self.rekognition)
        created = self.rekognition.create_dataset(ProjectArn=arn, DatasetType="TEST")
        return {"DatasetArn": created["DatasetArn"]}

    def policy(self, **changes: Any) -> dict[str, Any]:
        """A request to attach a policy that is in order."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "111122223333"},
            "Action": "rekognition:CopyProjectVersion",
        }
        resource = self.project.rpartition("/")[0] + "/version/v/1772621000123"
        document = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": resource}]})
        return {"ProjectArn": self.project, "PolicyName": "p0", "PolicyDocument": document} | changes


@pytest.fixture(scope="module")
def world(rekognition: Any, s3: Any) -> World:
    failed = train(rekognition, s3, ["{"])["ProjectVersionArn"]
    project = new_project(rekognition)
    kinds = ("TRAIN", "TEST")
    training, testing = (
        rekognition.create_dataset(ProjectArn=project, DatasetType=kind)["DatasetArn"] for kind in kinds
    )
    for arn in (training, testing):
        wait_for(lambda arn=arn: rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"] in DONE)
    found = World(rekognition, s3, project, training, testing, failed)
    for number in range(5):
        rekognition.put_project_policy(**found.policy(PolicyName=f"p{number}"))
    return found


DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}

# What a call provokes in an account without a model, by what changes in the request about nothing.
PROVOKED: dict[Case, Callable[[World], dict[str, Any]]] = {
    ("CreateProject", INVALID): lambda w: {"ProjectName": new_name(), "AutoUpdate": "ENABLED"},
    ("CreateProject", IN_USE): lambda w: {"ProjectName": w.project.split("/")[1]},
    ("DescribeProjects", BAD_TOKEN): lambda w: {"NextToken": "?!"},
    ("DeleteProject", IN_USE): lambda w: {"ProjectArn": project_of(w.rekognition, w.failed)},
    ("CreateProjectVersion", INVALID): lambda w: w.another(TestingData={}),
    ("CreateProjectVersion", IN_USE): lambda w: w.another(VersionName=w.failed.split("/")[3]),
    ("DescribeProjectVersions", BAD_TOKEN): lambda w: {"ProjectArn": w.project, "NextToken": "?!"},
    ("StartProjectVersion", INVALID): lambda w: (
        {"ProjectVersionArn": w.failed, "MinInferenceUnits": 2} | {"MaxInferenceUnits": 1}
    ),
    ("StartProjectVersion", EXCEEDED): lambda w: {"ProjectVersionArn": w.failed, "MinInferenceUnits": 1000},
    ("StartProjectVersion", IN_USE): lambda w: {"ProjectVersionArn": w.failed},
    ("StopProjectVersion", IN_USE): lambda w: {"ProjectVersionArn": w.failed},
    ("DeleteProjectVersion", IN_USE): lambda w: {"ProjectVersionArn": w.in_training()},
    ("CopyProjectVersion", INVALID): lambda w: {"SourceProjectVersionArn": w.failed, "SourceProjectArn": w.project},
    ("CopyProjectVersion", IN_USE): lambda w: {
        "SourceProjectVersionArn": w.failed,
        "SourceProjectArn": project_of(w.rekognition, w.failed),
    },
    ("DetectCustomLabels", NOT_READY): lambda w: {"ProjectVersionArn": w.failed},
    ("CreateDataset", INVALID): lambda w: {"ProjectArn": new_project(w.rekognition), "DatasetSource": {}},
    ("CreateDataset", EXISTS): lambda w: {"ProjectArn": w.project},
    ("UpdateDatasetEntries", INVALID): lambda w: {"DatasetArn": w.training, "Changes": {"GroundTruth": b"\xff"}},
    ("UpdateDatasetEntries", IN_USE): lambda w: w.busy(),
    ("ListDatasetEntries", BAD_TOKEN): lambda w: {"DatasetArn": w.training, "NextToken": "?!"},
    ("ListDatasetEntries", NOT_READY): lambda w: w.busy(),
    ("ListDatasetLabels", BAD_TOKEN): lambda w: {"DatasetArn": w.training, "NextToken": "?!"},
    ("ListDatasetLabels", NOT_READY): lambda w: w.busy(),
    ("DistributeDatasetEntries", INVALID): lambda w: {"Datasets": [{"Arn": w.training}, {"Arn": w.training}]},
    ("DistributeDatasetEntries", NOT_READY): lambda w: {
        "Datasets": [{"Arn": w.training}, {"Arn": w.busy()["DatasetArn"]}]
    },
    ("DeleteDataset", IN_USE): lambda w: w.busy(),
    ("PutProjectPolicy", EXISTS): lambda w: w.policy(),
    ("PutProjectPolicy", BAD_REVISION): lambda w: w.policy(PolicyRevisionId="0"),
    ("PutProjectPolicy", "MalformedPolicyDocumentException"): lambda w: w.policy(PolicyDocument="{}"),
    ("PutProjectPolicy", EXCEEDED): lambda w: w.policy(PolicyName="p5"),
    ("ListProjectPolicies", BAD_TOKEN): lambda w: {"ProjectArn": w.project, "NextToken": "?!"},
    ("DeleteProjectPolicy", BAD_REVISION): lambda w: (
        {"ProjectArn": w.project, "PolicyName": "p0"} | {"PolicyRevisionId": "0"}
    ),
    ("TagResource", NO_QUOTA_LEFT): lambda w: {"ResourceArn": tagged(w)},
}
UNKNOWN = {(name, error) for name, error in modelled() if error == NOT_FOUND}
FORBIDDEN = {(name, DENIED) for name in OPERATIONS}
# What a running model provokes.
PICTURES: dict[Case, dict[str, Any]] = {
    ("DetectCustomLabels", "ImageTooLargeException"): {"Bytes": picture("ok", 1, (4097, 300))},
    ("DetectCustomLabels", "InvalidImageFormatException"): {"Bytes": b"not a picture"},
    ("DetectCustomLabels", "InvalidS3ObjectException"): {"S3Object": {"Bucket": BUCKET, "Name": "none.png"}},
    ("DetectCustomLabels", INVALID): {},
}
OFTEN = {("DetectCustomLabels", BAD_PROVISION)}
# What a used-up quota provokes.
USED_UP = {("CreateProject", EXCEEDED), ("CreateProjectVersion", EXCEEDED), ("CopyProjectVersion", EXCEEDED)}
TOO_OFTEN = {(name, THROTTLED) for name in OPERATIONS if name != "DetectCustomLabels"}
ORDERED = modelled() - PROVOKED.keys() - UNKNOWN - FORBIDDEN - PICTURES.keys() - OFTEN - USED_UP - TOO_OFTEN


def named(cases: Iterator[Case] | set[Case] | dict[Case, Any]) -> Any:
    return pytest.mark.parametrize("case", sorted(cases), ids="-".join)


def tagged(world: World) -> str:
    """A resource with as many tags as it may have."""
    tags = {f"k{number}": "" for number in range(200)}
    return str(world.rekognition.create_project(ProjectName=new_name(), Tags=tags)["ProjectArn"])


@named(PROVOKED)
def test_an_error_is_provoked(world: World, about_nothing: dict[str, dict[str, Any]], case: Case) -> None:
    operation, error = case
    request = about_nothing[operation] | PROVOKED[case](world)

    with pytest.raises(world.rekognition.exceptions.from_code(error)) as raised:
        call(world.rekognition, operation, request)

    assert raised.value.response["Error"]["Code"] == error
    assert raised.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def about_nothing(rekognition: Any, world: World) -> dict[str, dict[str, Any]]:
    return requests_about_nothing(world.project.partition(":project/")[0])


@named(UNKNOWN)
def test_what_does_not_exist_is_not_found(
    rekognition: Any, about_nothing: dict[str, dict[str, Any]], case: Case
) -> None:
    operation, error = case

    with pytest.raises(rekognition.exceptions.from_code(error)):
        call(rekognition, operation, about_nothing[operation])


@pytest.fixture(scope="module")
def powerless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client that may do nothing, of the local cloud: the service alone knows no permissions."""
    if ON_AWS:
        with assumed(boto3.client("iam"), boto3.client("sts"), f"custom-labels-nothing-{RUN}") as keys:
            yield boto3.client("rekognition", **keys)
        return
    with (
        LocalCloud(tmp_path_factory.mktemp("cloud") / "state") as cloud,
        assumed(cloud.client("iam"), cloud.client("sts"), "nothing") as keys,
    ):
        yield boto3.client("rekognition", endpoint_url=cloud.endpoint, region_name="us-east-1", **keys)


@named(FORBIDDEN)
def test_who_may_do_nothing_is_denied(powerless: Any, case: Case) -> None:
    operation, error = case
    account_arn = f"arn:aws:rekognition:{powerless.meta.region_name}:000000000000"

    with pytest.raises(powerless.exceptions.from_code(error)):
        call(powerless, operation, requests_about_nothing(account_arn)[operation])


@pytest.fixture(scope="module")
def running(rekognition: Any, trained: dict[str, Any]) -> str:
    """A model that runs with one inference unit."""
    arn = settled(rekognition, copy(rekognition, trained))["ProjectVersionArn"]
    start(rekognition, arn)
    return str(arn)


@named(PICTURES)
def test_a_picture_is_refused(rekognition: Any, running: str, case: Case) -> None:
    _, error = case

    with pytest.raises(rekognition.exceptions.from_code(error)):
        wait_for(lambda: not throttled(rekognition, running, PICTURES[case]))


def throttled(rekognition: Any, arn: str, image: dict[str, Any]) -> bool:
    """Detect; say whether that was too often. Any other error is raised."""
    try:
        rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image)
    except rekognition.exceptions.ProvisionedThroughputExceededException:
        return True
    return False


def test_a_model_is_called_too_often(rekognition: Any, running: str) -> None:
    image = {"Bytes": picture("ok", 1)}

    assert any(throttled(rekognition, running, image) for _ in range(200))


@pytest.fixture(scope="module")
def full(launch_for_all: Callable[..., RunningService], s3: Any, training_lines: list[Any]) -> tuple[Any, Any]:
    """A client whose account may have one project with one version, and has; and that version."""
    client = launch_for_all("--max-projects", 1, "--max-versions", 1).client()
    return client, train(client, s3, training_lines)


def test_a_quota_is_used_up(full: tuple[Any, Any], s3: Any) -> None:
    client, version = full
    project = project_of(client, version["ProjectVersionArn"])

    assert error_code_of(client.create_project, ProjectName="second") == EXCEEDED
    with pytest.raises(client.exceptions.LimitExceededException):
        begin_training(client, s3, ["{"], project=project)
    with pytest.raises(client.exceptions.LimitExceededException):
        copy(client, version, project)


@pytest.fixture(scope="module")
def slow(launch_for_all: Callable[..., RunningService]) -> Any:
    """A client of a service that takes one call of each operation, and no other for hours."""
    return launch_for_all("--control-plane-tps", 0.0001).client()


@named(TOO_OFTEN)
def test_an_operation_is_called_too_often(slow: Any, case: Case) -> None:
    operation, error = case
    request = requests_about_nothing("arn:aws:rekognition:eu-west-1:000000000000")[operation]
    with pytest.raises(ClientError) if operation != "DescribeProjects" else nullcontext():
        call(slow, operation, request)

    with pytest.raises(slow.exceptions.from_code(error)):
        call(slow, operation, request)


@pytest.fixture(scope="module")
def ordered(launch_for_all: Callable[..., RunningService]) -> dict[Case, ClientError]:
    """What a client gets that orders every error of ORDERED, one after the other."""
    orders = [("--fault", f"{operation}={error}") for operation, error in sorted(ORDERED)]
    client = launch_for_all(*(word for order in orders for word in order)).client()
    requests = requests_about_nothing("arn:aws:rekognition:eu-west-1:000000000000")
    found = {}
    for operation, error in sorted(ORDERED):
        with pytest.raises(ClientError) as raised:
            call(client, operation, requests[operation])
        found[operation, error] = raised.value
    return found


@named(ORDERED)
def test_an_error_that_nobody_provokes_can_be_ordered(ordered: dict[Case, ClientError], case: Case) -> None:
    _, error = case

    assert type(ordered[case]).__name__ == error
    server_fault = ordered[case].response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    assert server_fault == (error in (FAILED, THROTTLED))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("MakeCoffee=InternalServerError", "no operation"),
        ("StopProjectVersion=ImageTooLargeException", "has no error"),
        ("StopProjectVersion=InternalServerError:often", "no number"),
    ],
)
def test_what_cannot_be_ordered_is_refused(
    launch_by_command: Callable[..., RunningService], capfd: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    with pytest.raises(Exception, match="exit code 2"):
        launch_by_command("--fault", fault)

    assert said in capfd.readouterr().err


def test_an_ordered_error_passes(launch: Callable[..., RunningService]) -> None:
    client = launch("--fault", "DescribeProjects=InternalServerError:2").client()
    codes = [error_code_of(client.describe_projects) for _ in range(3)]

    assert codes == [FAILED, FAILED, None]


def test_boto3_tries_again_after_a_fault(launch: Callable[..., RunningService]) -> None:
    client = launch("--fault", "DescribeProjects=InternalServerError:2").client(retries={"total_max_attempts": 3})

    assert client.describe_projects()["ProjectDescriptions"] == []
