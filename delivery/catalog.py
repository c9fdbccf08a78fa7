"""`make catalog`: publish the pipeline as a Service Catalog product, or say exactly what that would do.

A version is published once and never changed: the same version with another template is refused. Older versions stay,
for those who run them, but nobody is offered them any more: their guidance becomes DEPRECATED.
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

HERE = Path(__file__).parent
PIPELINE, PRODUCT = HERE / "pipeline.yaml", HERE / "product.yaml"
STACK = "rekognition-mlops-catalog"
Clients = Callable[[str], Any]


class CatalogRefused(RuntimeError):  # noqa: N818
    """What was asked for cannot be published; the message says why."""


@dataclass(frozen=True)
class Step:
    """One call to AWS."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        shown = {name: _shortened(value) for name, value in self.parameters.items()}
        return f"{self.service} {self.operation}\n{json.dumps(shown, indent=2, default=str)}"


@dataclass(frozen=True)
class Place:
    """Where it is published."""

    account: str
    region: str

    @property
    def bucket(self) -> str:
        return f"{STACK}-{self.account}-{self.region}"

    def key(self, version: str) -> str:
        return f"pipeline/{version}.yaml"

    def url(self, version: str) -> str:
        return f"https://{self.bucket}.s3.{self.region}.amazonaws.com/{self.key(version)}"


@dataclass(frozen=True)
class Published:
    """What there is already: the template of this version, whether the stack exists, the product and its versions."""

    has_bucket: bool = False
    template: bytes | None = None
    has_stack: bool = False
    product_id: str = "<ProductId, an output of the stack>"
    versions: Mapping[str, str] | None = None  # ids by name

    @property
    def others(self) -> Mapping[str, str]:
        return self.versions or {}


def project_version() -> str:
    """The version in pyproject.toml. Raises CatalogRefused when it is not semantic."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = str(project["version"])
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise CatalogRefused(f"pyproject.toml: version is {version!r}; it must look like 1.0.0")
    return version


def steps(version: str, place: Place, known: Published, parameters: Mapping[str, str]) -> Iterator[Step]:
    """Everything that has to be done to publish a version, in order. Raises CatalogRefused."""
    template = PIPELINE.read_bytes()
    if known.template not in (None, template):
        raise CatalogRefused(
            f"Version {version} was published with another template. Raise the version in pyproject.toml."
        )
    if newer := [name for name in known.others if _order(name) > _order(version)]:
        raise CatalogRefused(f"Version {max(newer, key=_order)} is published already; {version} would be a step back.")
    bucket = {"Bucket": place.bucket}
    if not known.has_bucket:
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
        yield Step("s3", "create_bucket", {**bucket, **(elsewhere if place.region != "us-east-1" else {})})
        yield Step("s3", "put_bucket_versioning", {**bucket, "VersioningConfiguration": {"Status": "Enabled"}})
    if known.template is None:
        content = {"Body": template, "ContentType": "application/yaml"}
        yield Step("s3", "put_object", {**bucket, "Key": place.key(version), **content})
    yield _stack_step(version, place, known, parameters)
    if known.has_stack and version not in known.others:
        yield Step("servicecatalog", "create_provisioning_artifact", _artifact(version, place, known))
    for name, identity in known.others.items():
        if name != version:
            old = {"ProductId": known.product_id, "ProvisioningArtifactId": identity, "Guidance": "DEPRECATED"}
            yield Step("servicecatalog", "update_provisioning_artifact", old)


def _stack_step(version: str, place: Place, known: Published, parameters: Mapping[str, str]) -> Step:
    # An update leaves the version that the portfolio began with as it is: CloudFormation would replace it.
    first = {"Version": version, "TemplateUrl": place.url(version)}
    values = {**parameters, "TemplateBucket": place.bucket, **({} if known.has_stack else first)}
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in first] if known.has_stack else []
    body = {"StackName": STACK, "TemplateBody": PRODUCT.read_text(encoding="utf-8"), "Parameters": given + kept}
    operation = "update_stack" if known.has_stack else "create_stack"
    return Step("cloudformation", operation, {**body, "Capabilities": ["CAPABILITY_IAM"]})


def _artifact(version: str, place: Place, known: Published) -> dict[str, Any]:
    info = {"LoadTemplateFromURL": place.url(version)}
    what = {"Name": version, "Description": f"Version {version}", "Info": info, "Type": "CLOUD_FORMATION_TEMPLATE"}
    return {"ProductId": known.product_id, "Parameters": what, "IdempotencyToken": f"version-{version}"}


def look(version: str, place: Place, clients: Clients) -> Published:
    """Ask the account what there is."""
    stack = _found(lambda: clients("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0], "ValidationError")
    has_bucket = _found(lambda: clients("s3").head_bucket(Bucket=place.bucket), "404") is not None
    template = None
    if has_bucket:
        request = {"Bucket": place.bucket, "Key": place.key(version)}
        template = _found(lambda: _read(clients("s3"), request), "NoSuchKey")
    if not stack:
        return Published(has_bucket, template)
    product = next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "ProductId")
    listed = clients("servicecatalog").list_provisioning_artifacts(ProductId=product)["ProvisioningArtifactDetails"]
    return Published(has_bucket, template, True, product, {entry["Name"]: entry["Id"] for entry in listed})


def _read(s3: Any, request: Mapping[str, str]) -> bytes:
    return bytes(s3.get_object(**request)["Body"].read())


def _found(ask: Callable[[], Any], absent: str) -> Any:
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] != absent:
            raise
        return None


def carry_out(step: Step, clients: Clients) -> None:
    """Do a step; a stack that is as it should be is no fault, and one that is being made is waited for."""
    try:
        getattr(clients(step.service), step.operation)(**step.parameters)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
        return
    if step.service == "cloudformation":
        waiter = {"create_stack": "stack_create_complete", "update_stack": "stack_update_complete"}[step.operation]
        clients(step.service).get_waiter(waiter).wait(StackName=STACK)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _shortened(value: Any) -> Any:
    text = value.decode() if isinstance(value, bytes) else value
    return f"{text.splitlines()[0]} ... ({len(text)} characters)" if isinstance(text, str) and "\n" in text else text


@click.command()
@click.option("--support-email", required=True, help="where users of the product ask for help")
@click.option("--launcher", default="", help="ARN of the role, user or group that may launch it")
@click.option("--permissions-boundary", default="", help="ARN of the policy that must bound every role")
@click.option("--publish", is_flag=True, help="do it; without, say exactly what would be done")
@click.option("--profile", help="profile of the AWS configuration")
@click.option("--region", help="AWS Region")
def main(
    support_email: str, launcher: str, permissions_boundary: str, publish: bool, profile: str | None, region: str | None
) -> None:
    """Publish the pipeline as a Service Catalog product."""
    session = boto3.Session(profile_name=profile, region_name=region)
    parameters = {
        "SupportEmail": support_email,
        "LauncherArn": launcher,
        "PermissionsBoundary": permissions_boundary,
    }
    try:
        version, connect = project_version(), cast(Clients, session.client)
        place, known = _survey(version, session)
        for step in steps(version, place, known, parameters):
            click.echo(str(step))
            if publish:
                carry_out(step, connect)
    except (CatalogRefused, ClientError, BotoCoreError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Version {version} {'is published' if publish else 'would be published so; --publish does it'}.")


def _survey(version: str, session: Any) -> tuple[Place, Published]:
    """The account and what is in it. Without credentials: one that has nothing yet."""
    region = session.region_name or "us-east-1"
    if session.get_credentials() is None:
        click.echo("No credentials: this is what would be done in an account that has nothing of it yet.", err=True)
        return Place("<account>", region), Published()
    place = Place(session.client("sts").get_caller_identity()["Account"], region)
    return place, look(version, place, session.client)


if __name__ == "__main__":
    sys.exit(main(prog_name="make catalog"))
