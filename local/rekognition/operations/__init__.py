"""The operations that the service performs, by name: one function each."""

from collections.abc import Awaitable, Callable

from local.rekognition.access.identity import Caller
from local.rekognition.operations import datasets, detection, policies, projects, tags, versions
from local.rekognition.operations.service import Answer, Request, Service

Operation = Callable[[Service, Caller, Request], Answer | Awaitable[Answer]]

OPERATIONS: dict[str, Operation] = {
    "CreateProject": projects.create_project,
    "DescribeProjects": projects.describe_projects,
    "DeleteProject": projects.delete_project,
    "CreateProjectVersion": versions.create_project_version,
    "DescribeProjectVersions": versions.describe_project_versions,
    "StartProjectVersion": versions.start_project_version,
    "StopProjectVersion": versions.stop_project_version,
    "DeleteProjectVersion": versions.delete_project_version,
    "CopyProjectVersion": versions.copy_project_version,
    "DetectCustomLabels": detection.detect_custom_labels,
    "CreateDataset": datasets.create_dataset,
    "DescribeDataset": datasets.describe_dataset,
    "UpdateDatasetEntries": datasets.update_dataset_entries,
    "ListDatasetEntries": datasets.list_dataset_entries,
    "ListDatasetLabels": datasets.list_dataset_labels,
    "DistributeDatasetEntries": datasets.distribute_dataset_entries,
    "DeleteDataset": datasets.delete_dataset,
    "PutProjectPolicy": policies.put_project_policy,
    "ListProjectPolicies": policies.list_project_policies,
    "DeleteProjectPolicy": policies.delete_project_policy,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsForResource": tags.list_tags_for_resource,
}
