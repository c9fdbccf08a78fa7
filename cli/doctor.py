"""What could be wrong with a stack, looked at from outside: one line for each thing, with what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.stack import Stack
from mlops.dataset import limits
from mlops.records import kept_models, leases

# "Guidelines and quotas": Regions with Custom Labels.
REGIONS = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1", "ap-south-1"),
        *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2"),
    }
)
# S3 User Guide, "Enabling Amazon EventBridge": notifications of a new bucket begin after about five minutes.
_YOUNG = timedelta(minutes=6)
# From this share of its quota on, a project is nearly full.
_NEARLY_FULL = 0.8
_HEALTHY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `advice` says what to do when it is not good."""

    name: str
    is_good: bool
    text: str
    advice: str = ""


def examine(stack: Stack, region: str) -> Iterator[Finding]:
    """Check one thing after the other; what cannot be looked at is a finding, too."""
    checks: dict[str, Callable[[], Finding]] = {
        "region": lambda: _region(region),
        "stack": lambda: _stack(stack),
        "e-mail": lambda: _subscription(stack),
        "Custom Labels": lambda: _projects(stack),
        "running models": lambda: _slots(stack),
        "models": lambda: _models(stack),
        "buckets": lambda: _buckets(stack),
        "leases": lambda: _leases(stack),
        "dead letters": lambda: _dead_letters(stack),
        "alarms": lambda: _alarms(stack),
    }
    for name, check in checks.items():
        try:
            yield check()
        except (ClientError, BotoCoreError) as error:
            yield Finding(
                name, False, f"cannot be looked at: {error}", "Check the credentials, their rights and --stack."
            )


def _region(region: str) -> Finding:
    if region in REGIONS:
        most = limits.most_images(region)
        taken = f"at most {most['train']} images to train and {most['test']} to test a model"
        return Finding("region", True, f"{region} has Custom Labels: {taken}")
    return Finding("region", False, f"{region} has no Custom Labels", f"Deploy to one of: {', '.join(sorted(REGIONS))}")


def _stack(stack: Stack) -> Finding:
    status = stack.status
    advice = "Read its events: aws cloudformation describe-stack-events --stack-name " + stack.name
    return Finding("stack", status in _HEALTHY, f"{stack.name} is {status}", advice)


def _subscription(stack: Stack) -> Finding:
    pages = (
        stack.clients("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack.outputs["TopicArn"])
    )
    found = [subscription for page in pages for subscription in page["Subscriptions"]]
    pending = [s["Endpoint"] for s in found if s["SubscriptionArn"] == "PendingConfirmation"]
    if not found:
        return Finding("e-mail", False, "nobody is subscribed", "Deploy again with NotificationEmail=<your address>.")
    if pending:
        advice = "Open the mail from AWS Notifications and confirm; it may be in the spam folder."
        return Finding("e-mail", False, f"not confirmed yet: {', '.join(pending)}", advice)
    open_to_all = [s["Endpoint"] for s in found if not _is_safe(stack, s["SubscriptionArn"])]
    text = f"confirmed: {', '.join(s['Endpoint'] for s in found)}"
    if open_to_all:
        text += (
            f"; whoever opens the last link of a mail ends the subscription of {', '.join(open_to_all)}. "
            "To prevent that, subscribe anew and confirm with: "
            "aws sns confirm-subscription --authenticate-on-unsubscribe true"
        )
    return Finding("e-mail", True, text)


def _is_safe(stack: Stack, subscription: str) -> bool:
    """Whether only the account may end a subscription."""
    answer = stack.clients("sns").get_subscription_attributes(SubscriptionArn=subscription)
    return bool(answer["Attributes"].get("ConfirmationWasAuthenticated") == "true")


def _projects(stack: Stack) -> Finding:
    names, found = stack.project_names, stack.projects()
    missing = set(names) - {project.split("/")[1] for project in found}
    text = f"{len(found)} of {len(names)} projects" + (f"; missing: {', '.join(sorted(missing))}" if missing else "")
    return Finding("Custom Labels", not missing, text, "Deploy the stack again: it makes its projects.")


def _slots(stack: Stack) -> Finding:
    running, most = list(stack.running()), int(stack.parameters["RunningModels"])
    text = f"{len(running)} of {most} slots in use"
    names = ", ".join(arn.split("/")[3] for arn in running)
    advice = f"A run that needs one waits. Running: {names}. Ask AWS for a higher quota, or stop what is not needed."
    return Finding("running models", len(running) < most, text, advice)


def _models(stack: Stack) -> Finding:
    most = int(stack.parameters["ProjectModels"])
    counts = {project.split("/")[1]: len(list(stack.versions(project))) for project in stack.projects()}
    fullest = max(counts, key=lambda name: counts[name], default="")
    nearly = [name for name, count in counts.items() if count >= _NEARLY_FULL * most]
    text = f"{counts[fullest]} of {most} in {fullest}" if fullest else "no project"
    advice = (
        "A training or copy into a full project fails. Those that were never released go in time (KeepModels). Delete "
        "released ones that nobody will go back to: aws rekognition delete-project-version. Nearly full: "
        f"{', '.join(nearly)}."
    )
    return Finding("models", not nearly, text, advice)


def _buckets(stack: Stack) -> Finding:
    name = stack.outputs["DataBucketName"]
    pages = stack.clients("s3").get_paginator("list_buckets").paginate()
    made = next((b["CreationDate"] for page in pages for b in page["Buckets"] if b["Name"] == name), None)
    if made is None:
        return Finding("buckets", False, f"{name} is missing", "Deploy the stack again.")
    age = datetime.now(UTC) - made
    if age >= _YOUNG:
        return Finding("buckets", True, f"{name} tells of uploads")
    minutes = int(age.total_seconds()) // 60
    later = "it may tell of no upload before it is 5 min old; `mlops upload` waits for that"
    return Finding("buckets", True, f"{name} is {minutes} min old: {later}")


def _leases(stack: Stack) -> Finding:
    kept = kept_models.kept(stack.table)
    forgotten = [arn for arn in stack.running() if arn not in kept and not leases.is_held(arn, stack.table)]
    if not forgotten:
        return Finding("leases", True, "no model runs that nobody uses")
    advice = "They cost money. The sweeper stops them within the hour, or now: aws rekognition stop-project-version"
    return Finding("leases", False, f"running without a lease: {', '.join(forgotten)}", advice)


def _dead_letters(stack: Stack) -> Finding:
    waiting = {}
    for name, url in stack.resources("AWS::SQS::Queue").items():
        if "DeadLetters" in name or name in ("FailedInvocations", "UndeliveredEvents"):
            answer = stack.clients("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )
            if count := int(answer["Attributes"]["ApproximateNumberOfMessages"]):
                waiting[name] = count
    text = ", ".join(f"{count} in {name}" for name, count in waiting.items()) or "none"
    return Finding(
        "dead letters", not waiting, text, "docs/operations.md says what each queue means and how to redrive."
    )


def _alarms(stack: Stack) -> Finding:
    names = list(stack.resources("AWS::CloudWatch::Alarm").values())
    firing = []
    for start in range(0, len(names), 100):
        request = {"AlarmNames": names[start : start + 100], "StateValue": "ALARM"}
        answer: Any = stack.clients("cloudwatch").describe_alarms(**request)
        alarms = [alarm for alarm in answer["MetricAlarms"] if alarm["StateValue"] == "ALARM"]
        firing += [f"{alarm['AlarmName']} ({alarm.get('AlarmDescription', '')})" for alarm in alarms]
    return Finding(
        "alarms", not firing, ", ".join(firing) or "none fires", "docs/operations.md has a section for each."
    )
