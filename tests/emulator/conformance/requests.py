"""Custom Labels' operations, and for each a request that is well formed and about nothing that exists."""

from typing import Any

from botocore import xform_name

from tests.emulator.target import OUTPUT


def requests_about_nothing(account_arn: str) -> dict[str, dict[str, Any]]:
    """Requests by operation; `account_arn` is `arn:aws:rekognition:REGION:ACCOUNT`."""
    project = {"ProjectArn": f"{account_arn}:project/none/1772621000123"}
    version = {"ProjectVersionArn": f"{account_arn}:project/none/version/none/1772621000124"}
    dataset = {"DatasetArn": f"{account_arn}:project/none/dataset/train/1772621000125"}
    resource = {"ResourceArn": project["ProjectArn"]}
    output = {"OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": "none"}}
    policy = {**project, "PolicyName": "none"}
    testing = dataset["DatasetArn"].replace("train", "test")
    return {
        "CreateProject": {"ProjectName": "not a name"},
        "DescribeProjects": {"ProjectNames": ["none"]},
        "DeleteProject": project,
        "CreateProjectVersion": {**project, "VersionName": "none", **output},
        "DescribeProjectVersions": project,
        "StartProjectVersion": {**version, "MinInferenceUnits": 1},
        "StopProjectVersion": version,
        "DeleteProjectVersion": version,
        "CopyProjectVersion": {
            "SourceProjectArn": project["ProjectArn"],
            "SourceProjectVersionArn": version["ProjectVersionArn"],
            "DestinationProjectArn": project["ProjectArn"],
            "VersionName": "none",
            **output,
        },
        "DetectCustomLabels": {**version, "Image": {"Bytes": b"none"}},
        "CreateDataset": {**project, "DatasetType": "TRAIN"},
        "DescribeDataset": dataset,
        "UpdateDatasetEntries": {**dataset, "Changes": {"GroundTruth": b"{}"}},
        "ListDatasetEntries": dataset,
        "ListDatasetLabels": dataset,
        "DistributeDatasetEntries": {"Datasets": [{"Arn": dataset["DatasetArn"]}, {"Arn": testing}]},
        "DeleteDataset": dataset,
        "PutProjectPolicy": {**policy, "PolicyDocument": "{}"},
        "ListProjectPolicies": project,
        "DeleteProjectPolicy": policy,
        "TagResource": {**resource, "Tags": {"none": ""}},
        "UntagResource": {**resource, "TagKeys": ["none"]},
        "ListTagsForResource": resource,
    }


OPERATIONS = tuple(requests_about_nothing(""))


def call(client: Any, operation: str, request: dict[str, Any]) -> Any:
    """Call an operation by the name that AWS gives it."""
    return getattr(client, xform_name(operation))(**request)
