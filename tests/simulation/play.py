"""One history, played: the real handlers, events that find them by the rules of the template, and what goes wrong.

Everything happens one after the other and by simulated time. When a function is halted inside of a call to AWS, what is
due meanwhile is delivered then and there; or another one takes turns with it at every call of either (`lanes`).
"""

import heapq
import json
import logging
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.idempotency import base as once_base
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyKeyError
from aws_lambda_powertools.utilities.idempotency.persistence import base as once_rows
from aws_lambda_powertools.utilities.idempotency.persistence import datarecord, dynamodb
from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import ahead, clients, once, telemetry
from mlops.judging import intervals
from mlops.models import asking
from mlops.records import drifts, runs, spending, table, waiting_line
from mlops.records.runs import Run
from mlops.stack import Stack
from mlops.stages import inference_test, ingest, inspect
from tests.infrastructure import template
from tests.simulation import cloud, time_of
from tests.simulation.cloud import Call, Client, CustomLabels, Objects, OnceRows, Outgoing, Rows, refused
from tests.simulation.deployed import functions, name_of, queues, schedules, targets_of
from tests.simulation.lanes import Lanes
from tests.simulation.people import ARTIFACTS, DATA, People
from tests.simulation.pictures import looked_at_once
from tests.simulation.plans import BOTH, HOUR, LOSABLE, SPELLS, Fault, Plan, clock
from tests.simulation.rows import Writer, wrong_with
from tests.unit.mlops.settling import OWN_SETTINGS
from tests.unit.mlops.world import ACCOUNT, SETTINGS, Killed

QUIET, POLL, LEASE = 120, 60, 30
BEGIN = 1_800_000_000.0
_LIMITS = {"f1": 0.5, "false_alarm_rate": 1, "missing_images": 0.5}
_PROJECTS = {
    task: {
        environment: f"arn:aws:rekognition:eu-west-1:{ACCOUNT}:project/s-{task}-{environment}/1"
        for environment in ("development", "staging", "production")
    }
    for task in BOTH
}
VARIABLES = {
    **SETTINGS,
    **OWN_SETTINGS,
    "PROJECTS": json.dumps(_PROJECTS),
    "STACK_ID": template.STACK_ID,
    "DATA_BUCKET": DATA,
    "ARTIFACTS_BUCKET": ARTIFACTS,
    "SETTLE_QUEUE_URL": "SettlingQueue",
    "STATUS_QUEUE_URL": "ModelStatusQueue",
    "INSPECTION_QUEUE_URL": "InspectionQueue",
    "SERVING_QUEUE_URL": "ServingQueue",
    "SETTLE_SECONDS": str(QUIET),
    "POLL_SECONDS": str(POLL),
    "LEASE_MINUTES": str(LEASE),
    "REVIEW_SHARE": "60",
    "GATES": json.dumps({task: {"f1": 0.5, "label_f1": 0.5, "labels": ""} for task in BOTH}),
    "INFERENCE_LIMITS": json.dumps({BOTH[0]: {**_LIMITS, "accuracy": 0.5}, BOTH[1]: _LIMITS}),
}
# More than two datasets with two tasks and two environments each can have.
_ENOUGH_MODELS = 10
# Longer than any function may run.
_LONGEST_RUN = 1000.0
_DEPTH, _MOST_DELIVERIES, _MOST_SECONDS = 3, 9000, 72 * HOUR
# In a spell: how much later a delivery comes again, or comes at all; how many calls let another function in, that is
# due within so many seconds; and after how many calls a process ends.
_ECHOES = (0.0, 0.0, 1.0, 30.0, 90.0, 400.0, 2000.0)
_LAGS = (0.0, 0.0, 5.0, 30.0, 90.0, 400.0)
_CROWDED, _CROWD_SECONDS, _DEATHS = 0.15, 50.0, 0.02
_THROTTLED = {
    "s3": "SlowDown",
    "dynamodb": "ProvisionedThroughputExceededException",
    "once": "ProvisionedThroughputExceededException",
}
# What a function does all the time and that decides nothing is not told.
_SILENT = ("person", "model_status", "ingest", "report", "choosing", "inspect", "serve")
# After these calls a mail, or what was put, is noted: nothing that happens later sends it again.
_NOTED = {
    "approval": ("put_item RUN APPROVAL",),
    "notification": ("update_item",),
    "inspect": ("update_item INSPECTION INSPECTION",),
}


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
    # The token of a form that somebody sent.
    about: str = ""
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
    # Mails that were sent and pictures that were told of, while nothing notes it yet.
    unnoted: list[str] = field(default_factory=list)
    review_mail: tuple[str, int] | None = None
    sent: list[tuple[str, str, int]] = field(default_factory=list)


class Violation(AssertionError):  # noqa: N818
    """What a history shows is not as it must be; `rule` names what is broken."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class Play:
    """A history as it goes. `broken` is what was seen to be wrong on the way.

    `permit` is asked before every call, with the name of the function, and may raise what AWS would answer. With
    `draws` pictures and pages are drawn as well, which takes its time; if it `stops_early`, at the first broken rule.
    """

    def __init__(
        self,
        plan: Plan,
        permit: Callable[[str, Call], None] = lambda *_: None,
        *,
        draws: bool = False,
        stops_early: bool = False,
    ) -> None:
        self.plan, self.now, self.rng = plan, BEGIN, random.Random(plan.seed)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.story: list[str] = []
        self.broken: list[tuple[str, str]] = []
        self.dead_letters: list[Delivery] = []
        self.given_up: Counter[str] = Counter()
        self.deliveries = 0
        self.stack: list[Process] = []
        self.mails: list[tuple[str, str]] = []
        # Mails and pictures that may have been told of once more than there is a reason for.
        self.excused: Counter[str] = Counter()
        self.inspected: Counter[str] = Counter()
        # Mails about reviews, by what they are about and by day, but for those that may come once more.
        self.review_mails: Counter[tuple[str, int]] = Counter()
        self.tested_starts: list[str] = []
        self.swept: list[str] = []
        self.pruned: list[str] = []
        self.looks: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
        self._permit, self._draws, self._stops_early = permit, draws, stops_early
        self._lanes: Lanes | None = None
        self._are_lanes_ending = False
        self._heap: list[tuple[float, int, Delivery]] = []
        self._order, self._ids = 0, 0
        self._faults = {(f.function, f.call, f.number): f for f in plan.faults if f.kind not in SPELLS}
        self._spells = {kind: [f for f in plan.faults if f.kind == kind] for kind in SPELLS}
        self._chance = random.Random(f"{plan.seed} spells")
        # Deliveries of which every attempt ends after a certain call: their request, and that call.
        self._doomed: set[tuple[str, str]] = set()
        self._ticks = {name: BEGIN + seconds for name, seconds in schedules().items()}
        account = plan.account
        self.objects = Objects(self, self.put_on_bus, page_size=account.page)
        self.labels = CustomLabels(
            self,
            self.objects,
            self._seconds,
            self.quality,
            trainings=account.trainings,
            running=account.running,
            copies=account.copies,
            stops_while_starting=account.stops_while_starting,
            page_size=account.page,
        )
        self.objects.signed = self._signed
        self.out = Outgoing(self._sent, self.put_on_bus, self._published)
        self.once_rows = OnceRows(self)
        self.table = Rows(self, self.call, account.index_lag, account.page)
        self.table.written = self._written
        self.people = People(self)
        self._stores: dict[str, DynamoDBPersistenceLayer] = {}
        self._clients = {
            "s3": Client("s3", self.objects, self.call),
            "rekognition": Client("rekognition", self.labels, self.call),
            **{name: Client(name, self.out, self.call) for name in ("sqs", "events", "sns", "ssm")},
        }
        stays = {"staging": account.staging_stays, "production": account.production_stays}
        self.variables = {
            **VARIABLES,
            "TASKS": "both" if len(account.tasks) == 2 else account.tasks[0],
            "ALWAYS_ON": json.dumps({environment: str(wanted).lower() for environment, wanted in stays.items()}),
            "RUNNING_MODELS": str(account.running),
            "KEEP_MODELS": str(account.keep_models),
            "MONTHLY_BUDGET": str(account.budget),
            "ENOUGH_PICTURES": str(account.enough_pictures),
            "MOST_WAIT_MINUTES": str(account.most_wait_minutes),
            "RETRAIN_AFTER": str(account.retrain_after),
        }

    # ------------------------------------------------------------ the whole of it
    def run(self) -> None:
        """Play the plan to its end, then deliver what lies in dead letters, and let all leases end."""
        with self._installed():
            for action in self.plan.actions:
                self.later(action.at, lambda action=action: self.people.act(action))
            last = max((action.at for action in self.plan.actions), default=0)
            if self.plan.account.budget or len(self.plan.account.tasks) == 2:
                self.later(last + 2 * HOUR, self._raise_limits)
            self._drain(hours=last / HOUR)
            for _ in range(2):
                letters, self.dead_letters = self.dead_letters, []
                # Hours in which nothing comes are most of what a history costs.
                if not letters:
                    break
                for letter in letters:
                    self.tell(f"somebody delivers a dead letter of {letter.function} again")
                    # Not before whoever had it is surely dead: until then it is taken for one that comes twice.
                    self._at(self.now + _LONGEST_RUN, replace(letter, attempt=0))
                self._drain(hours=1)
            self._faults.clear()
            self._spells.clear()
            self._drain(hours=3)

    def _raise_limits(self) -> None:
        """What people were told to do: pictures wait for it until then."""
        self.tell("somebody raises MonthlyBudget, the quota of running models, and RunningModels")
        self.labels.running = _ENOUGH_MODELS
        self.variables |= {"MONTHLY_BUDGET": "0", "RUNNING_MODELS": str(_ENOUGH_MODELS)}

    def _drain(self, hours: float) -> None:
        """Deliver all that is due, and what the schedules of the template say, for so many hours at least."""
        end = self.now + hours * HOUR
        while (self._heap or self.now < end) and not (self.broken and self._stops_early):
            due = self._heap[0][0] if self._heap else end
            name = min(self._ticks, key=lambda tick: (self._ticks[tick], tick))
            if self._ticks[name] <= due:
                self.now = max(self.now, self._ticks[name])
                self._ticks[name] += schedules()[name]
                self._schedule(self.now, Delivery(name, {}))
            elif self._heap:
                self._deliver_next()
            else:
                self.now = end
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

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Let a person do something after so many seconds."""
        self._at(self.now + seconds, Delivery("person", None, act=act))

    def _schedule(self, when: float, delivery: Delivery) -> None:
        """Let something new come to a function, unless the plan has something against it."""
        self.counts[delivery.function, ""] += 1
        fault = self._faults.get((delivery.function, "", self.counts[delivery.function, ""]))
        is_of_s3 = isinstance(delivery.event, dict) and "object" in delivery.event.get("detail", {})
        if fault and fault.kind == "lose" and is_of_s3 and delivery.function in LOSABLE:
            self.tell(f"~~ {fault}")
            return
        if fault and fault.kind == "delay":
            self.tell(f"~~ {fault}")
            when += fault.seconds
        if fault and fault.kind == "duplicate":
            self.tell(f"~~ {fault}")
            self._at(when + fault.seconds, replace(delivery))
        if self._has_spell("echo", delivery.function):
            self._at(when + self._chance.choice(_ECHOES), replace(delivery))
        if self._has_spell("lag", delivery.function):
            when += self._chance.choice(_LAGS)
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
            if not ended_well:
                if delivery.attempt < function.retries:
                    self._at(self.now + 60 * (delivery.attempt + 1), replace(delivery, attempt=delivery.attempt + 1))
                else:
                    self._give_up(delivery)

    def _give_up(self, delivery: Delivery) -> None:
        self.dead_letters.append(delivery)
        self.given_up[delivery.function] += 1

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
                self._give_up(message)
            else:
                self._at(received + queue.visibility, message)

    def answer_of(self, function: str, event: dict[str, Any], about: str) -> Any:
        """What a function answers to a request; None where it fails."""
        answer: list[Any] = []
        self.deliveries += 1
        delivery = Delivery(function, event, request=f"request{self.deliveries}", about=about)
        return answer[0] if self._invoke(delivery, event, answer) else None

    def _invoke(self, delivery: Delivery, event: Any, answer: list[Any] | None = None) -> bool:
        function = functions()[delivery.function]
        process = Process(function.name, self.now, self.now + function.timeout, delivery)
        os.environ["AWS_LAMBDA_FUNCTION_NAME"] = function.name
        # What another function keeps, or one of another history.
        drifts._looks_then.cache_clear()
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
        if name not in _SILENT and (delivery.event or name == "model_sweeper"):
            self.tell(f"{name} begins{_about(delivery)}")
        lanes = self._lanes
        try:
            work()
            if not process.is_dead:
                self._note_looks(process)
                # It says in its answer which pictures are to come again.
                if name == "inspect":
                    self.excused.update(process.unnoted)
                return True
        except Killed:
            pass
        except Exception as fault:
            if not process.is_dead:
                self._judge(process, fault)
        finally:
            if self._lanes and self._lanes is not lanes:
                self._end_lanes()
            self.stack.pop()
            if self.stack:
                os.environ["AWS_LAMBDA_FUNCTION_NAME"] = self.stack[-1].function
        self.excused.update(process.unnoted)
        self._excuse_review_mail(process)
        return False

    def _excuse_review_mail(self, process: Process) -> None:
        """Nobody knows that it was sent: it comes once more."""
        if process.review_mail:
            self.review_mails[process.review_mail] -= 1

    def _begin_lanes(self, process: Process, seconds: float) -> None:
        """Let what is due next, or the same event once more, run beside a function."""
        mine = list(self.stack)

        def other() -> None:
            self.stack = list(mine)
            if self._heap and self._heap[0][0] <= self.now + seconds:
                self._deliver_next()
            else:
                self._deliver(replace(process.delivery, attempt=0))

        self._lanes = Lanes(random.Random(f"{self.plan.seed} {self.now}"), other)

    @property
    def _may_have_lanes(self) -> bool:
        """Whether nothing runs beside anything else: of lanes in lanes each might wait for the other."""
        return self._lanes is None and not self._are_lanes_ending

    def _end_lanes(self) -> None:
        mine = self.stack
        lanes, self._lanes = self._lanes, None
        assert lanes
        self._are_lanes_ending = True
        try:
            lanes.end()
        finally:
            self._are_lanes_ending = False
        self.stack = mine

    def _pass_lanes(self, process: Process) -> None:
        if self._may_have_lanes and self._has_spell("crowd", process.function) and self._chance.random() < _CROWDED:
            self._begin_lanes(process, _CROWD_SECONDS)
        if self._lanes:
            mine = self.stack
            self._lanes.at_a_call()
            self.stack = mine
            os.environ["AWS_LAMBDA_FUNCTION_NAME"] = mine[-1].function

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
    def call(self, call: Call, act: Callable[[], Any]) -> Any:
        """Carry out a call to AWS, with all that the plan has against it."""
        process = self.stack[-1] if self.stack else None
        if process is None or process.function == "person":
            return act()
        if process.is_dead:
            raise Killed
        self.now += 0.02
        self._end_in_time(process)
        address = (process.function, call.label)
        self.counts[address] += 1
        if call.label == "update_item APPROVAL APPROVAL":
            self._dispute(process.delivery.about)
        fault = self._faults.get((*address, self.counts[address]))
        if fault:
            self.tell(f"~~ {fault}")
            self._before(fault, process)
        self._pass_lanes(process)
        self._end_in_time(process)
        self._permit(process.function, call)
        if (fault and fault.kind == "refuse") or (self._has_spell("storm", "") and self.rng.random() < 0.5):
            process.is_troubled = True
            raise refused(_THROTTLED.get(call.service, "ThrottlingException"), 503 if call.service == "s3" else 400)
        if fault and fault.kind == "entry":
            process.is_troubled = self.out.refuses_one = True
        if call.operation == "detect_custom_labels" and process.function == "inference_test":
            self.now += self.plan.account.answer_seconds
        answer = act()
        if fault and fault.kind == "repeat":
            answer = self._once_more(process, act)
        self._note(process, call)
        if self._is_the_end(fault, process, call):
            process.is_dead = True
            raise Killed
        return answer

    def _once_more(self, process: Process, act: Callable[[], Any]) -> Any:
        """The answer to a call that was carried out twice."""
        process.is_troubled = True
        before = len(process.unnoted)
        answer = act()
        # Nothing tells SNS and EventBridge that it is the same once more.
        self.excused.update(process.unnoted[before:])
        self._excuse_review_mail(process)
        del process.unnoted[before:]
        return answer

    def _is_the_end(self, fault: Fault | None, process: Process, call: Call) -> bool:
        """Whether a process ends after a call."""
        if fault and fault.kind == "doom" and process.delivery.request:
            self._doomed.add((process.delivery.request, call.label))
        if self._has_spell("deaths", process.function) and self._chance.random() < _DEATHS:
            self.tell(f"~~ the process of {process.function} ends right after {call.label!r}")
            return True
        if self._doomed and (process.delivery.request, call.label) in self._doomed:
            return True
        return fault is not None and fault.kind == "kill"

    def _signed(self, bucket: str, key: str) -> None:
        """A link was made: whoever opens it has the rights of the function."""
        self._permit(self.stack[-1].function, Call("s3", "presign", {"Bucket": bucket, "Key": key}, "presign"))

    def _note(self, process: Process, call: Call) -> None:
        if call.label == "update_item REVIEWS MAIL":
            process.review_mail = None
        # The mail of a day is claimed before it is sent.
        if call.label in _NOTED.get(process.function, ()) or process.function == "retraining":
            del process.unnoted[-1:]
        if call.operation == "start_project_version":
            self._note_start(process)
            version_arn = str(call.request["ProjectVersionArn"])
            self._require_turn(process, waiting_line.running_in(version_arn), version_arn.split("/")[3])
        if call.operation == "stop_project_version" and process.function == "model_sweeper":
            self._require_no_lease(process, str(call.request["ProjectVersionArn"]))
        if call.operation == "create_project_version":
            self._require_turn(process, waiting_line.TRAINING, str(call.request["VersionName"]))

    def _require_no_lease(self, process: Process, version_arn: str) -> None:
        """The sweeper stops nothing that somebody may use; but for what was leased while it was at it."""
        lease = self.table.row(f"LEASE#{version_arn}", "LEASE")
        if lease and lease["started_at"] < process.began and lease["expires_at"] > self.now:
            self.blame("nothing is stopped that has a lease", f"{version_arn} has one for {lease['stage']}")

    def _require_turn(self, process: Process, kind: str, run_id: str) -> None:
        """Whoever takes a slot was first in line. What always runs does not line up."""
        if process.function == "serve" and not process.delivery.event:
            return
        with patch.object(table, "_table", lambda: self.table.memory):
            first = waiting_line.first_of(kind)
        # Who lined up while this was under way may be overtaken.
        if first is None or first.since > process.began * 1000:
            return
        place, dataset = first.name.rsplit("#", 1)[0], run_id.rsplit("-", 2)[0]
        if place not in (run_id, f"inspections of {dataset}"):
            self.blame("whoever has waited longest is next", f"{run_id} took a slot for which {place} waited longer")

    def _note_start(self, process: Process) -> None:
        if process.function != "serve":
            self.tested_starts.append(self.labels.started[-1])
            return
        # What always runs is not for single pictures: the budget is not for it.
        if not process.delivery.event:
            return
        budget = float(self.variables["MONTHLY_BUDGET"])
        with patch.object(table, "_table", lambda: self.table.memory):
            spent = spending.total(spending.month_of(self.now))
        if budget and spent >= budget:
            self.blame("the budget is kept", f"a model is started though {spent:.2f} of {budget:.2f} dollars are spent")

    def _dispute(self, token: str) -> None:
        if other := self.people.disputes.pop(token, None):
            self._deliver(Delivery("person", None, act=other))

    def _before(self, fault: Fault, process: Process) -> None:
        if fault.kind == "weave" and self._may_have_lanes:
            self._begin_lanes(process, fault.seconds)
            return
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

    def _has_spell(self, kind: str, function: str) -> bool:
        # There are tens of thousands of calls in a history, and few have any.
        if not (spells := self._spells.get(kind)):
            return False
        since = self.now - BEGIN
        return any(f.function in ("", function) and 0 <= since - f.number < f.seconds for f in spells)

    # ------------------------------------------------------------ what leaves functions
    def put_on_bus(self, event: dict[str, Any]) -> None:
        if "object" not in event["detail"]:
            self._tell_of(event)
        for target in targets_of(event):
            when = self.now + 0.5 + 2 * self.rng.random()
            if queue := queues().get(target):
                self._schedule(when, Delivery(queue.function, event, queue=queue.name))
            else:
                self._schedule(when, Delivery(name_of(target), event))

    def _tell_of(self, event: dict[str, Any]) -> None:
        detail = event["detail"]
        what = " ".join(
            str(detail[n]) for n in ("run_id", "stage", "environment", "status", "decision", "reasons") if detail.get(n)
        )
        self.tell(f"event {event['detail-type']}: {what or detail}")
        if event["detail-type"] == "Models Swept":
            self.swept += detail["version_arns"]
        if event["detail-type"] == "Models Deleted":
            self.pruned += detail["version_arns"]
        if event["detail-type"] == "Part Inspected":
            self.inspected[detail["key"]] += 1
            self.stack[-1].unnoted.append(detail["key"])

    def _sent(self, queue: str, body: dict[str, Any], delay: int) -> None:
        if self.stack and body.get("kind") == "watch" and int(body["hop"]) > 0:
            self.stack[-1].sent.append((body["version_arn"], body["cause"], int(body["hop"])))
        place = queues()[queue]
        self._schedule(self.now + delay + 0.2 + self.rng.random(), Delivery(place.function, body, queue=queue))

    def _published(self, subject: str, text: str) -> None:
        self.tell(f"mail: {subject}")
        same = re.sub(r"token=[\w-]+|expires on [^\n]*", "", f"{subject}\n{text}")
        self.mails.append((subject, same))
        if "/review?" in text:
            of_day = subject.split(" of ", 1)[-1], int(self.now // (24 * HOUR))
            self.review_mails[of_day] += 1
            self.stack[-1].review_mail = of_day
        self.stack[-1].unnoted.append(same)
        self.people.read_mail(subject, text)

    def _written(self, _: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if not before:
            return
        process = self.stack[-1] if self.stack else None
        writer = Writer(process.function if process else "", process.delivery.event if process else {}, self.now)
        for rule, message in wrong_with(before, after, writer):
            self.blame(rule, message)

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

    def quality(self, name: str) -> str:
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
            *(
                patch.object(module, "ThreadPoolExecutor", _OneAfterAnother)
                for module in (inference_test, ingest, inspect)
            ),
            patch.object(ahead, "_POOL", _AtOnce()),
            patch.object(asking, "random", SimpleNamespace(uniform=lambda _, most: most)),
            patch.object(inference_test, "_PIECE", self.plan.account.piece),
            # Before Python 3.12 all instances have one lock, at which a lane would wait for the other for ever.
            *(
                patch.object(one, "lock", nullcontext())
                for one in _cached_in(inference_test._Test)
                if hasattr(one, "lock")
            ),
            # How sure a number is decides nothing here.
            patch.object(intervals, "_MOST_WEIGHTS", 0),
            patch.object(intervals, "_LEAST_DRAWS", 20),
            *(patch.object(module, "dt", shim) for module in (once_base, once_rows, datarecord, dynamodb)),
            patch.dict(os.environ),
        ]
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            for entry in patches:
                entry.start()
            with nullcontext() if self._draws else looked_at_once():
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


class _AtOnce:
    """A pool that has done what it is given before it says so."""

    def submit(self, act: Callable[[Any], Any], about: Any) -> Any:
        answer = act(about)
        return SimpleNamespace(result=lambda: answer)


def _cached_in(kind: type) -> list[Any]:
    return [one for one in vars(kind).values() if isinstance(one, cached_property)]


class _OneAfterAnother:
    """An executor without threads: the order of calls is that of the history."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> "_OneAfterAnother":
        return self

    def __exit__(self, *_: object) -> None: ...

    map = staticmethod(map)


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
