"""Loops and anchors of the template: whoever reads it reads the same, and what holds state keeps its logical id."""

import tomllib
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from tests.infrastructure.delivery import delivery, rights
from tests.infrastructure.language_extensions import as_sam_hands_it_on, expanded, parsed
from tests.infrastructure.template import ROOT, Resource, resources, resources_of

SOURCE: dict[str, Any] = parsed(ROOT / "template.yaml")
# A resource of another logical id is another resource: what people put in would stay behind, or be lost.
STATEFUL = {
    "AWS::DynamoDB::Table": {"ApplicationTable", "IdempotencyTable"},
    "AWS::KMS::Key": {"TopicKey"},
    "AWS::Logs::LogGroup": {
        "ApprovalAccessLogs",
        "ApprovalFunctionLogs",
        "DataPrepareFunctionLogs",
        "EvalMetricFunctionLogs",
        "GroundTruthFunctionLogs",
        "InferenceTestFunctionLogs",
        "IngestFunctionLogs",
        "ModelStatusFunctionLogs",
        "ModelSweeperFunctionLogs",
        "NotificationFunctionLogs",
        "PromotionFunctionLogs",
        "ReportFunctionLogs",
        "TrainingFunctionLogs",
    },
    "AWS::Rekognition::Project": {
        "ClassificationDevelopment",
        "ClassificationProduction",
        "ClassificationStaging",
        "DetectionDevelopment",
        "DetectionProduction",
        "DetectionStaging",
    },
    "AWS::S3::Bucket": {"ArtifactsBucket", "DataBucket"},
    "AWS::SNS::Topic": {"Topic"},
    "AWS::SQS::Queue": {
        "FailedInvocations",
        "ModelStatusDeadLetters",
        "ModelStatusQueue",
        "SettlingDeadLetters",
        "SettlingQueue",
        "UndeliveredEvents",
        "UploadsDeadLetters",
        "UploadsQueue",
    },
}


def found_in_maps(node: Any) -> Any:
    """A part of the template in which FindInMap is looked up: the linter leaves that to CloudFormation."""
    if isinstance(node, list):
        return [found_in_maps(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Fn::FindInMap"}:
        table, row, column, *otherwise = node["Fn::FindInMap"]
        found = SOURCE["Mappings"][table][row]
        return found[column] if column in found else otherwise[0]["DefaultValue"]
    return {key: found_in_maps(value) for key, value in node.items()}


def test_the_linter_and_the_local_cloud_make_the_same_of_the_loops() -> None:
    by_the_linter = found_in_maps(expanded("sam"))

    assert resources_of(by_the_linter) == resources()


def test_cloudformation_gets_no_anchors_which_it_would_refuse_and_nothing_else_than_we_read() -> None:
    handed_on = as_sam_hands_it_on()
    special = [token for token in yaml.scan(handed_on) if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]

    assert special == []
    assert yaml_parse(handed_on) == SOURCE


@pytest.mark.parametrize("kind", STATEFUL)
def test_what_holds_state_keeps_its_logical_id(kind: str) -> None:
    assert {name for name, entry in resources().items() if entry["Type"] == kind} >= STATEFUL[kind]


def test_loops_are_expanded_before_sam_sees_the_template() -> None:
    assert SOURCE["Transform"] == ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]


@pytest.mark.parametrize("environment", ["default", "ci"])
def test_sam_is_told_to_read_loops_and_to_let_cloudformation_expand_them(environment: str) -> None:
    # sam build fails on Fn::ForEach unless it is asked to read it.
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))[environment]

    assert configuration["global"]["parameters"]["language_extensions"] is True
    assert "CAPABILITY_AUTO_EXPAND" in configuration["deploy"]["parameters"]["capabilities"].split()


@pytest.mark.parametrize(
    ("template", "role"),
    [("pipeline", "PipelineRole"), ("pipeline", "CloudFormationRole"), ("github", "DeliveryRole")],
)
def test_who_delivers_may_use_every_transform_of_the_template(template: str, role: str) -> None:
    given: Resource = delivery(template)[role]["Properties"]
    (statement,) = [s for s in rights(given) if any("transform/" in arn for arn in s["Resource"])]
    transforms = {arn.split(":transform/")[1] for arn in statement["Resource"] if ":transform/" in arn}

    assert "cloudformation:CreateChangeSet" in statement["Action"]
    assert {f"AWS::{name.split('-')[0]}" for name in transforms} == {t.split("-")[0] for t in SOURCE["Transform"]}


def test_every_change_set_of_the_pipeline_and_the_workflow_lets_cloudformation_expand_them() -> None:
    stages = delivery("pipeline")["Pipeline"]["Properties"]["Stages"]
    asked = [action["Configuration"] for stage in stages for action in stage["Actions"] if "Configuration" in action]
    makes = [entry for entry in asked if entry.get("ActionMode") == "CHANGE_SET_REPLACE"]

    assert len(makes) == 3
    assert all("CAPABILITY_AUTO_EXPAND" in entry["Capabilities"].split(",") for entry in makes)
    assert "CAPABILITY_AUTO_EXPAND" in (ROOT / ".github/workflows/deploy.yaml").read_text(encoding="utf-8")
