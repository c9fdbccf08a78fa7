"""`demo`: one dataset, from the upload to production, and the numbers."""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cli.decide import approval_link, approve
from cli.stack import Stack
from cli.upload import Plan, checked
from local import pictures
from local.cloud import CloudAccess, LocalCloud, Mail
from local.cloud.sam import ROOT
from local.runner.console import Display
from local.runner.dataset import DatasetError, download, plan_of, upload
from local.runner.inspecting import judge, new_pictures
from local.runner.memory import memory_by_function
from local.runner.running import running_cloud
from local.runner.summary import summarise
from local.runner.timing import Phases, time_of
from mlops.dataset.keys import parse_upload, settings_key
from mlops.records.runs import Run

STACK = "rekognition-mlops"
OUTPUT = ROOT / "build" / "demo"
NEW = ROOT / "build" / "pictures" / "new"
SAMPLE = ROOT / "build" / "pictures" / "transistor"
# How often the mailbox is looked at, and the runs, which takes more of the machine.
POLL_SECONDS, LOOK_SECONDS = 0.1, 0.5
STALLED_SECONDS = 900.0
MAIL_SECONDS = 10.0
SETTLED_SECONDS = 30.0


@dataclass(frozen=True)
class DemoOptions:
    """`dataset` None: pictures made with `seed`, `good` of them without defect and `per_defect` of each defect.

    `tasks` are trained; none named: those that the dataset is made for.
    """

    dataset: Path | None = None
    seed: int = 7
    good: int = 60
    per_defect: int = 14
    tasks: tuple[str, ...] = ()


def run_demo(options: DemoOptions, display: Display) -> int:
    """Exit code 0 when every task reached production, else 1. A local cloud that runs already is used, and stays.

    Raises DatasetError when the dataset cannot be used.
    """
    started, since = time.monotonic(), datetime.now(UTC)
    # Pictures are drawn and looked into while the stack is built and deployed, most of which leaves a processor free.
    phases = Phases()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(1) as aside, contextlib.ExitStack() as stack:
        if options.dataset:
            plan_of(options.dataset, options.tasks, Path(place), display.say)
        preparing = aside.submit(prepare, options, display, Path(place))
        cloud, outputs = stack.enter_context(cloud_with_stack(display, phases))
        with phases("pictures, beyond that"):
            given = preparing.result()
        say_what_is_wrong(given, display)
        journey = Journey(Stack(STACK, cloud), given.dataset, tuple(given.tasks), cloud.mails, display, since)
        with phases("upload"), display.counting(f"Uploading {given.dataset}") as progress:
            upload(cloud.client("s3"), outputs["DataBucketName"], given, progress)
        with phases("runs"), display.following():
            problem = journey.travel()
        arrived = time.monotonic() - started
        report(cloud, outputs, journey, Timing(arrived, phases.seconds))
        if not problem:
            display.say(f"Every task reached production in {arrived:.0f} s.")
            images = [path for key, path in given.files.items() if parse_upload(key).kind == "image"]
            new = new_pictures(NEW, options.seed, images if options.dataset else [])
            if options.dataset:
                display.say(
                    "Some of the given pictures are judged, which the models know: your own new ones tell more."
                )
            judge(journey.stack, new, given.dataset, display, OUTPUT / "inspected")
    if problem:
        display.say(problem)
    return 1 if problem else 0


@contextlib.contextmanager
def cloud_with_stack(display: Display, phases: Phases) -> Iterator[tuple[CloudAccess, dict[str, str]]]:
    """The local cloud that runs already, or one of our own, with the outputs of the deployed stack."""
    if running := running_cloud():
        display.say(f"The local cloud at {running[0].endpoint} is used.")
        yield running
        return
    with cloud_of(display, phases) as (cloud, outputs):
        yield cloud.access, outputs


@contextlib.contextmanager
def cloud_of(
    display: Display, phases: Phases, parameters: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[LocalCloud, dict[str, str]]]:
    """A local cloud of our own with the outputs of the deployed stack."""
    with contextlib.ExitStack() as stack:
        with phases("start of the cloud"):
            cloud = stack.enter_context(LocalCloud())
        yield cloud, deploy(cloud, display, phases, parameters)


def prepare(options: DemoOptions, display: Display, place: Path) -> Plan:
    """Draw pictures, unless there are some, and look into every file as `mlops upload` does."""
    if not options.dataset:
        draw_pictures(options, display)
    return checked(plan_of(options.dataset or SAMPLE, options.tasks, place))


def draw_pictures(options: DemoOptions, display: Display) -> None:
    shutil.rmtree(SAMPLE, ignore_errors=True)
    with display.counting("Making pictures") as progress:
        pictures.generate(
            SAMPLE, seed=options.seed, good=options.good, per_defect=options.per_defect, progress=progress
        )


def say_what_is_wrong(given: Plan, display: Display) -> None:
    """The rest goes its way, as with `mlops upload --skip-bad`; raises DatasetError when the rest is of no use."""
    for sentence in given.sentences():
        display.say(sentence)
    if not given.has_pictures or settings_key(given.dataset) not in given.files:
        raise DatasetError("Nothing was sent.")


def deploy(
    cloud: LocalCloud, display: Display, phases: Phases, parameters: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Build and deploy the application; returns the outputs of the stack."""
    display.say(f"AWS on this machine: {cloud.endpoint}")
    display.say("sam build")
    with phases("build"):
        cloud.sam_build()
    display.say("sam deploy")
    with phases("deploy"):
        return cloud.deploy(STACK, parameters)


@dataclass
class Journey:
    """The way of one dataset's runs to production, with a person at the mailbox who answers every link once."""

    stack: Stack
    dataset: str
    tasks: Sequence[str]
    mails: Callable[[], list[Mail]]
    display: Display
    since: datetime
    runs: dict[str, Run] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)
    _approved: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._read.update(mail.key for mail in self.mails())

    def travel(self) -> str:
        """Follow until every task is in production; returns what prevented it, "" when nothing did."""
        started = moved = time.monotonic()
        before, due = "", started
        while (now := time.monotonic()) - moved < STALLED_SECONDS:
            if now < due and not self._unread():
                time.sleep(POLL_SECONDS)
                continue
            due = now + LOOK_SECONDS
            self.runs = self._current_runs(now - started)
            self.display.show(list(self.runs.values()))
            self._read_mails()
            if self._has_ended:
                self._await_failure_mails()
                return self._problem()
            if (seen := repr(self.runs)) != before:
                moved, before = now, seen
        return f"Nothing moved for {STALLED_SECONDS:.0f} s. The functions' logs are in the local cloud's log groups."

    def _current_runs(self, seconds: float) -> dict[str, Run]:
        """The newest run of each task. One from before counts once it is clear that these pictures started none."""
        newest = {run.task: run for run in self.stack.runs(self.dataset)}
        return {task: run for task, run in newest.items() if run.created_at >= self.since or seconds > SETTLED_SECONDS}

    @property
    def _has_ended(self) -> bool:
        return all(task in self.runs and self._has_arrived(self.runs[task]) for task in self.tasks)

    def _has_arrived(self, run: Run) -> bool:
        current = self.stack.current(run.dataset, run.task, "production") if run.is_complete else None
        return bool(run.failure) or (current is not None and current.run_id == run.run_id)

    def _problem(self) -> str:
        failures = [(run.run_id, run.failure) for run in self.runs.values() if run.failure]
        return "\n".join(f"{run_id} failed in {stage.name}: {'; '.join(stage.reasons)}" for run_id, stage in failures)

    def _await_failure_mails(self) -> None:
        """The mail that explains a failure leaves a moment after the row that tells of it."""
        failed, deadline = {run.run_id for run in self.runs.values() if run.failure}, time.monotonic() + MAIL_SECONDS
        while failed and time.monotonic() < deadline:
            explanations = [mail.text for mail in self.mails() if not approval_link(mail.text)]
            failed = {run_id for run_id in failed if not any(run_id in text for text in explanations)}
            self._read_mails()
            time.sleep(POLL_SECONDS)

    def _unread(self) -> list[Mail]:
        return [mail for mail in self.mails() if mail.key not in self._read]

    def _read_mails(self) -> None:
        for mail in self._unread():
            self._read.add(mail.key)
            self.display.mail(mail)
            self._answer(mail)

    def _answer(self, mail: Mail) -> None:
        link = approval_link(mail.text)
        run = next((run for run in self.runs.values() if run.run_id in mail.text), None)
        # The subject names the run and where it is to go.
        if link and run and mail.subject not in self._approved:
            self._approved.add(mail.subject)
            unread = (datetime.now(UTC) - mail.sent_at).total_seconds()
            self.waited[run.run_id] = self.waited.get(run.run_id, 0.0) + unread
            approve(link, answers_for(run))
            self.display.say(f"Opened the link and approved {run.run_id}.")


def answers_for(run: Run) -> dict[str, str]:
    """What the person enters in the approval form, by field name."""
    confirmation = run.run_id[-6:]
    return {"decision": "approve", "approver": "demo", "comment": "Approved by the demo.", "confirmation": confirmation}


@dataclass(frozen=True)
class Timing:
    """How long a demo took, and each of its phases, in seconds."""

    wall: float
    phases: Mapping[str, float]


def report(cloud: CloudAccess, outputs: dict[str, str], journey: Journey, timing: Timing) -> None:
    """Copy the artifacts, write summary.json and show the numbers."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    for run in journey.runs.values():
        download(cloud.client("s3"), outputs["ArtifactsBucketName"], f"runs/{run.run_id}/", OUTPUT / "artifacts")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    summary = summarise(journey.runs, OUTPUT / "artifacts", timing.wall) | {"phases": dict(timing.phases)}
    for task, run in journey.runs.items():
        if release := journey.stack.current(run.dataset, task, "production"):
            version = described(cloud.client("rekognition"), run)
            time_taken = time_of(
                run, version, datetime.fromisoformat(release.released_at), journey.waited.get(run.run_id, 0.0)
            )
            summary["tasks"][task]["time"] = time_taken.as_dict()
    (OUTPUT / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    journey.display.result(summary, memory_by_function(cloud.client("logs")))
    journey.display.say(f"Artifacts: {OUTPUT / 'artifacts'}\nSummary: {OUTPUT / 'summary.json'}")


def described(rekognition: Any, run: Run) -> dict[str, Any]:
    """The version that a run trained."""
    name = f"{STACK}-{run.task}-development"
    (project,) = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    found = rekognition.describe_project_versions(ProjectArn=project["ProjectArn"], VersionNames=[run.run_id])
    return dict(found["ProjectVersionDescriptions"][0])
