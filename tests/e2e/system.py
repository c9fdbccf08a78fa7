"""The deployed system as a user sees it: upload, follow, read mails, open links; and an observer of its events."""

import fcntl
import io
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from PIL import Image

from cli.decide import approval_link, approve
from cli.stack import Stack
from local.cloud import LocalCloud, Mail
from mlops.records.runs import Run

STACK = "inspection"
STRICT = {"MinimumF1": "0.9", "MinimumLabelF1": "0.5", "SettleSeconds": "3", "NotificationEmail": "qa@example.com"}
RELEASED_IN = ("staging", "production")
# An engine that learns colours in no time: these tests are about everything around it. The shipped one is tried in
# test_readme.py, for both tasks, and beside the Custom Labels service.
QUICK = ("--engine", "tests.emulator.mean_color_engine", "--log-level", "info")
PATIENCE_SECONDS = 120.0
Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None], what: str, seconds: float = PATIENCE_SECONDS) -> Found:
    """What `look` returns once it is something."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(pause)
        # Looking takes the processor from what is looked at.
        pause = min(1.3 * pause, 0.5)
    raise AssertionError(f"no {what} within {seconds:.0f} s")


@dataclass
class System:
    cloud: LocalCloud
    outputs: Mapping[str, str]
    tap: str
    stack: str = STACK
    accounts: Mapping[str, str] = field(default_factory=dict)
    repeat: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    _heard: Counter[str] = field(default_factory=Counter)
    _repeated: Counter[str] = field(default_factory=Counter)

    @cached_property
    def operated(self) -> Stack:
        """The stack as its operators see it."""
        return Stack(self.stack, self.cloud)

    def released(self, dataset: str, task: str, environment: str) -> str | None:
        """The run whose version is the current one of an environment."""
        release = self.operated.current(dataset, task, environment)
        return release.run_id if release else None

    def drop(self, objects: Mapping[str, bytes], dataset: str) -> None:
        """Upload objects and, last, dataset.json."""
        self.upload({**objects, f"datasets/{dataset}/dataset.json": b"{}"})

    def upload(self, objects: Mapping[str, bytes]) -> None:
        s3 = self.cloud.client("s3")
        for key, data in objects.items():
            s3.put_object(Bucket=self.outputs["DataBucketName"], Key=key, Body=data)

    def write_again(self, key: str) -> None:
        """Copy an artifact onto itself: its stage is to be repeated."""
        bucket = self.outputs["ArtifactsBucketName"]
        source = {"Bucket": bucket, "Key": key}
        self.cloud.client("s3").copy_object(Bucket=bucket, Key=key, CopySource=source, MetadataDirective="REPLACE")

    def delete(self, key: str) -> None:
        self.cloud.client("s3").delete_object(Bucket=self.outputs["DataBucketName"], Key=key)

    def runs(self, dataset: str, task: str = "classification") -> list[Run]:
        return [run for run in self.operated.runs(dataset) if run.task == task]

    def run_until(
        self, dataset: str, stage: str, environment: str, state: str, task: str = "classification", number: int = 0
    ) -> Run:
        """The dataset's run of a task with this number once a stage of it is in a state.

        A stage that fails instead is an error.
        """

        def look() -> Run | None:
            self.observe()
            for run in self.runs(dataset, task)[number:][:1]:
                stages = {(s.stage, s.environment): s for s in run.stages}
                if (found := stages.get((stage, environment))) and found.state == state:
                    return run
                if run.failure:
                    raise AssertionError(f"{run.failure.name}: {run.failure.reasons}")
            return None

        return eventually(look, f"{stage} {state} of {task} of {dataset}")

    def mails(self, run_id: str, beginning: str) -> list[Mail]:
        return [mail for mail in self.cloud.mails() if run_id in mail.text and mail.subject.startswith(beginning)]

    def mail(self, run_id: str, beginning: str) -> Mail:
        return eventually(lambda: self.mails(run_id, beginning), f"mail {beginning!r} of {run_id}")[0]

    def approvals(self, run_id: str, target: str = "staging") -> list[Mail]:
        return [mail for mail in self.mails(run_id, "Approve") if f" for {target}? " in mail.subject]

    def link(self, run_id: str, target: str = "staging") -> str:
        mails = eventually(lambda: self.approvals(run_id, target), f"mail about {target} of {run_id}")
        link = approval_link(mails[0].text)
        assert link
        return link

    def decide(self, run_id: str, decision: str, target: str = "staging") -> str:
        answers = {"approver": "Ada", "confirmation": run_id[-6:], "comment": "looks <b>right</b>"}
        return approve(self.link(run_id, target), {**answers, "decision": decision})

    def artifact(self, run_id: str, name: str) -> Any:
        key = f"runs/{run_id}/{name}"
        body = self.cloud.client("s3").get_object(Bucket=self.outputs["ArtifactsBucketName"], Key=key)["Body"].read()
        if name.endswith(".jpg"):
            return Image.open(io.BytesIO(body))
        return json.loads(body) if name.endswith(".json") else body.decode()

    def listed(self, prefix: str) -> list[str]:
        """The keys of artifacts that begin so."""
        pages = self.cloud.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.outputs["ArtifactsBucketName"], Prefix=prefix)
        return [one["Key"] for page in found for one in page.get("Contents", [])]

    def answers(self, run_id: str, environment: str) -> list[dict[str, Any]]:
        """What a version answered in its test, judged."""
        return [json.loads(line) for line in self.artifact(run_id, f"{environment}/judged.jsonl").split("\n") if line]

    def versions(self, environment: str, task: str = "classification") -> list[dict[str, Any]]:
        rekognition = self.cloud.client("rekognition", self.account(environment))
        name = f"{self.stack}-{task}-{environment}"
        arn = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"][0]["ProjectArn"]
        return list(rekognition.describe_project_versions(ProjectArn=arn)["ProjectVersionDescriptions"])

    def account(self, environment: str) -> str:
        """The account of an environment; empty for that of the stack."""
        return self.accounts.get(environment, "")

    def statuses(self, run_id: str, environment: str, task: str = "classification") -> list[str]:
        """The status of every version of a run in an environment."""
        versions = self.versions(environment, task)
        return [str(v["Status"]) for v in versions if v["ProjectVersionArn"].split("/")[3] == run_id]

    def dead_letters(self, queue: str) -> int:
        """How many messages a queue of the stack holds."""
        answer = self.cloud.client("sqs").get_queue_attributes(
            QueueUrl=self.resource(queue), AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def sweep(self) -> None:
        """Run the sweeper, as its schedule does every hour."""
        self.invoke("ModelSweeperFunction")

    def invoke(self, function: str) -> None:
        """Run a function, as its schedule does every hour."""
        name = self.resource(function)
        answer = self.cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()

    def delete_stack(self) -> None:
        client = self.cloud.client("cloudformation")
        client.delete_stack(StackName=self.stack)
        patience = {"Delay": 1, "MaxAttempts": 120}
        client.get_waiter("stack_delete_complete").wait(StackName=self.stack, WaiterConfig=patience)

    def running(self) -> list[str]:
        """Which versions are starting or running, in any project."""
        names = [(task, env) for task in ("classification", "detection") for env in ("development", *RELEASED_IN)]
        versions = [version for task, environment in names for version in self.versions(environment, task)]
        return [v["ProjectVersionArn"] for v in versions if v["Status"] in ("STARTING", "RUNNING")]

    def to_production(self, dataset: str, number: int = 0, task: str = "classification") -> Run:
        """Approve the dataset's run with this number twice, and wait until it is what consumers read."""
        for target, source in (("staging", "development"), ("production", "staging")):
            run = self.run_until(dataset, "inference_test", source, "COMPLETED", task, number)
            self.decide(run.run_id, "approve", target)
        run = self.run_until(dataset, "inference_test", "production", "COMPLETED", task, number)
        eventually(lambda: self.current(dataset, task) == run.run_id, f"release of {run.run_id}")
        return run

    def current(self, dataset: str, task: str = "classification") -> str | None:
        """The run that consumers of production read."""
        name = f"/{self.stack}/models/{dataset}/{task}/production"
        found = self.cloud.client("ssm", self.account("production")).get_parameters(Names=[name])["Parameters"]
        return str(json.loads(found[0]["Value"])["run_id"]) if found else None

    def observe(self) -> None:
        """Take what the tap has caught; events of datasets in `repeat` are delivered a second time at once."""
        sqs = self.cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.tap, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                self._heard[_identity(event)] += 1
                if self._heard[_identity(event)] == 1:
                    self.events.append(event)
                    if self.repeat & set(_datasets(event)):
                        self.deliver(event)
                sqs.delete_message(QueueUrl=self.tap, ReceiptHandle=message["ReceiptHandle"])

    def times_put(self, event: Mapping[str, Any]) -> int:
        """How often the stack has put an event, whatever was repeated here; true once all repetitions were heard."""
        return self._heard[_identity(event)] - self._repeated[_identity(event)]

    def starts(self, dataset: str) -> list[str]:
        """The ARN of a version for every time that it began to run, as the Custom Labels service tells."""
        log = (self.cloud.state / "logs" / "rekognition.log").read_text()
        return [arn for arn in re.findall(r"(arn:\S+): STARTING -> RUNNING", log) if f"/{dataset}-" in arn]

    def is_empty(self, queue: str) -> bool:
        """Whether a queue of the stack holds no message, and nobody works at one."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.resource(queue), AttributeNames=names)
        return not any(map(int, answer["Attributes"].values()))

    def deliver(self, event: Mapping[str, Any]) -> None:
        """Deliver an event as EventBridge would: the same content to the same targets."""
        if event["source"] != "aws.s3":
            self._repeated[_identity(event)] += 1
            entry = {"Source": event["source"], "DetailType": event["detail-type"]}
            content = {"Resources": event["resources"], "Detail": json.dumps(event["detail"])}
            self.cloud.client("events").put_events(Entries=[{**entry, **content}])
        elif event["detail"]["bucket"]["name"] == self.outputs["DataBucketName"]:
            is_new = event["detail"]["object"]["key"].startswith("inspect/")
            url = self.resource("InspectionQueue" if is_new else "UploadsQueue")
            self.cloud.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event))
        else:
            targets = {"ground_truth.json": "DataPrepareFunction", "training_input.json": "TrainingFunction"}
            if target := targets.get(Path(event["detail"]["object"]["key"]).name):
                client = self.cloud.client("lambda")
                name = self.resource(target)
                client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())

    def resource(self, logical_id: str) -> str:
        """The name or the URL of what the stack has made."""
        client = self.cloud.client("cloudformation")
        found = client.describe_stack_resource(StackName=self.stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def is_stopped(self, run_id: str, environment: str, task: str = "classification") -> bool:
        """Whether the only version of a run in an environment comes to a stop."""
        return eventually(lambda: self.statuses(run_id, environment, task) == ["STOPPED"], f"stop of {run_id}")


def _identity(event: Mapping[str, Any]) -> str:
    return json.dumps([event["detail-type"], event["detail"]], sort_keys=True)


def _datasets(event: Mapping[str, Any]) -> Iterator[str]:
    detail = event["detail"]
    if event["source"] != "aws.s3":
        # What the sweeper did is about no dataset.
        yield detail.get("dataset", "")
        return
    name = detail["object"]["key"].split("/")[1]
    yield name
    yield re.split("-(?:classification|detection)-", name)[0]


@contextmanager
def started_system(
    state: Path, parameters: Mapping[str, str] = MappingProxyType({}), custom_labels: Sequence[str] = QUICK
) -> Iterator[System]:
    with LocalCloud(state=state, custom_labels=custom_labels) as cloud:
        _build_once(cloud, state.parents[1])
        outputs = cloud.deploy(STACK, {**STRICT, **parameters})
        yield System(cloud, outputs, _tap(cloud))


def _build_once(cloud: LocalCloud, shared: Path) -> None:
    """Build, or take what another worker of this run of the tests has built."""
    run, build = os.environ.get("PYTEST_XDIST_TESTRUNUID"), cloud.state / "sam-build"
    if run is None:
        cloud.sam_build()
        return
    store = shared / f"build-{run}"
    with store.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if store.exists():
            shutil.copytree(store, build, symlinks=True, copy_function=os.link)
        else:
            cloud.sam_build()
            shutil.copytree(build, store, symlinks=True, copy_function=os.link)


def _tap(cloud: LocalCloud) -> str:
    """A queue that gets a copy of every event."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="tap")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="tap", EventPattern=json.dumps({"source": ["aws.s3", "rekognition-mlops"]}))
    events.put_targets(Rule="tap", Targets=[{"Id": "tap", "Arn": arn}])
    return str(url)
