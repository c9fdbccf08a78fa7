"""The functions of the probe application."""

import json
import os
import time
from typing import Any

import boto3

Event = dict[str, Any]


def note(pk: str, sk: str, **facts: str) -> None:
    boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item={"pk": pk, "sk": sk, **facts})


def consume(event: Event, context: Any) -> Event:
    import build_facts

    failed = []
    for record in event["Records"]:
        count = record["attributes"]["ApproximateReceiveCount"]
        note(
            "MESSAGE",
            f"{record['messageId']}#{count}",
            body=record["body"],
            greeting=os.environ["GREETING"],
            built_for=f"{build_facts.RUNTIME} {build_facts.ARCHITECTURE}",
            package=build_facts.__file__,
            batch=str(len(event["Records"])),
        )
        if record["body"] == "fail":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def fail(event: Event, context: Any) -> None:
    note("ATTEMPT", f"{event['id']}#{time.time_ns()}", request=context.aws_request_id)
    raise ValueError("always")


def write(event: Event, context: Any) -> None:
    note("FORBIDDEN", "1")


def page(event: Event, context: Any) -> Event:
    body = json.dumps(event, indent=1)
    return {"statusCode": 200, "headers": {"content-type": "application/json", "x-probe": "yes"}, "body": body}
