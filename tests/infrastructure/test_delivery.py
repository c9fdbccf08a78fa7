"""How changes reach an account: in which order, and with which rights."""

import json
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws

from tests.infrastructure.delivery import delivery, of_kind, rights
from tests.infrastructure.language_extensions import parsed
from tests.infrastructure.template import ROOT, as_list, resources

TEMPLATES = ("environment", "github", "pipeline", "product")
PIPELINE = delivery("pipeline")
STAGES = PIPELINE["Pipeline"]["Properties"]["Stages"]
ACTIONS = [(stage["Name"], action) for stage in STAGES for action in stage["Actions"]]
ROLES = {
    f"{template}.{name}": entry
    for template in TEMPLATES
    for name, entry in delivery(template).items()
    if entry["Type"] == "AWS::IAM::Role"
}
# The services that a role may touch at all.
MAY = {
    "pipeline.UnitTestsRole": {"codebuild", "logs", "s3"},
    "pipeline.BuildRole": {"logs", "s3"},
    "pipeline.PipelineRole": {"cloudformation", "codebuild", "iam", "s3", "sns"},
    "pipeline.SourceUploadedRole": {"codepipeline"},
    "pipeline.CloudFormationRole": {
        "apigateway",
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "events",
        "iam",
        "kms",
        "lambda",
        "logs",
        "rekognition",
        "s3",
        "scheduler",
        "sns",
        "sqs",
    },
    "product.LaunchRole": {
        "cloudformation",
        "codebuild",
        "codeconnections",
        "codepipeline",
        "codestar-connections",
        "events",
        "iam",
        "logs",
        "s3",
        "sns",
    },
    "github.DeliveryRole": {"cloudformation", "iam", "s3"},
    "environment.Role": {"rekognition", "s3", "ssm"},
}


def actions_of(role: str) -> set[str]:
    return {action for statement in rights(ROLES[role]["Properties"]) for action in statement["Action"]}


def test_nothing_is_deployed_before_the_unit_tests_were_green() -> None:
    names = [stage["Name"] for stage in STAGES]
    deploying = [stage for stage, action in ACTIONS if action["ActionTypeId"]["Category"] == "Deploy"]

    assert names.index("UnitTests") < min(names.index(stage) for stage in deploying)
    assert names[:3] == ["Source", "UnitTests", "Build"]


def test_a_red_stage_stops_everything() -> None:
    # A stage that fails ends the execution, unless it is told to go on, roll back or skip.
    assert not [key for stage in STAGES for key in stage if key not in ("Name", "Actions")]
    (tests,) = [action for stage, action in ACTIONS if stage == "UnitTests"]
    assert tests["ActionTypeId"]["Provider"] == "CodeBuild"
    assert not tests.get("OutputArtifacts")


def test_unit_tests_are_the_command_of_the_readme() -> None:
    project = PIPELINE["UnitTests"]["Properties"]
    phases = parsed(ROOT / project["Source"]["BuildSpec"])["phases"]

    assert [command for phase in phases.values() for command in phase.get("commands", ())] == ["make test"]
    assert "\nmake test " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_tested_is_what_is_built_and_deployed() -> None:
    given = {
        action["Name"]: action.get("InputArtifacts") for stage, action in ACTIONS if stage in ("UnitTests", "Build")
    }
    deployed = [action["InputArtifacts"] for _, action in ACTIONS if action["Name"] == "ChangeSet"]

    assert given == {"UnitTests": [{"Name": "Source"}], "Build": [{"Name": "Source"}]}
    assert deployed == [[{"Name": "Packaged"}]] * 3


@pytest.mark.parametrize("stage", ["Staging", "Production"])
def test_a_person_sees_the_change_set_and_is_asked_before_it_is_executed(stage: str) -> None:
    order = {action["Name"]: action["RunOrder"] for name, action in ACTIONS if name == stage}
    (approval,) = [action for name, action in ACTIONS if (name, action["Name"]) == (stage, "Approve")]

    assert order["ChangeSet"] < order["Approve"] < order["Deploy"]
    assert approval["Configuration"]["NotificationArn"] == "ApprovalTopic"


def test_stacks_are_made_with_a_role_that_only_cloudformation_takes_on() -> None:
    roles = {action["Configuration"]["RoleArn"] for _, action in ACTIONS if action["Name"] == "ChangeSet"}
    trust = PIPELINE["CloudFormationRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    passes = [s for s in rights(PIPELINE["PipelineRole"]["Properties"]) if "iam:PassRole" in s["Action"]]

    assert roles == {"CloudFormationRole.Arn"}
    assert [statement["Principal"] for statement in trust] == [{"Service": "cloudformation.amazonaws.com"}]
    assert [s["Resource"] for s in passes] == [["CloudFormationRole.Arn"]]
    assert passes[0]["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


def test_each_step_has_a_role_of_its_own() -> None:
    used = [PIPELINE[name]["Properties"]["ServiceRole"] for name in ("UnitTests", "Build")]
    used += [PIPELINE["Pipeline"]["Properties"]["RoleArn"], "CloudFormationRole.Arn"]

    assert len(set(used)) == len(used)


def test_the_parameters_of_the_stacks_are_parameters_of_the_template() -> None:
    known = parsed(ROOT / "template.yaml")["Parameters"]
    for _, action in ACTIONS:
        if overrides := action["Configuration"].get("ParameterOverrides"):
            given = json.loads(overrides)
            assert given.keys() <= known.keys()
            assert given["Tasks"] in known["Tasks"]["AllowedValues"]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_role_may_do_more_than_its_list(role: str) -> None:
    actions = actions_of(role)

    assert {action.split(":")[0] for action in actions} == MAY[role]
    assert not [action for action in actions if "*" in action]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_role_reaches_every_resource_without_a_written_reason(role: str) -> None:
    reasons = ROLES[role].get("Metadata", {}).get("EveryResource", {})
    everywhere = [s.get("Sid") for s in rights(ROLES[role]["Properties"]) if "*" in s["Resource"]]

    assert sorted(everywhere) == sorted(reasons)
    assert all(len(reason) > 10 for reason in reasons.values())


@pytest.mark.parametrize("role", ["product.LaunchRole", "pipeline.CloudFormationRole"])
def test_a_role_that_makes_roles_makes_no_users_keys_or_policies_and_passes_its_own_only(role: str) -> None:
    allowed = {action for action in actions_of(role) if action.startswith("iam:")}
    passes = [s for s in rights(ROLES[role]["Properties"]) if "iam:PassRole" in s["Action"]]
    own = {
        "product.LaunchRole": "role/rekognition-mlops/SC-*",
        "pipeline.CloudFormationRole": "role/rekognition-mlops/rekognition-mlops-*/*",
    }

    assert not [action for action in allowed if "Role" not in action]
    assert all(arn.endswith(own[role]) for s in passes for arn in s["Resource"])
    assert all(s["Condition"]["StringEquals"]["iam:PassedToService"] for s in passes)


def test_the_launch_role_attaches_no_policy_of_others() -> None:
    assert not {"iam:AttachRolePolicy", "iam:AttachUserPolicy"} & actions_of("product.LaunchRole")


@pytest.mark.parametrize("template", ["pipeline", "product"])
def test_roles_are_made_within_the_boundary_where_there_is_one(template: str) -> None:
    source = parsed(ROOT / "delivery" / f"{template}.yaml")
    role = "CloudFormationRole" if template == "pipeline" else "LaunchRole"
    statements = source["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (creates,) = [s for s in statements if "iam:CreateRole" in s["Action"]]

    assert creates["Condition"]["Fn::If"][:2] == [
        "HasBoundary",
        {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "PermissionsBoundary"}}},
    ]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_bucket_and_topic_is_encrypted_and_no_bucket_is_public(template: str) -> None:
    resources = delivery(template)
    for bucket in of_kind(resources, "AWS::S3::Bucket").values():
        rules = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rules[0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    for topic in of_kind(resources, "AWS::SNS::Topic").values():
        assert topic["KmsMasterKeyId"]


def test_a_workflow_takes_on_its_role_for_one_repository_and_its_environments_only() -> None:
    (statement,) = delivery("github")["DeliveryRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    asked = statement["Condition"]["StringEquals"]
    places = ("development", "staging", "production")

    assert asked["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert asked["token.actions.githubusercontent.com:sub"] == [f"repo:acme/parts:environment:{p}" for p in places]


def test_the_workflow_deploys_after_its_tests_and_one_environment_after_the_other() -> None:
    jobs = parsed(ROOT / ".github/workflows/deliver.yaml")["jobs"]

    assert [step["run"] for step in jobs["unit_tests"]["steps"] if "run" in step] == ["make test"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "unit_tests": None,
        "development": "unit_tests",
        "staging": "development",
        "production": "staging",
    }


def test_cloudformation_may_make_every_kind_of_resource_of_the_template() -> None:
    prefixes = {
        "AWS::S3": "s3:CreateBucket",
        "AWS::SQS": "sqs:CreateQueue",
        "AWS::DynamoDB": "dynamodb:CreateTable",
        "AWS::KMS": "kms:CreateKey",
        "AWS::SNS": "sns:CreateTopic",
        "AWS::Rekognition": "rekognition:CreateProject",
        "AWS::Lambda": "lambda:CreateFunction",
        "AWS::IAM": "iam:CreateRole",
        "AWS::Events": "events:PutRule",
        "AWS::Scheduler": "scheduler:CreateSchedule",
        "AWS::Logs": "logs:CreateLogGroup",
        "AWS::ApiGatewayV2": "apigateway:POST",
        "AWS::CloudWatch": "cloudwatch:PutMetricAlarm",
    }
    kinds = {"::".join(entry["Type"].split("::")[:2]) for entry in resources().values()} - {"Custom::RunningModels"}

    assert kinds == set(prefixes)
    assert {*prefixes.values(), "cloudwatch:PutDashboard"} <= actions_of("pipeline.CloudFormationRole")


def as_request(value: Any) -> Any:
    """Properties of CloudFormation as the service's own API spells them."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: as_request(entry) for key, entry in value.items()}
    return [as_request(entry) for entry in value] if isinstance(value, list) else value


def pipeline_request(role: str) -> dict[str, Any]:
    properties = PIPELINE["Pipeline"]["Properties"]
    stages = [
        {
            "name": stage["Name"],
            # Names of configuration values are the action's own.
            "actions": [
                {
                    **as_request({k: v for k, v in a.items() if k != "Configuration"}),
                    "configuration": a["Configuration"],
                }
                for a in stage["Actions"]
            ],
        }
        for stage in properties["Stages"]
    ]
    plain = as_request({name: properties[name] for name in ("PipelineType", "ExecutionMode", "ArtifactStore")})
    return {"name": "parts", "roleArn": role, "version": 1, "stages": stages, **plain}


def project_request(name: str) -> dict[str, Any]:
    properties = as_request(PIPELINE[name]["Properties"])
    environment = {"environmentVariables": [], **properties["environment"]}
    return {
        "name": name,
        "source": {"type": properties["source"]["type"], "buildspec": properties["source"]["buildSpec"]},
        "artifacts": properties["artifacts"],
        "environment": environment,
        "serviceRole": f"arn:aws:iam::123456789012:role/{name}",
        "timeoutInMinutes": properties["timeoutInMinutes"],
        "logsConfig": properties["logsConfig"],
    }


def faults(service: str, operation: str, request: dict[str, Any]) -> str:
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    return str(ParamValidator().validate(request, shape).generate_report())


def test_pipeline_and_projects_are_requests_that_their_services_understand() -> None:
    assert not faults("codepipeline", "CreatePipeline", {"pipeline": pipeline_request("arn:aws:iam::1:role/r")})
    for name in ("UnitTests", "Build"):
        assert not faults("codebuild", "CreateProject", project_request(name))


@mock_aws
def test_an_emulator_makes_the_pipeline_its_projects_the_portfolio_and_the_product() -> None:
    trust = json.dumps(PIPELINE["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"])
    role = boto3.client("iam").create_role(RoleName="pipeline", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    codepipeline, codebuild = boto3.client("codepipeline"), boto3.client("codebuild")
    codepipeline.create_pipeline(pipeline=pipeline_request(role))
    for name in ("UnitTests", "Build"):
        request = project_request(name)
        # This emulator wants locations even where the pipeline brings the source and takes the artifacts.
        places = {part: {**request[part], "location": "pipeline"} for part in ("source", "artifacts")}
        codebuild.create_project(**request | places)
    catalog, product = boto3.client("servicecatalog"), delivery("product")
    portfolio = catalog.create_portfolio(**product["Portfolio"]["Properties"], IdempotencyToken="1")["PortfolioDetail"]
    offered = {**product["Product"]["Properties"], "ProductType": "CLOUD_FORMATION_TEMPLATE", "IdempotencyToken": "2"}
    (first,) = offered.pop("ProvisioningArtifactParameters")
    made = catalog.create_product(**offered, ProvisioningArtifactParameters=first)

    stages = [stage["name"] for stage in codepipeline.get_pipeline(name="parts")["pipeline"]["stages"]]
    assert stages == ["Source", "UnitTests", "Build", "Development", "Staging", "Production"]
    assert sorted(codebuild.list_projects()["projects"]) == ["Build", "UnitTests"]
    assert portfolio["DisplayName"] == "Inspection with cameras"
    assert made["ProductViewDetail"]["ProductViewSummary"]["Name"] == "rekognition-mlops pipeline"


def test_the_rules_of_a_launch_are_json_that_names_parameters_of_the_product() -> None:
    rules = json.loads(delivery("product")["LaunchSensibly"]["Properties"]["Rules"])
    named = {part["Ref"] for part in _parts(rules) if "Ref" in part}

    assert named <= parsed(ROOT / "delivery/pipeline.yaml")["Parameters"].keys()


def _parts(value: Any) -> list[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else as_list(value) if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) else []
    return own + [part for entry in inner for part in _parts(entry)]


# These know no resource, and were once granted with one: test_rights.py holds how, this that they are granted at all.
WITHOUT_RESOURCE = {
    *("lambda:CreateEventSourceMapping", "lambda:ListEventSourceMappings", "rekognition:CreateProject"),
    *("rekognition:DescribeProjects", "logs:DescribeIndexPolicies", "logs:DescribeLogGroups"),
}


def test_the_actions_that_know_no_resource_are_granted() -> None:
    granted = actions_of("pipeline.CloudFormationRole") | actions_of("product.LaunchRole")

    assert granted >= WITHOUT_RESOURCE


# Whether their services tell the account when they take on a role is documented nowhere.
@pytest.mark.parametrize("role", sorted(role for role in ROLES if role.startswith(("pipeline.", "product."))))
def test_services_that_may_not_tell_the_account_can_take_on_their_role(role: str) -> None:
    (statement,) = ROLES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Condition"] == {"StringEqualsIfExists": {"aws:SourceAccount": "111122223333"}}
