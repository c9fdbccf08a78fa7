"""`AWS::Rekognition::Project` for CloudFormation."""

from typing import Any


class RekognitionProjects:
    """The resource handler: as on AWS, `Ref` is the project's name and `Arn` its attribute."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = properties["ProjectName"]
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        created = self._client().create_project(ProjectName=name, **({"Tags": tags} if tags else {}))
        return name, {"Arn": created["ProjectArn"]}

    def update(
        self, name: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        if new["ProjectName"] == name:  # what else may change, the tags, nothing here reads
            return name, {"Arn": str(self._arn(name))}
        replacement = self.create("", new, stack_name)
        self.delete(name, old)
        return replacement

    def delete(self, name: str, properties: dict[str, Any]) -> None:
        if arn := self._arn(name):
            self._client().delete_project(ProjectArn=arn)

    def _client(self) -> Any:
        """A client of the account and region that the stack is in."""
        import boto3
        from ministack.core.responses import get_account_id, get_region

        connect: Any = boto3.client
        keys = {"aws_access_key_id": get_account_id(), "aws_secret_access_key": "test"}
        return connect("rekognition", endpoint_url=self._endpoint, region_name=get_region(), **keys)

    def _arn(self, name: str) -> str | None:
        found = self._client().describe_projects(ProjectNames=[name])["ProjectDescriptions"]
        return found[0]["ProjectArn"] if found else None
