"""What the product relies on in the local cloud, tried with a small application deployed by the real sam."""

import base64
import json
import platform
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from botocore.exceptions import ClientError

from local.cloud import LocalCloud

T = TypeVar("T")
PROBE = Path(__file__).with_name("cloud_probe") / "template.yaml"
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Probe:
    cloud: LocalCloud
    outputs: dict[str, str]

    def items(self, pk: str) -> list[dict[str, Any]]:
        table = self.cloud.client("dynamodb")
        answer = table.query(
            TableName=self.outputs["TableName"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )
        return [{name: value["S"] for name, value in item.items()} for item in answer["Items"]]

    def receipts(self, body: str) -> list[dict[str, Any]]:
        return [item for item in self.items("MESSAGE") if item["body"] == body]

    def send(self, body: str, **options: Any) -> None:
        self.cloud.client("sqs").send_message(QueueUrl=self.outputs["UploadsUrl"], MessageBody=body, **options)

    def message_in(self, queue: str) -> str:
        sqs, url = self.cloud.client("sqs"), self.outputs[queue]
        found = eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages"))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
        return str(found[0]["Body"])

    @property
    def page(self) -> str:
        url = urllib.parse.urlsplit(self.outputs["PageUrl"])
        return f"{self.cloud.endpoint}/_aws/execute-api/{url.netloc.split('.')[0]}{url.path}"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    with LocalCloud(tmp_path_factory.mktemp("cloud") / "state", template=PROBE, custom_labels=None) as cloud:
        cloud.sam_build()
        yield Probe(cloud, cloud.deploy("probe", {"Greeting": "hello, with spaces"}))


def eventually(find: Callable[[], T]) -> T:
    """The first true answer; polls because the cloud acts on its own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := find()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.05)
    return found


def test_function_sees_its_parameters_and_a_layer_built_for_this_machine(probe: Probe) -> None:
    probe.send("parameters")

    receipt = eventually(lambda: probe.receipts("parameters"))[0]

    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    assert receipt["greeting"] == "hello, with spaces"
    assert receipt["built_for"] == f"python{sys.version_info.major}.{sys.version_info.minor} {architecture}"


def test_upload_reaches_the_queue_function_through_a_rule_with_its_key_unchanged(probe: Probe) -> None:
    key = "uploads/Grösse 1+1 & %41.png"

    probe.cloud.client("s3").put_object(Bucket=probe.outputs["DataBucketName"], Key=key, Body=b"x")

    bodies = eventually(lambda: [item["body"] for item in probe.items("MESSAGE") if "Object Created" in item["body"]])
    assert json.loads(bodies[0])["detail"]["object"]["key"] == key
    version = probe.cloud.client("s3").head_object(Bucket=probe.outputs["DataBucketName"], Key=key).get("VersionId")
    assert json.loads(bodies[0])["detail"]["object"].get("version-id") == version


def test_delayed_message_arrives_only_after_its_delay(probe: Probe) -> None:
    started = time.monotonic()
    probe.send("delayed", DelaySeconds=3)

    eventually(lambda: probe.receipts("delayed"))

    assert time.monotonic() - started > 2.5


def test_only_the_reported_message_of_a_batch_is_tried_again_and_ends_in_the_dead_letter_queue(probe: Probe) -> None:
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(("fail", "first good", "second good"))]
    probe.cloud.client("sqs").send_message_batch(QueueUrl=probe.outputs["UploadsUrl"], Entries=entries)

    assert probe.message_in("DeadLettersUrl") == "fail"
    assert len(probe.receipts("fail")) == 2
    assert len(probe.receipts("first good")) == len(probe.receipts("second good")) == 1


def test_event_whose_function_raises_is_tried_three_times_and_ends_in_its_failure_queue(probe: Probe) -> None:
    entry = {"Source": "probe", "DetailType": "Break", "Detail": json.dumps({"n": 1})}
    event_id = probe.cloud.client("events").put_events(Entries=[entry])["Entries"][0]["EventId"]

    failure = json.loads(probe.message_in("FailuresUrl"))

    assert failure["requestPayload"]["detail"] == {"n": 1}
    attempts = [item for item in probe.items("ATTEMPT") if item["sk"].startswith(event_id)]
    assert len(attempts) == 3
    # By this a function knows that an earlier attempt is dead.
    assert len({item["request"] for item in attempts}) == 1


def test_role_policies_are_enforced(probe: Probe) -> None:
    answer = probe.cloud.client("lambda").invoke(FunctionName=probe.outputs["ForbiddenName"], Payload=b"{}")

    assert "AccessDenied" in answer["Payload"].read().decode()
    assert probe.items("FORBIDDEN") == []


def test_page_receives_query_headers_and_source_address(probe: Probe) -> None:
    answer = httpx.get(probe.page, params={"token": "a b+c/=", "x": "1"}, headers={"x-own": "2"}, trust_env=False)

    event = answer.json()
    assert answer.headers["x-probe"] == "yes"
    assert event["queryStringParameters"] == {"token": "a b+c/=", "x": "1"}
    assert event["headers"]["x-own"] == "2"
    assert event["requestContext"]["http"] | {"userAgent": ""} == {
        "method": "GET",
        "path": "/page",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "",
    }


def test_page_receives_a_posted_form_in_base64_as_on_aws(probe: Probe) -> None:
    event = httpx.post(probe.page, data={"name": "Zoë & Co", "empty": ""}, trust_env=False).json()

    assert event["isBase64Encoded"] is True
    form = base64.b64decode(event["body"]).decode()
    assert urllib.parse.parse_qs(form, keep_blank_values=True) == {"name": ["Zoë & Co"], "empty": [""]}


def test_page_answers_head_without_a_body(probe: Probe) -> None:
    answer = httpx.head(probe.page, trust_env=False)

    assert answer.status_code == 200
    assert answer.content == b""


def test_page_refuses_a_method_without_route(probe: Probe) -> None:
    assert httpx.delete(probe.page, trust_env=False).status_code == 404


def test_mail_to_a_subscriber_lands_in_the_outbox_with_links_to_this_machine(probe: Probe) -> None:
    message = f"Please decide:\n{probe.outputs['PageUrl']}?token=abc\n"
    probe.cloud.client("sns").publish(TopicArn=probe.outputs["TopicArn"], Subject="A decision", Message=message)

    mail = eventually(probe.cloud.mails)[0]

    assert (mail.to, mail.subject, mail.message) == ("inspector@example.com", "A decision", message)
    assert mail.text == f"Please decide:\n{probe.page}?token=abc\n"
    assert httpx.get(mail.text.splitlines()[1], trust_env=False).json()["queryStringParameters"] == {"token": "abc"}


def test_object_is_written_only_once_with_if_none_match(probe: Probe) -> None:
    s3, where = probe.cloud.client("s3"), {"Bucket": probe.outputs["DataBucketName"], "Key": "once"}
    s3.put_object(**where, Body=b"first", IfNoneMatch="*")

    with pytest.raises(ClientError) as refused:
        s3.put_object(**where, Body=b"second", IfNoneMatch="*")

    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    assert s3.get_object(**where)["Body"].read() == b"first"


def test_conditional_and_transactional_writes_change_all_or_nothing(probe: Probe) -> None:
    dynamodb, table = probe.cloud.client("dynamodb"), probe.outputs["TableName"]
    new = {"TableName": table, "ConditionExpression": "attribute_not_exists(pk)"}
    dynamodb.put_item(**new, Item={"pk": {"S": "ONCE"}, "sk": {"S": "1"}})

    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(**new, Item={"pk": {"S": "ONCE"}, "sk": {"S": "1"}})
    puts = [{"Put": {**new, "Item": {"pk": {"S": "ONCE"}, "sk": {"S": sk}}}} for sk in ("2", "1")]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as refused:
        dynamodb.transact_write_items(TransactItems=puts)

    assert [reason["Code"] for reason in refused.value.response["CancellationReasons"]] == [
        "None",
        "ConditionalCheckFailed",
    ]
    assert [item["sk"] for item in probe.items("ONCE")] == ["1"]


def test_report_line_tells_the_memory_of_the_function_itself(probe: Probe) -> None:
    probe.send("memory")
    eventually(lambda: probe.receipts("memory"))

    group = f"/aws/lambda/{probe.outputs['ConsumerName']}"
    logs = probe.cloud.client("logs")
    lines = eventually(lambda: logs.filter_log_events(logGroupName=group, filterPattern="REPORT")["events"])
    used = [int(line["message"].split("Max Memory Used: ")[1].split()[0]) for line in lines]
    assert all(20 < megabytes < 150 for megabytes in used)


def test_burst_of_events_is_worked_off_by_few_workers_that_share_one_unpacked_layer(probe: Probe) -> None:
    sent = {f"burst {n}" for n in range(40)}
    for body in sent:
        probe.send(body)

    def receipts() -> list[dict[str, Any]]:
        return [item for item in probe.items("MESSAGE") if item["body"] in sent]

    # A batch that outlasts the queue's visibility timeout is delivered again, so a body may have two receipts.
    eventually(lambda: {item["body"] for item in receipts()} == sent)
    assert len({Path(item["package"]).resolve() for item in receipts()}) == 1


def test_event_for_a_deleted_function_ends_in_the_dead_letter_queue_of_its_rule(probe: Probe) -> None:
    probe.cloud.client("lambda").delete_function(FunctionName=probe.outputs["BrokenName"])
    entry = {"Source": "probe", "DetailType": "Break", "Detail": json.dumps({"n": 2})}
    probe.cloud.client("events").put_events(Entries=[entry])

    assert json.loads(probe.message_in("RuleDeadLettersUrl"))["detail"] == {"n": 2}
