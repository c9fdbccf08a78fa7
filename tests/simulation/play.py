"""One history, played: the real handlers, events that find them by the rules of the template, and what goes wrong.

Everything happens in one thread and by simulated time. Two functions run interleaved when one is halted inside of a
call to AWS: whatever is due meanwhile is delivered then and there.
"""

import base64
import heapq
import importlib
import io
import json
import logging
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import numpy as np
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.idempotency import base as once_base
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyKeyError
from aws_lambda_powertools.utilities.idempotency.persistence import base as once_rows
from aws_lambda_powertools.utilities.idempotency.persistence import datarecord, dynamodb
from botocore.exceptions import ClientError
from moto.events.models import EventPattern
from PIL import Image

from mlops import stack
from mlops.aws import clients, once, telemetry
from mlops.reading import gallery
from mlops.records import approvals, decisions, releases, runs, table
from mlops.records.runs import Run
from mlops.stack import Stack
from mlops.stage import StageRef
from mlops.stages import ground_truth, inference_test, ingest, report
from tests.infrastructure import template
from tests.simulation import cloud, time_of
from tests.simulation.cloud import Client, CustomLabels, Objects, OnceRows, Outgoing, Rows, refused
from tests.simulation.plans import HOUR, Action, Answer, Fault, Plan, clock
from tests.unit.mlops.settling import OWN_SETTINGS
from tests.unit.mlops.world import SETTINGS, Killed

TASK = "classification"
QUIET, POLL, LEASE = 120, 60, 30
BEGIN = 1_800_000_000.0
DATA, ARTIFACTS = template.BUCKETS["DataBucket"], template.BUCKETS["ArtifactsBucket"]
_LIMITS = {"f1": 0.5, "accuracy": 0.5, "false_alarm_rate": 1, "missing_images": 0.5}
VARIABLES = {
    **SETTINGS,
    **OWN_SETTINGS,
    "STACK_ID": template.STACK_ID,
    "DATA_BUCKET": DATA,
    "ARTIFACTS_BUCKET": ARTIFACTS,
    "SETTLE_QUEUE_URL": "SettlingQueue",
    "STATUS_QUEUE_URL": "ModelStatusQueue",
    "SETTLE_SECONDS": str(QUIET),
    "POLL_SECONDS": str(POLL),
    "LEASE_MINUTES": str(LEASE),
    "TASKS": TASK,
    "GATES": json.dumps({TASK: {"f1": 0.5, "label_f1": 0.5, "labels": ""}}),
    "INFERENCE_LIMITS": json.dumps({TASK: _LIMITS}),
}
_DEPTH, _MOST_DELIVERIES, _MOST_SECONDS = 3, 6000, 72 * HOUR
_THROTTLED = {
    "s3": "SlowDown",
    "dynamodb": "ProvisionedThroughputExceededException",
    "once": "ProvisionedThroughputExceededException",
}


# ---------------------------------------------------------------- the stack, as its template has it
@dataclass(frozen=True)
class Function:
    """What the template says of a function, and its handler."""

    name: str
    handler: Callable[[Any, Any], Any]
    timeout: float
    retries: int


@dataclass(frozen=True)
class Queue:
    """What the template says of a queue that a function reads."""

    name: str
    function: str
    visibility: float
    most_receives: int
    batch: int


_NAMES = tuple(sorted(path.parent.name for path in (template.ROOT / "functions").glob("*/app.py")))


@cache
def functions() -> dict[str, Function]:
    configs = {c["FunctionName"]: c for c in template.of_type("AWS::Lambda::EventInvokeConfig").values()}
    found = {}
    for name in _NAMES:
        logical = template.logical_id(name)
        handler = importlib.import_module(f"functions.{name}.app").handler
        timeout = float(template.functions()[logical]["Timeout"])
        found[name] = Function(name, handler, timeout, int(configs[logical]["MaximumRetryAttempts"]))
    return found


@cache
def queues() -> dict[str, Queue]:
    names = {template.logical_id(name): name for name in _NAMES}
    found = {}
    for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = mapping["EventSourceArn"].removesuffix(".Arn")
        facts = template.of_type("AWS::SQS::Queue")[queue]
        receives = int(facts["RedrivePolicy"]["maxReceiveCount"])
        reader = names[mapping["FunctionName"]]
        found[queue] = Queue(queue, reader, float(facts["VisibilityTimeout"]), receives, int(mapping["BatchSize"]))
    return found


@cache
def _rules() -> dict[str, list[tuple[EventPattern, list[str]]]]:
    by_kind: dict[str, list[tuple[EventPattern, list[str]]]] = defaultdict(list)
    for rule in template.of_type("AWS::Events::Rule").values():
        targets = [target["Arn"].removesuffix(".Arn") for target in rule["Targets"]]
        for kind in rule["EventPattern"]["detail-type"]:
            by_kind[kind].append((EventPattern.load(json.dumps(rule["EventPattern"])), targets))
    return by_kind


def targets_of(event: dict[str, Any]) -> list[str]:
    """Logical ids of the functions and queues that an event comes to, each as often as rules name it."""
    detail = event["detail"]
    if "object" in detail:
        names = (detail["bucket"]["name"], re.sub(r"^runs/[^/]+/", "runs/x/", detail["object"]["key"]))
    else:
        names = tuple(str(detail.get(n, "-")) for n in ("stage", "status", "environment", "target"))
    return _targets(event["detail-type"], names, _Unhashed(event))


class _Unhashed:
    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True


@lru_cache(maxsize=4096)
def _targets(kind: str, _: tuple[str, ...], whole: _Unhashed) -> list[str]:
    matching = (targets for pattern, targets in _rules().get(kind, ()) if pattern.matches_event(whole.event))
    return [target for targets in matching for target in targets]


@cache
def picture(content: int) -> bytes:
    """The bytes of an upload: a picture for each number; below zero what is none."""
    texts = {-1: b"no picture", -2: b'{"split": "folders"}', -3: b'{"split": nonsense'}
    if content < 0:
        return texts[content]
    data = io.BytesIO()
    pixels = np.random.default_rng(content).integers(0, 255, (9, 10, 3), np.uint8)
    Image.fromarray(pixels).resize((80, 72), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()


# ---------------------------------------------------------------- what is under way
@dataclass
class Delivery:
    """Something that is due: an event for a function, a message in a queue, what a person does, the hourly look."""

    function: str
    event: Any
    attempt: int = 0
    queue: str = ""
    # What Lambda calls an invocation: every attempt at it has the same.
    request: str = ""
    act: Callable[[], None] | None = None


@dataclass
class Process:
    """A function at work on one delivery."""

    function: str
    began: float
    deadline: float
    delivery: Delivery
    is_dead: bool = False
    # Something was refused, or the end came early: what follows from that is no fault of the function.
    is_troubled: bool = False
    mails: list[str] = field(default_factory=list)
    sent: list[tuple[str, str, int]] = field(default_factory=list)


class Violation(AssertionError):  # noqa: N818
    """What a history shows is not as it must be; `rule` names what is broken."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class Play:
    """A history as it goes. `broken` is what was seen to be wrong on the way."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.now, self.rng = plan, BEGIN, random.Random(plan.seed)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.story: list[str] = []
        self.broken: list[tuple[str, str]] = []
        self.dead_letters: list[Delivery] = []
        self.deliveries = 0
        self.stack: list[Process] = []
        self.mails: list[tuple[str, str, bool]] = []
        self.excused_mails: Counter[str] = Counter()
        self.decided: dict[str, str] = {}
        # What a second person does with a link at the very moment at which the first decides.
        self._disputed: dict[str, Delivery] = {}
        self._deciding = ""
        self.people: set[str] = set()
        self.states: list[dict[str, str]] = []
        self.swept: list[str] = []
        self.looks: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
        self._heap: list[tuple[float, int, Delivery]] = []
        self._order, self._ids, self._answered = 0, 0, 0
        self._faults = {(f.function, f.call, f.number): f for f in plan.faults if f.kind != "storm"}
        self._storms = [f for f in plan.faults if f.kind == "storm"]
        account = plan.account
        self.objects = Objects(self, self._put_on_bus)
        self.labels = CustomLabels(
            self,
            self.objects,
            self._seconds,
            self._quality,
            account.trainings,
            account.running,
            account.copies,
            account.stops_while_starting,
        )
        self.out = Outgoing(self._sent, self._put_on_bus, self._published)
        self.once_rows = OnceRows(self)
        self.table = Rows(self, self.call, account.index_lag)
        self.table.written = self._written
        self._stores: dict[str, DynamoDBPersistenceLayer] = {}
        self._clients = {
            "s3": Client("s3", self.objects, self.call),
            "rekognition": Client("rekognition", self.labels, self.call),
            **{name: Client(name, self.out, self.call) for name in ("sqs", "events", "sns", "ssm")},
        }
        always_on = {"staging": str(account.staging_stays).lower(), "production": "true"}
        self.variables = {
            **VARIABLES,
            "ALWAYS_ON": json.dumps(always_on),
            "RUNNING_MODELS": str(account.running),
            "KEEP_MODELS": str(account.keep_models),
        }

    # ------------------------------------------------------------ the whole of it
    def run(self) -> None:
        """Play the plan to its end, then deliver what lies in dead letters, and let all leases end."""
        with self._installed():
            for action in self.plan.actions:
                self._at(BEGIN + action.at, Delivery("person", None, act=lambda action=action: self._act(action)))
            self._drain(hours=max((action.at for action in self.plan.actions), default=0) / HOUR)
            for _ in range(2):
                letters, self.dead_letters = self.dead_letters, []
                for letter in letters:
                    self.tell(f"somebody delivers a dead letter of {letter.function} again")
                    self._at(self.now + 60, replace(letter, attempt=0))
                self._drain(hours=1)
            self._faults.clear()
            self._drain(hours=3)

    def _drain(self, hours: float) -> None:
        """Deliver all that is due, with a look of the sweeper every hour for so many hours at least."""
        end, next_look = self.now + hours * HOUR, self.now + HOUR
        while self._heap or self.now < end:
            due = self._heap[0][0] if self._heap else end
            if next_look <= due:
                self.now, next_look = max(self.now, next_look), next_look + HOUR
                self._deliver(Delivery("model_sweeper", {}))
                continue
            if not self._heap:
                self.now = end
                return
            self._deliver_next()
            if self.deliveries > _MOST_DELIVERIES or self.now - BEGIN > _MOST_SECONDS:
                waiting = Counter(d.function for _, _, d in self._heap)
                raise Violation(
                    "nothing waits for ever", f"still busy after {clock(self.now - BEGIN)}: {dict(waiting)}"
                )

    def tell(self, sentence: str) -> None:
        self.story.append(f"{clock(self.now - BEGIN)} {'  ' * len(self.stack)}{sentence}")

    def blame(self, rule: str, message: str) -> None:
        """Note that a rule was broken."""
        self.broken.append((rule, message))
        self.tell(f"!! {rule}: {message}")

    # ------------------------------------------------------------ deliveries
    def _at(self, when: float, delivery: Delivery) -> None:
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, delivery))

    def _schedule(self, when: float, delivery: Delivery) -> None:
        """Let something new come to a function, unless the plan has something against it."""
        self.counts[delivery.function, ""] += 1
        fault = self._faults.get((delivery.function, "", self.counts[delivery.function, ""]))
        if fault and fault.kind == "lose" and delivery.queue == "UploadsQueue":
            self.tell(f"~~ {fault}")
            return
        if fault and fault.kind == "delay":
            self.tell(f"~~ {fault}")
            when += fault.seconds
        if fault and fault.kind == "duplicate":
            self.tell(f"~~ {fault}")
            self._at(when + fault.seconds, replace(delivery))
        self._at(when, delivery)

    def _deliver_next(self) -> None:
        when, _, delivery = heapq.heappop(self._heap)
        self.now = max(self.now, when)
        self._deliver(delivery)

    def _deliver(self, delivery: Delivery) -> None:
        self.deliveries += 1
        if not delivery.attempt:
            delivery = replace(delivery, request=f"request{self.deliveries}")
        if delivery.act:
            self._in_process("person", delivery, delivery.act)
        elif delivery.queue:
            self._receive(delivery)
        else:
            ended_well = self._invoke(delivery, delivery.event)
            function = functions()[delivery.function]
            if not ended_well and delivery.function != "model_sweeper":
                if delivery.attempt < function.retries:
                    self._at(self.now + 60 * (delivery.attempt + 1), replace(delivery, attempt=delivery.attempt + 1))
                else:
                    self.dead_letters.append(delivery)

    def _receive(self, first: Delivery) -> None:
        """Hand messages of a queue to its function; those that fail come again after the visibility timeout."""
        queue = queues()[first.queue]
        batch = [first]
        if queue.batch > 1:
            others = [e for e in self._heap if e[2].queue == first.queue and e[0] <= self.now + 1][: queue.batch - 1]
            batch += [entry[2] for entry in others]
            self._heap = [entry for entry in self._heap if all(entry is not other for other in others)]
            heapq.heapify(self._heap)
        received = self.now
        records = [{"messageId": str(n), "body": json.dumps(m.event, sort_keys=True)} for n, m in enumerate(batch)]
        answer: list[Any] = []
        failed = set(range(len(batch)))
        if self._invoke(first, {"Records": records}, answer):
            failures = (answer[0] or {}).get("batchItemFailures", ())
            failed = {int(failure["itemIdentifier"]) for failure in failures}
        for number in sorted(failed):
            message = replace(batch[number], attempt=batch[number].attempt + 1)
            if message.attempt >= queue.most_receives:
                self.dead_letters.append(message)
            else:
                self._at(received + queue.visibility, message)

    def _invoke(self, delivery: Delivery, event: Any, answer: list[Any] | None = None) -> bool:
        function = functions()[delivery.function]
        process = Process(function.name, self.now, self.now + function.timeout, delivery)
        os.environ["AWS_LAMBDA_FUNCTION_NAME"] = function.name
        context = SimpleNamespace(
            function_name=function.name,
            memory_limit_in_mb=256,
            invoked_function_arn=f"arn:aws:lambda:eu-west-1:111122223333:function:{function.name}",
            aws_request_id=delivery.request,
            get_remaining_time_in_millis=lambda: max(0, int((process.deadline - self.now) * 1000)),
        )

        def work() -> None:
            found = function.handler(event, context)
            if answer is not None:
                answer.append(found)

        return self._in_process(function.name, delivery, work, process)

    def _in_process(
        self, name: str, delivery: Delivery, work: Callable[[], None], process: Process | None = None
    ) -> bool:
        process = process or Process(name, self.now, self.now + 1e9, delivery)
        self.stack.append(process)
        if name not in ("person", "model_status", "ingest", "report"):
            self.tell(f"{name} begins{_about(delivery)}")
        try:
            work()
            if not process.is_dead:
                self._note_looks(process)
                return True
        except Killed:
            pass
        except Exception as fault:
            if not process.is_dead:
                self._judge(process, fault)
        finally:
            self.stack.pop()
            if self.stack:
                os.environ["AWS_LAMBDA_FUNCTION_NAME"] = self.stack[-1].function
        for mail in process.mails:
            self.excused_mails[mail] += 1
        return False

    def _note_looks(self, process: Process) -> None:
        for look in process.sent:
            earlier = [(began, ended) for began, ended in self.looks[look] if ended <= process.began]
            if earlier:
                self.blame("a look is taken once", f"watch {look[0].split('/')[3]} looked twice with number {look[2]}")
            self.looks[look].append((process.began, self.now))

    def _judge(self, process: Process, fault: Exception) -> None:
        """Whether an exception of a function is one that must be."""
        self.tell(f"{process.function} fails: {type(fault).__name__}: {str(fault)[:150]}")
        # Events that claim what nobody decided are refused, by the lack of a name as well.
        is_refusal = isinstance(fault, PermissionError | IdempotencyKeyError)
        if process.is_troubled or is_refusal or _is_throttle(fault):
            return
        self.blame(
            "functions raise nothing unforeseen", f"{process.function}: {type(fault).__name__}: {str(fault)[:300]}"
        )

    # ------------------------------------------------------------ calls to AWS
    def call(self, service: str, label: str, act: Callable[[], Any]) -> Any:
        """Carry out a call to AWS, with all that the plan has against it."""
        process = self.stack[-1] if self.stack else None
        if process is None or process.function == "person":
            return act()
        if process.is_dead:
            raise Killed
        self.now += 0.02
        self._end_in_time(process)
        address = (process.function, label)
        self.counts[address] += 1
        if label == "update_item APPROVAL APPROVAL" and (other := self._disputed.pop(self._deciding, None)):
            self._deliver(other)
        fault = self._faults.get((*address, self.counts[address]))
        if fault:
            self.tell(f"~~ {fault}")
            self._before(fault, process)
            self._end_in_time(process)
        if (fault and fault.kind == "refuse") or self._is_stormy():
            process.is_troubled = True
            raise refused(_THROTTLED.get(service, "ThrottlingException"), 503 if service == "s3" else 400)
        answer = act()
        if fault and fault.kind == "repeat":
            process.is_troubled = True
            answer = act()
        if fault and fault.kind == "kill":
            process.is_dead = True
            raise Killed
        return answer

    def _before(self, fault: Fault, process: Process) -> None:
        if len(self.stack) >= _DEPTH:
            return
        if fault.kind == "twin":
            self._deliver(replace(process.delivery, attempt=0))
        elif fault.kind == "sweep":
            self._deliver(Delivery("model_sweeper", {}))
        elif fault.kind == "pause":
            end = self.now + fault.seconds
            while self._heap and self._heap[0][0] <= end:
                self._deliver_next()
            self.now = max(self.now, end)

    def _end_in_time(self, process: Process) -> None:
        if self.now > process.deadline:
            self.tell(f"{process.function} runs out of time")
            process.is_dead = True
            raise Killed

    def _is_stormy(self) -> bool:
        since = self.now - BEGIN
        return any(0 <= since - f.number < f.seconds for f in self._storms) and self.rng.random() < 0.5

    # ------------------------------------------------------------ what leaves functions
    def _put_on_bus(self, event: dict[str, Any]) -> None:
        if "object" not in event["detail"]:
            self._tell_of(event)
        for target in targets_of(event):
            when = self.now + 0.5 + 2 * self.rng.random()
            if queue := queues().get(target):
                self._schedule(when, Delivery(queue.function, event, queue=queue.name))
            else:
                name = next(name for name in _NAMES if template.logical_id(name) == target)
                self._schedule(when, Delivery(name, event))

    def _tell_of(self, event: dict[str, Any]) -> None:
        detail = event["detail"]
        what = " ".join(
            str(detail[n]) for n in ("run_id", "stage", "environment", "status", "decision", "reasons") if detail.get(n)
        )
        self.tell(f"event {event['detail-type']}: {what or detail}")
        if event["detail-type"] == "Models Swept":
            self.swept += detail["version_arns"]

    def _sent(self, queue: str, body: dict[str, Any], delay: int) -> None:
        if self.stack and body.get("kind") == "watch" and int(body["hop"]) > 0:
            self.stack[-1].sent.append((body["version_arn"], body["cause"], int(body["hop"])))
        place = queues()[queue]
        self._schedule(self.now + delay + 0.2 + self.rng.random(), Delivery(place.function, body, queue=queue))

    def _published(self, subject: str, text: str) -> None:
        self.tell(f"mail: {subject}")
        process = self.stack[-1] if self.stack else None
        same = re.sub(r"token=[\w-]+|expires on [^\n]*", "", f"{subject}\n{text}")
        self.mails.append((subject, same, bool(process and process.is_troubled)))
        if process and process.is_troubled:
            self.excused_mails[same] += 1
        if process:
            process.mails.append(same)
        if found := re.search(r"\?token=([\w-]+)", text):
            self._put_before_a_person(found[1], re.findall(r"[\w.-]+", subject)[-1])

    def _written(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Look at a row that changed."""
        pk = str(after.get("pk", ""))
        if pk.startswith("IMAGES#") and before and str(after["sequencer"]) < str(before["sequencer"]):
            self.blame("a newer event about a file stays recorded", f"{after['sk']}: an older one came over it")
        decided = before.get("state") in ("APPROVED", "REJECTED")
        names = ("state", "approver")
        if pk.startswith("APPROVAL#") and decided and any(after.get(name) != before[name] for name in names):
            self.blame("the first decision wins", f"{before['approver']}'s {before['state']} was overwritten")
        if str(after.get("sk", "")).startswith("STAGE#") and before.get("state") in (runs.COMPLETED, runs.FAILED):
            if after["state"] == runs.IN_PROGRESS and after["cause"] == before["cause"]:
                self.blame("a cause is worked off once", f"{after['sk']} of {pk} begins again for {after['cause']}")
            if after["state"] == runs.WAITING:
                self.blame("what has ended does not wait", f"{after['sk']} of {pk} waits for {after['waiting_for']}")

    # ------------------------------------------------------------ people
    def _put_before_a_person(self, token: str, run_id: str) -> None:
        answers = self.plan.answers
        answer = answers[self._answered] if self._answered < len(answers) else Answer()
        self._answered += 1
        if answer.verdict == "ignore":
            return
        form = (token, answer.verdict, "Ada", run_id[-6:])
        self._at(self.now + answer.after, Delivery("person", None, act=lambda: self._decide(*form)))
        if answer.is_disputed:
            other = "reject" if answer.verdict == "approve" else "approve"
            self._disputed[token] = Delivery("person", None, act=lambda: self._decide(token, other, "Bo", run_id[-6:]))

    def _decide(self, token: str, verdict: str, approver: str, confirmation: str, tries: int = 0) -> None:
        """Send the form; somebody who sees an error page sends it again."""
        self.tell(f"{approver} sends the form: {verdict} {confirmation}")
        self._deciding = token
        fields = {
            "token": token,
            "decision": verdict,
            "approver": approver,
            "confirmation": confirmation,
            "comment": "",
        }
        http = {"method": "POST", "sourceIp": "198.51.100.7"}
        body = base64.b64encode(urlencode(fields).encode()).decode()
        event = {"requestContext": {"http": http}, "body": body, "isBase64Encoded": True}
        answer: list[Any] = []
        if self._invoke(Delivery("approval", event), event, answer) and answer[0]["statusCode"] < 500:
            name = approvals.name_of(token)
            state = self.table.row(name, "APPROVAL").get("state", "") if answer[0]["statusCode"] == 200 else ""
            self.tell(f"{approver} sees status {answer[0]['statusCode']} {state}")
            if state and self.decided.setdefault(name, state) != state:
                self.blame(
                    "the first decision wins", f"{approver} was shown {state}, somebody else {self.decided[name]}"
                )
        elif tries < 20:
            again = Delivery(
                "person", None, act=lambda: self._decide(token, verdict, approver, confirmation, tries + 1)
            )
            self._at(self.now + 60, again)

    def _act(self, action: Action) -> None:
        self.tell(str(action).split(" ", 1)[1])
        acts = {
            "upload": lambda: self._upload(action, 0),
            "delete": lambda: self._delete(action),
            "roll back": lambda: self._roll_back(action),
            "forge": lambda: self._forge(action),
            "repeat": lambda: self._repeat(action),
            "stop": lambda: self._stop(action),
        }
        acts[action.what]()

    def _delete(self, action: Action) -> None:
        for key in action.keys:
            if f"datasets/{action.dataset}/{key}" in self.objects.present(DATA):
                self.objects.delete_object(DATA, f"datasets/{action.dataset}/{key}")
        self._note_state(action.dataset)

    def _repeat(self, action: Action) -> None:
        for run in self.runs_of(action.dataset)[-1:]:
            key = f"runs/{run.run_id}/training_input.json"
            if text := self.objects.text(ARTIFACTS, key):
                self.objects.put_object(ARTIFACTS, key, text.encode())

    def _stop(self, action: Action) -> None:
        for arn in sorted(arn for arn in self.labels.of("RUNNING") if f"/{action.dataset}-" in arn)[:1]:
            self.labels.stop_project_version(arn)

    def _upload(self, action: Action, place: int) -> None:
        key, content = action.keys[place], action.contents[place]
        self.objects.put_object(DATA, f"datasets/{action.dataset}/{key}", picture(content))
        if place + 1 == len(action.keys):
            self._note_state(action.dataset)
        elif action.number:
            again = Delivery("person", None, act=lambda: self._upload(action, place + 1))
            self._at(self.now + action.number, again)
        else:
            self._upload(action, place + 1)

    def _note_state(self, dataset: str) -> None:
        prefix = f"datasets/{dataset}/"
        present = self.objects.present(DATA)
        self.states.append({key: version.etag for key, version in present.items() if key.startswith(prefix)})

    def _roll_back(self, action: Action) -> None:
        environment = ("production", "staging")[action.number % 2]
        history = releases.history(action.dataset, TASK, environment)
        current = releases.current(action.dataset, TASK, environment)
        others = sorted({r.run_id for r in history if not current or r.run_id != current.run_id})
        if not others:
            return
        ref = StageRef(others[action.number // 2 % len(others)], action.dataset, TASK, "rollback", environment)
        name = decisions.new_rollback(ref)
        self.people.add(name)
        decisions.note(ref, name, "Grace", "worse", is_rollback=True)
        detail = {**ref.as_detail(), "decision": name}
        del detail["stage"]
        self._put("Model Rollback Requested", detail)

    def _forge(self, action: Action) -> None:
        """Put an event that claims what nobody decided."""
        known = self.runs_of(action.dataset)
        if not known:
            return
        run, environment = known[action.number % len(known)], ("staging", "production")[action.number // 8 % 2]
        stage = (f"approve2{environment}", "inference_test")[action.number // 16 % 2]
        facts = {"run_id": run.run_id, "dataset": run.dataset, "task": TASK, "environment": environment}
        claimed = ("", "APPROVAL#none", "ROLLBACK#production#none")[action.number % 3]
        match action.number % 5:
            case 0:
                self._put("Pipeline Stage Completed", {**facts, "stage": "inference_test"})
            case 1:
                self._put("Model Rollback Requested", {**facts, "decision": claimed})
            case 2:
                self._put("Model Approval Decided", {**facts, "target": environment, "approval": claimed})
            case _:
                self._put("Pipeline Stage Retry", {**facts, "stage": stage, "decision": claimed})

    def _put(self, kind: str, detail: dict[str, Any]) -> None:
        self._ids += 1
        event = {"id": f"person-{self._ids}", "source": stack.SOURCE, "detail-type": kind, "detail": detail}
        self._put_on_bus({**event, "resources": [template.STACK_ID]})

    def runs_of(self, dataset: str) -> list[Run]:
        """All runs of a dataset, oldest first, with their stages."""
        rows = [i for (_, sk), i in self.table.memory.snapshot().items() if sk == "RUN" and i["dataset"] == dataset]
        with patch.object(table, "_table", lambda: self.table.memory):
            found = [runs.read(row["run_id"]) for row in sorted(rows, key=lambda row: str(row["created_at"]))]
        return [run for run in found if run]

    # ------------------------------------------------------------ chance that only depends on names
    def _seconds(self, status: str, name: str) -> float:
        if self.plan.account.in_step:
            return 90.0
        return random.Random(f"{self.plan.seed} {status} {name}").uniform(20, 260)

    def _quality(self, name: str) -> str:
        if not self.plan.account.bad or random.Random(f"{self.plan.seed} {name}").randrange(self.plan.account.bad):
            return cloud.GOOD
        return random.Random(f"{self.plan.seed} {name} kind").choice(
            [cloud.NOT_TRAINED, cloud.MISSES_GATE, cloud.MISSES_TEST]
        )

    # ------------------------------------------------------------ the package in this world
    @contextmanager
    def _installed(self) -> Iterator[None]:
        def sleep(seconds: float) -> None:
            self.now += seconds

        def new(kind: str) -> Callable[[], str]:
            def name() -> str:
                self._ids += 1
                return f"{kind}{self._ids}"

            return name

        time = SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now, sleep=sleep)
        here = Stack(self.variables, time, new("id"), new("token"))
        shim = time_of.shim(lambda: self.now)
        patches = [
            patch.object(stack, "here", lambda: here),
            patch.object(clients, "client", self._clients.__getitem__),
            patch.object(table, "_table", lambda: self.table),
            patch.object(once, "_store", self._store),
            patch.object(telemetry, "_put", lambda *_: None),
            patch.object(inference_test, "ThreadPoolExecutor", _OneAfterAnother),
            patch.object(ingest, "ThreadPoolExecutor", _OneAfterAnother),
            patch.object(inference_test, "random", SimpleNamespace(uniform=lambda _, most: most)),
            patch.object(ingest, "look", _look),
            # Pictures and pages are drawn from what was read; what they look like decides nothing.
            patch.object(ground_truth, "write_overlays", lambda *_: {}),
            patch.object(gallery, "_drawn", lambda *_: b"drawn"),
            patch.object(report, "encoded", lambda name, **_: name.encode()),
            *(patch.object(module, "dt", shim) for module in (once_base, once_rows, datarecord, dynamodb)),
            patch.dict(os.environ),
        ]
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            for entry in patches:
                entry.start()
            yield
        finally:
            for entry in reversed(patches):
                entry.stop()
            logging.disable(disabled)

    def _store(self) -> DynamoDBPersistenceLayer:
        name = self.stack[-1].function
        if name not in self._stores:
            client = Client("once", self.once_rows, self.call)
            self._stores[name] = DynamoDBPersistenceLayer(table_name="idempotency", boto3_client=client)
        return self._stores[name]


class _OneAfterAnother:
    """An executor without threads: the order of calls is that of the history."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> "_OneAfterAnother":
        return self

    def __exit__(self, *_: object) -> None: ...

    map = staticmethod(map)


_looked = ingest.look


@lru_cache(maxsize=20000)
def _look(*arguments: Any) -> Any:
    return _looked(*arguments)


def _about(delivery: Delivery) -> str:
    event = delivery.event if isinstance(delivery.event, dict) else {}
    detail = event.get("detail", event)
    if "requestContext" in event:
        return ""
    about = detail.get("run_id") or detail.get("object", {}).get("key") or detail.get("dataset", "")
    more = " ".join(str(detail[n]) for n in ("stage", "environment", "status") if detail.get(n))
    again = f" (attempt {delivery.attempt + 1})" if delivery.attempt else ""
    return f" with {event.get('detail-type', 'a message')} {about} {more}{again}".rstrip()


def _is_throttle(fault: BaseException) -> bool:
    if isinstance(fault, ClientError):
        return clients.code_of(fault) in (*_THROTTLED.values(), "ThrottlingException")
    nested = getattr(fault, "exceptions", ()) or ([fault.__cause__] if fault.__cause__ else [])
    return any(_is_throttle(part) for part in nested)
