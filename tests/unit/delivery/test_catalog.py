"""Publishing versions of the product: what is done in which account, and what is refused."""

import boto3
import pytest
from botocore.session import get_session
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from click.testing import CliRunner
from moto import mock_aws

from delivery import catalog
from delivery.catalog import PIPELINE, CatalogRefused, Place, Published, Step, carry_out, look, steps

PLACE = Place("111122223333", "eu-west-1")
PARAMETERS = {"SupportEmail": "help@example.com", "LauncherArn": "", "PermissionsBoundary": ""}
TEMPLATE = PIPELINE.read_bytes()
RUNNING = {"has_bucket": True, "has_stack": True, "product_id": "prod-1"}


def planned(version: str, known: Published) -> list[Step]:
    return list(steps(version, PLACE, known, PARAMETERS))


def operations(planned: list[Step]) -> list[str]:
    return [step.operation for step in planned]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_the_name_of_the_bucket_fits_in_every_region(partition: str) -> None:
    regions = get_session().get_available_regions("s3", partition)

    assert regions
    # S3 takes 63 characters.
    assert [region for region in regions if len(Place("111122223333", region).bucket) > 63] == []


def test_the_first_version_makes_bucket_template_and_stack() -> None:
    first = planned("1.0.0", Published())

    assert operations(first) == ["create_bucket", "put_bucket_versioning", "put_object", "create_stack"]
    given = {p["ParameterKey"]: p.get("ParameterValue") for p in first[-1].parameters["Parameters"]}
    assert given["TemplateUrl"] == f"https://{PLACE.bucket}.s3.eu-west-1.amazonaws.com/pipeline/1.0.0.yaml"
    assert given["Version"] == "1.0.0"


def test_a_later_version_is_added_and_those_before_are_deprecated_not_deleted() -> None:
    later = planned("1.1.0", Published(**RUNNING, versions={"1.0.0": "pa-1"}))

    assert operations(later) == [
        "put_object",
        "update_stack",
        "create_provisioning_artifact",
        "update_provisioning_artifact",
    ]
    assert later[2].parameters["Parameters"]["Name"] == "1.1.0"
    assert later[3].parameters == {
        "ProductId": "prod-1",
        "ProvisioningArtifactId": "pa-1",
        "Guidance": "DEPRECATED",
    }


def test_an_update_keeps_the_version_that_the_portfolio_began_with() -> None:
    (update,) = [
        s for s in planned("1.1.0", Published(**RUNNING, versions={"1.0.0": "pa-1"})) if "stack" in s.operation
    ]
    kept = [p["ParameterKey"] for p in update.parameters["Parameters"] if p.get("UsePreviousValue")]

    assert kept == ["Version", "TemplateUrl"]


def test_what_is_published_already_is_not_published_again() -> None:
    again = planned("1.0.0", Published(**RUNNING, template=TEMPLATE, versions={"1.0.0": "pa-1"}))

    assert operations(again) == ["update_stack"]


def test_a_version_never_changes() -> None:
    with pytest.raises(CatalogRefused, match="Raise the version"):
        planned("1.0.0", Published(**RUNNING, template=b"another", versions={"1.0.0": "pa-1"}))


def test_a_step_back_is_refused_by_number_not_by_spelling() -> None:
    with pytest.raises(CatalogRefused, match=r"1\.10\.0 is published already"):
        planned("1.9.0", Published(**RUNNING, versions={"1.9.9": "pa-1", "1.10.0": "pa-2"}))


@pytest.mark.parametrize("known", [Published(), Published(**RUNNING, versions={"1.0.0": "pa-1"})])
def test_every_step_is_a_request_that_its_service_understands(known: Published) -> None:
    for step in planned("1.1.0", known):
        model = get_session().get_service_model(step.service)
        name = "".join(word.capitalize() for word in step.operation.split("_"))
        report = ParamValidator().validate(dict(step.parameters), model.operation_model(name).input_shape)
        assert not report.has_errors(), report.generate_report()


@mock_aws
def test_what_an_account_has_is_found() -> None:
    s3, cloudformation, servicecatalog = map(boto3.client, ("s3", "cloudformation", "servicecatalog"))  # type: ignore[call-overload]
    clients = {"s3": s3, "cloudformation": cloudformation, "servicecatalog": servicecatalog}.__getitem__
    stack = {"StackName": catalog.STACK, "CreationTime": "2026-01-01T00:00:00", "StackStatus": "CREATE_COMPLETE"}
    outputs = [{"OutputKey": "ProductId", "OutputValue": "prod-1"}]
    with Stubber(cloudformation) as stacks, Stubber(servicecatalog) as versions:
        stacks.add_client_error("describe_stacks", "ValidationError")
        assert look("1.0.0", PLACE, clients) == Published()

        s3.create_bucket(Bucket=PLACE.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket=PLACE.bucket, Key="pipeline/1.0.0.yaml", Body=b"template")
        stacks.add_response("describe_stacks", {"Stacks": [{**stack, "Outputs": outputs}]})
        listed = {"ProvisioningArtifactDetails": [{"Name": "1.0.0", "Id": "pa-1"}]}
        versions.add_response("list_provisioning_artifacts", listed, {"ProductId": "prod-1"})
        assert look("1.0.0", PLACE, clients) == Published(True, b"template", True, "prod-1", {"1.0.0": "pa-1"})


def test_without_credentials_everything_is_said_and_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boto3.Session.get_credentials", lambda self: None)
    result = CliRunner().invoke(catalog.main, ["--support-email", "help@example.com"])

    assert result.exit_code == 0
    assert "cloudformation create_stack" in result.stdout
    assert "would be published so" in result.stdout


def test_the_version_of_the_project_is_semantic() -> None:
    assert catalog.project_version().count(".") == 2


@mock_aws
def test_steps_are_carried_out_and_a_stack_that_is_as_it_should_be_is_no_fault() -> None:
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    clients = {"s3": s3, "cloudformation": cloudformation}.__getitem__
    first = planned("1.0.0", Published())
    for step in first[:3]:
        carry_out(step, clients)
    with Stubber(cloudformation) as stacks:
        stacks.add_client_error("update_stack", "ValidationError", "No updates are to be performed.")
        carry_out(planned("1.0.0", Published(**RUNNING, template=TEMPLATE, versions={"1.0.0": "pa-1"}))[0], clients)

    assert s3.get_object(Bucket=PLACE.bucket, Key=PLACE.key("1.0.0"))["Body"].read() == TEMPLATE
    assert s3.get_bucket_versioning(Bucket=PLACE.bucket)["Status"] == "Enabled"
