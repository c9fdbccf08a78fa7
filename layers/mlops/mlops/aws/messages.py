"""What leaves the stack: events, messages to its own queues, mails."""

import json
from collections.abc import Sequence

from mlops import stack, words
from mlops.aws import clients
from mlops.codec import plain
from mlops.events import Event


def put_event(event: Event) -> None:
    """Put an event of this stack on the default bus. PutEvents reports refusals in its answer: RuntimeError."""
    # PutEvents answers 200 also when it refused an entry.
    answer = clients.client("events").put_events(Entries=[event.as_entry(stack.here().arn)])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge refused {event.detail_type!r}: {answer['Entries'][0].get('ErrorMessage')}")


def send_message(queue_url: str, body: object, delay_seconds: int = 0) -> None:
    """Send a message that arrives after so many seconds, 900 at most as SQS allows."""
    clients.client("sqs").send_message(
        QueueUrl=queue_url, MessageBody=_text_of(body), DelaySeconds=min(delay_seconds, 900)
    )


def send_messages(queue_url: str, bodies: Sequence[object]) -> None:
    """Send many messages, in their order as far as SQS keeps it. Raises RuntimeError when some were not taken."""
    # SQS takes ten in a batch.
    for start in range(0, len(bodies), 10):
        entries = [
            {"Id": str(number), "MessageBody": _text_of(body)} for number, body in enumerate(bodies[start : start + 10])
        ]
        answer = clients.client("sqs").send_message_batch(QueueUrl=queue_url, Entries=entries)
        if failed := answer.get("Failed"):
            raise RuntimeError(f"SQS did not take {len(failed)} messages: {failed[0].get('Message')}")


def _text_of(body: object) -> str:
    return json.dumps(plain(body), sort_keys=True)


def subscribers() -> int:
    """How many addresses have confirmed their subscription to the mails."""
    pages = clients.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack.here().topic)
    found = [entry["SubscriptionArn"] for page in pages for entry in page["Subscriptions"]]
    # Who has not confirmed has the word PendingConfirmation there.
    return sum(arn.startswith("arn:") for arn in found)


def send_mail(subject: str, text: str) -> None:
    """Publish to the topic. Subjects are ASCII, below 100 characters and on one line, as SNS demands.

    One that is not comes whole at the head of the text.
    """
    line = " ".join(subject.split())
    plain = words.subject(line.encode("ascii", "replace").decode())
    clients.client("sns").publish(
        TopicArn=stack.here().topic, Subject=plain, Message=text if plain == line else f"{line}\n\n{text}"
    )
