"""Trying what is assumed about AWS in the account of a deployed stack: what a check is made of, and how checks are run.

The assumptions themselves are in cli/assumptions.py.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cli.stack import Stack
from mlops.codec import Json
from mlops.dataset.manifests import parse_lines
from mlops.records.runs import Run

HOLDS, DOES_NOT_HOLD, UNTRIED, SETTLED = "holds", "does not hold", "could not be tried", "settled"
POLL_SECONDS = 2.0
# A new rule of EventBridge counts within a minute or two.
EVENT_SECONDS = 150.0
MODEL_SECONDS = 2700.0
_TELLS_NOTHING = ("AccessDenied", "Throttl", "Throughput", "Internal", "Unavailable", "Token", "Unauthorized")
PICTURES = (".png", ".jpg", ".jpeg")
Found = TypeVar("Found")


class CannotTry(RuntimeError):  # noqa: N818
    """A check finds nothing to try itself on; the message says what is missing."""


@dataclass(frozen=True)
class Verdict:
    """`word` is one of the four above; `seen` is what was seen, or why nothing was."""

    word: str
    seen: str
    left_behind: tuple[str, ...] = ()


def verdict(is_so: bool, seen: str) -> Verdict:
    """What a check saw."""
    return Verdict(HOLDS if is_so else DOES_NOT_HOLD, seen)


def refusal(call: Callable[[], Any], ignored: Sequence[str] = ()) -> str:
    """The code of the error that AWS answers to a call; empty where it answers with none.

    Raises the ClientErrors that tell nothing about an assumption: of rights, throttling, faults, and those ignored.
    """
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code in ignored or any(word in code for word in _TELLS_NOTHING):
            raise
        return code
    return ""


def is_gone(look: Callable[[], Any]) -> bool:
    """Whether what is looked at does not exist."""
    return refusal(look) == "ResourceNotFoundException"


@dataclass(frozen=True)
class Row:
    """An assumption: what the code does where it holds, and otherwise; what its check costs in USD, and takes.

    `source` settles it without trying. Without a `check`, `by_hand` says how a person looks.
    """

    number: int
    fact: str
    documented: str
    holds: str
    otherwise: str
    source: str = ""
    by_hand: str = ""
    usd: float = 0.0
    minutes: float = 0.1
    check: "Callable[[Probe], Verdict] | None" = None

    @property
    def effort(self) -> str:
        """How it is checked, for the document."""
        price = f"{self.usd:.2f} USD" if self.usd else "free"
        command = f"`mlops verify --only {self.number}`, {price}, {self.minutes:g} min" if self.check else ""
        parts = [f"settled: {self.source}" if self.source else "", command, self.by_hand and f"by hand: {self.by_hand}"]
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class Trained:
    """A trained version with what the service wrote about it, read from S3 when it is asked for."""

    task: str
    description: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], str]

    @property
    def run_id(self) -> str:
        return arn_of(self.description).split("/")[3]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary of the evaluation."""
        return dict(json.loads(self.read(self.description["EvaluationResult"]["Summary"])))

    @cached_property
    def snapshot(self) -> list[Json]:
        """The lines of the snapshot."""
        asset = self.description["TestingDataResult"]["Output"]["Assets"][0]
        return parse_lines(self.read(asset["GroundTruthManifest"]))

    @cached_property
    def manifests(self) -> dict[str, Any]:
        """The summary of what was wrong with the manifests."""
        return dict(json.loads(self.read(self.description["ManifestSummary"])))

    @property
    def f1(self) -> float:
        """The aggregated F1, flat or nested."""
        aggregates = self.summary["AggregatedEvaluationResults"]
        return float(aggregates.get("Metrics", aggregates)["F1Score"])

    @property
    def labels(self) -> dict[str, Mapping[str, float]]:
        """The metrics of every label."""
        return {result["Label"]: result["Metrics"] for result in self.summary["LabelEvaluationResults"]}


class Past:
    """What earlier runs of a stack left, read once."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @cached_property
    def versions(self) -> list[dict[str, Any]]:
        """The descriptions of all versions in the stack's projects of this account."""
        pages = self.stack.clients("rekognition").get_paginator("describe_project_versions")
        found = (page for project in self.stack.projects() for page in pages.paginate(ProjectArn=project))
        return [version for page in found for version in page["ProjectVersionDescriptions"]]

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, newest first."""
        found = [run for dataset in self.stack.datasets() for run in self.stack.runs(dataset)]
        return sorted(found, key=lambda run: run.created_at, reverse=True)

    def completed(self, stage: str, environment: str = "development", task: str = "") -> list[Run]:
        """The runs, newest first, that completed a stage. Raises CannotTry where there is none."""
        wanted = (stage, environment, "COMPLETED")
        found = [
            run
            for run in self.runs
            if task in ("", run.task) and wanted in ((s.stage, s.environment, s.state) for s in run.stages)
        ]
        if not found:
            raise CannotTry(f"no run {f'of {task} ' if task else ''}has completed {stage} in {environment} yet")
        return found

    def result(self, run: Run, name: str) -> dict[str, Any]:
        """A JSON file that a run has written."""
        return dict(json.loads(self._read(self.stack.outputs["ArtifactsBucketName"], f"runs/{run.run_id}/{name}")))

    def trained(self, task: str) -> list[Trained]:
        """The trained versions of a task, newest first. Raises CannotTry where there is none."""
        versions = sorted(self.versions, key=lambda version: str(version["CreationTimestamp"]), reverse=True)
        found = [v for v in versions if f"-{task}-development/" in arn_of(v) and "EvaluationResult" in v]
        if not found:
            raise CannotTry(f"no version for {task} has been trained yet")
        return [Trained(task, version, self._read_asset) for version in found]

    def _read_asset(self, asset: Mapping[str, Any]) -> str:
        return self._read(asset["S3Object"]["Bucket"], asset["S3Object"]["Name"])

    def _read(self, bucket: str, key: str) -> str:
        return str(self.stack.clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())


def arn_of(version: Mapping[str, Any]) -> str:
    """The ARN in a version's description."""
    return str(version["ProjectVersionArn"])


@dataclass
class Probe:
    """What one check works with: everything that it makes is called `name`, and goes away when the check ends."""

    stack: Stack
    past: Past
    name: str = field(default_factory=lambda: f"mlops-verify-{uuid.uuid4().hex[:8]}")
    left_behind: list[str] = field(default_factory=list)
    _undo: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.stack.clients(service)

    @property
    def bucket(self) -> str:
        return self.stack.outputs["ArtifactsBucketName"]

    def later(self, what: str, undo: Callable[[], Any]) -> None:
        """Undo something when the check ends, the last first; `what` is named where that fails."""
        self._undo.append((what, undo))

    def clean_up(self) -> None:
        """Take everything away again; what stays is named in `left_behind`."""
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except (ClientError, BotoCoreError, CannotTry) as error:
                self.left_behind.append(f"{what} ({error})")

    def put(self, name: str, body: bytes, **options: Any) -> str:
        """Write an object of the artifacts bucket below this check's name; returns its key."""
        key = f"{self.name}/{name}"
        self.later(f"s3://{self.bucket}/{key}", lambda: self._delete(key))
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return key

    def _delete(self, key: str) -> None:
        pages = self.client("s3").get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
        for page in pages:
            for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                self.client("s3").delete_object(Bucket=self.bucket, Key=found["Key"], VersionId=found["VersionId"])

    def project(self) -> str:
        """A Custom Labels project of its own; returns its ARN."""
        arn = str(self.client("rekognition").create_project(ProjectName=self.name)["ProjectArn"])
        self.later(f"project {self.name}", lambda: self._delete_project(arn))
        return arn

    def _delete_project(self, arn: str) -> None:
        client = self.client("rekognition")
        client.delete_project(ProjectArn=arn)
        look = partial(client.describe_projects, ProjectNames=[self.name])
        wait(lambda: is_gone(look) or not look()["ProjectDescriptions"], "end of it", EVENT_SECONDS)

    def copy(self, source: str, destination: str, version_name: str) -> str:
        """Copy a version within the account, to be deleted again; returns the copy's ARN."""
        project = next(arn for arn in self.stack.projects() if arn.split("/")[1] == source.split("/")[1])
        output = {"S3Bucket": self.bucket, "S3KeyPrefix": f"{self.name}/copy"}
        answer = self.client("rekognition").copy_project_version(
            SourceProjectArn=project,
            SourceProjectVersionArn=source,
            DestinationProjectArn=destination,
            VersionName=version_name,
            OutputConfig=output,
        )
        copy = str(answer["ProjectVersionArn"])
        self.discard(copy)
        return copy

    def discard(self, version: str) -> None:
        """Delete a version when the check ends, and what it wrote."""
        self.later(f"files of {version}", lambda: self._delete(f"{self.name}/"))
        self.later(version, lambda: self._delete_version(version))

    def _delete_version(self, arn: str) -> None:
        self.status_after(arn, ("COPYING_IN_PROGRESS", "TRAINING_IN_PROGRESS"))
        self.client("rekognition").delete_project_version(ProjectVersionArn=arn)
        wait(lambda: self.status(arn) == "DELETED", f"end of {arn}", MODEL_SECONDS)

    def start(self, arn: str) -> None:
        """Start a version with one unit, to be stopped again whatever happens."""
        request = {"ProjectVersionArn": arn, "MinInferenceUnits": 1}
        self.client("rekognition").start_project_version(**request)
        self.later(f"running model {arn}, which costs money", lambda: self._stop(arn))

    def _stop(self, arn: str) -> None:
        if self.status_after(arn, ("STARTING",)) == "RUNNING":
            self.client("rekognition").stop_project_version(ProjectVersionArn=arn)
        if (status := self.status_after(arn, ("STARTING", "STOPPING"))) == "RUNNING":
            raise CannotTry(f"it is still {status}")

    def status(self, arn: str) -> str:
        """The status of a version, DELETED where there is none."""
        _, name, _, version, _ = arn.split(":", 5)[5].split("/")
        client = self.client("rekognition")
        for project in client.describe_projects(ProjectNames=[name])["ProjectDescriptions"]:
            request = {"ProjectArn": project["ProjectArn"], "VersionNames": [version]}
            look = partial(client.describe_project_versions, **request)
            for found in () if is_gone(look) else look()["ProjectVersionDescriptions"]:
                if arn_of(found) == arn:
                    return str(found["Status"])
        return "DELETED"

    def status_after(self, arn: str, passing: Sequence[str]) -> str:
        """The status of a version once it is none of these. Raises CannotTry after three quarters of an hour."""
        return wait(
            lambda: s if (s := self.status(arn)) not in passing else None, f"end of {passing[0]}", MODEL_SECONDS
        )

    def listen(self, pattern: Mapping[str, Any]) -> "Listener":
        """Hear the events that match a pattern."""
        return Listener(self, pattern)


class Listener:
    """A queue that gets the events of a rule."""

    def __init__(self, probe: Probe, pattern: Mapping[str, Any]) -> None:
        self._sqs, events = probe.client("sqs"), probe.client("events")
        name = probe.name
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        probe.later(f"queue {name}", lambda: self._sqs.delete_queue(QueueUrl=self._url))
        rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
        probe.later(f"rule {name}", lambda: events.delete_rule(Name=name))
        queue = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        who = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        statement = {**who, "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])
        probe.later(f"target of rule {name}", lambda: events.remove_targets(Rule=name, Ids=["queue"]))

    def hear(self, cause: Callable[[], Any], is_wanted: Callable[[Any], bool] = bool) -> dict[str, Any]:
        """The next event of a kind, caused again and again, for a rule that is new misses some. Raises CannotTry."""

        def look() -> dict[str, Any] | None:
            cause()
            return next(filter(is_wanted, self._events()), None)

        return wait(look, "event came, although it was caused again and again", EVENT_SECONDS)

    def _events(self) -> Iterator[dict[str, Any]]:
        for message in self._sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=5).get("Messages", []):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            yield json.loads(message["Body"])


def wait(look: Callable[[], Found | None], what: str, seconds: float) -> Found:
    """What `look` returns once that is true. Raises CannotTry."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise CannotTry(f"no {what} within {seconds / 60:.0f} minutes")
        time.sleep(POLL_SECONDS)
    return found


@dataclass(frozen=True)
class Outcome:
    """A row and what became of its check."""

    row: Row
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """The outcome as it is sent to somebody: numbers of accounts are left out."""
        follows = {HOLDS: self.row.holds, DOES_NOT_HOLD: self.row.otherwise}.get(self.verdict.word, "")
        facts = {"number": self.row.number, "fact": self.row.fact, "verdict": self.verdict.word}
        seen = {"seen": anonymous(self.verdict.seen), "what_the_code_does": follows}
        return {**facts, **seen, "left_behind": [anonymous(text) for text in self.verdict.left_behind]}


def anonymous(text: str) -> str:
    """A text without numbers of accounts."""
    return re.sub(r"(?<!\d)\d{12}(?!\d)", "<account>", text)


def affordable(rows: Iterable[Row], usd: float) -> list[Row]:
    """The rows whose checks cost something and fit, in this order, into so many dollars together."""
    chosen: list[Row] = []
    for row in rows:
        if row.usd and sum(paid.usd for paid in chosen) + row.usd <= usd:
            chosen.append(row)
    return chosen


def run(stack: Stack, rows: Iterable[Row], paid: Sequence[Row], say: Callable[[str], None]) -> Iterator[Outcome]:
    """Try the free rows and the paid ones given; the others say what they would cost."""
    past = Past(stack)
    for row in rows:
        if row.check is None:
            given = Verdict(SETTLED, row.source) if row.source else Verdict(UNTRIED, f"by hand: {row.by_hand}")
        elif row.usd and row not in paid:
            given = Verdict(UNTRIED, f"it costs about {row.usd:.2f} USD: --spend {row.usd:g} --only {row.number}")
        else:
            say(f"{row.number}. {row.fact}")
            given = _tried(row.check, Probe(stack, past))
            if given.word == UNTRIED and row.source:
                given = Verdict(SETTLED, f"{row.source}; not tried: {given.seen}", given.left_behind)
        yield Outcome(row, given)


def _tried(check: Callable[[Probe], Verdict], probe: Probe) -> Verdict:
    try:
        found = check(probe)
    except (CannotTry, ClientError, BotoCoreError) as error:
        found = Verdict(UNTRIED, str(error))
    except Exception as error:
        # An answer of a shape that nobody expected must not hide what the other checks find.
        found = Verdict(UNTRIED, f"the answer has another shape than expected: {error!r}")
    finally:
        probe.clean_up()
    return Verdict(found.word, found.seen, tuple(probe.left_behind))
