"""What is played to see which rights are used: a calm history of both tasks, and what happens rarely."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest.mock import patch

from mlops import stack
from mlops.aws import clients
from mlops.judging import drift
from mlops.stages import stack_deletion
from tests.infrastructure import template
from tests.rights.granted import Grant, Need, grants
from tests.rights.needed import needs
from tests.simulation.cloud import Call, Client, refused
from tests.simulation.people import ARTIFACTS, DATA, People, Visit
from tests.simulation.pictures import bytes_of
from tests.simulation.plans import (
    BOTH,
    DEEP,
    DEEPER,
    HOUR,
    Account,
    Action,
    Fault,
    Plan,
    calm,
    first_upload,
    new_pictures,
)
from tests.simulation.play import Play, Violation
from tests.simulation.rules import broken_at_the_end

World = AbstractContextManager[Any]
# A function, and an action that it is refused.
Pair = tuple[str, str]


@dataclass(frozen=True)
class Story:
    """A history that uses rights. `around` changes the world in which it is played."""

    name: str
    plan: Plan
    around: Callable[[Play], World] = lambda _: nullcontext()


@dataclass
class Watch:
    """Every right that is used, and how, and what is used that nobody granted; the pairs in `without` are refused."""

    without: frozenset[Pair] = frozenset()
    used: dict[Grant, str] = field(default_factory=dict)
    missing: set[tuple[str, Need]] = field(default_factory=set)
    was_refused: bool = False

    def permit(self, play: Callable[[], Play], function: str, call: Call) -> None:
        """Let a call through, or answer as AWS does."""
        for need in needs(call, play().objects):
            found = [grant for grant in grants() if grant.role == function and grant.lets(need)]
            for grant in found:
                self.used.setdefault(grant, f"{call.operation} {need.resource.rsplit(':', 1)[-1]}")
            if not found:
                self.missing.add((function, need))
            if not any(grant.pair not in self.without for grant in found):
                self.was_refused = True
                raise refused("AccessDenied", 403)


@contextmanager
def _attached(play: Play) -> Iterator[None]:
    """Somebody opened the project in the console, and datasets were attached to it."""

    def refuse(**_: Any) -> None:
        raise refused("InvalidParameterException")

    with patch.object(play.labels, "create_project_version", refuse):
        yield


@contextmanager
def _deleted(play: Play) -> Iterator[None]:
    """The stack is deleted while a model runs."""
    names = ("StackId", "RequestId", "LogicalResourceId")
    told = {"RequestType": "Delete", "ResponseURL": "https://x", **dict.fromkeys(names, "x")}
    play.later(2 * HOUR, lambda: play.answer_of("model_sweeper", told, about=""))
    with patch.object(stack_deletion, "urlopen", lambda *_, **__: nullcontext()):
        yield


@contextmanager
def _gone(play: Play) -> Iterator[None]:
    """Somebody clears up: a picture before anybody has looked at it, a result, the looks, what a run wrote."""

    def drop(key: str, content: int) -> None:
        play.objects.put_object(DATA, key, bytes_of(content))

    def take_away() -> None:
        drop("inspect/parts/gone.png", 1)
        play.objects.delete_object(DATA, "inspect/parts/gone.png")
        play.objects.delete_object(ARTIFACTS, "results/parts/100.png.json")
        drop("inspect/parts/100.png", 100)

    def forget() -> None:
        play.objects.delete_object(ARTIFACTS, "datasets/parts/looks.json")
        for key in list(play.objects.present(ARTIFACTS)):
            if key.startswith("runs/") and key.endswith("/ground_truth.json"):
                play.objects.delete_object(ARTIFACTS, key)

    # Before models run for the first pictures, and while the reviews of those wait.
    play.later(2 * HOUR + 10, forget)
    play.later(3.5 * HOUR, take_away)
    yield


@contextmanager
def _drifted(_: Play) -> Iterator[None]:
    """A few pictures are enough to say that they look otherwise."""
    with (
        patch.object(drift, "LEAST", 3),
        patch.object(drift, "LEAST_REFERENCE", 3),
        patch.object(drift, "limit_of", lambda *_: -1.0),
    ):
        yield


@contextmanager
def _by_the_clock(play: Play) -> Iterator[None]:
    shift = {"SERVING_MODE": "hours", "SERVING_HOURS": "mon-sun 00:00-24:00"}
    for at, changes in ((2 * HOUR, shift), (3 * HOUR, {"SERVING_MODE": "on-demand"})):
        play.later(at, lambda changes=changes: play.variables.update(changes))
    yield


@contextmanager
def _for_a_while(play: Play) -> Iterator[None]:
    """Whoever runs the stack wants what is released in staging to run always, and some hours later no more."""
    for at, wanted in ((2 * HOUR, "true"), (4 * HOUR, "false")):
        always = {"ALWAYS_ON": json.dumps({"staging": wanted, "production": "false"})}
        play.later(at, lambda always=always: play.variables.update(always))
    yield


@contextmanager
def _untested(play: Play) -> Iterator[None]:
    """An event asks for the test of a model that has not passed the gate."""

    def ask() -> None:
        for run in play.runs_of("parts"):
            about = {"run_id": run.run_id, "dataset": "parts", "task": run.task, "environment": "development"}
            told = {"detail-type": "Pipeline Stage Retry", "source": stack.SOURCE, "resources": [template.STACK_ID]}
            play.put_on_bus({**told, "id": "x", "detail": {**about, "stage": "inference_test", "decision": ""}})

    play.later(250, ask)
    yield


@contextmanager
def _second_thoughts(_: Play) -> Iterator[None]:
    """Every reviewer goes back from the second picture to the first, and does not know any more."""
    filled = People._filled

    def refilled(self: People, visit: Visit, keep: list[str]) -> dict[str, Any]:
        thought = {2: "back", 3: "unknown"}.get(visit.seen)
        return filled(self, visit, keep) | ({"answer": thought} if thought else {})

    with patch.object(People, "_filled", refilled):
        yield


@contextmanager
def _one_review_a_day(play: Play) -> Iterator[None]:
    play.variables["REVIEWS_PER_DAY"] = "1"
    yield


@contextmanager
def _other_accounts(play: Play) -> Iterator[None]:
    """Staging and production are in accounts of their own, where a role lets everything be done."""
    roles = {name: template.OPTIONS[f"{name.capitalize()}Role"] for name in ("staging", "production")}
    places = {
        task: {
            name: f"arn:aws:rekognition:eu-west-1:{role.split(':')[4]}:project/elsewhere-{task}-{name}/1"
            for name, role in roles.items()
        }
        for task in BOTH
    }
    play.variables |= {"ROLES": json.dumps(roles), "PROJECTS_ELSEWHERE": json.dumps(places)}
    play.variables["BUCKETS"] = json.dumps(dict.fromkeys(roles, "theirs"))
    backends: dict[str, Any] = {"rekognition": play.labels, "ssm": play.out}

    def client_with(role: str, service: str, _: int) -> Client:
        play.call(Call("sts", "assume_role", {"RoleArn": role}, "assume_role"), lambda: None)
        return Client(service, backends[service], lambda _, act: act())

    policies: dict[str, Any] = {
        "list_project_policies": lambda **_: {"ProjectPolicies": []},
        "put_project_policy": lambda **_: {},
        "delete_project_policy": lambda **_: {},
    }
    play.labels.__dict__ |= policies
    with patch.object(clients, "_client_with", client_with):
        yield


_FIRST = first_upload("parts", 60)
_ONE = Account(tasks=BOTH[:1])
_ON_DEMAND = replace(_ONE, production_stays=False)
_AGAIN = tuple(Action(n * HOUR, "upload", "parts", (f"train/good/{n}.png",), (30 + n,)) for n in (3, 4, 5))
# Of each function that works once for a cause, a call that is refused: the next attempt begins anew.
_REFUSED = (
    *(("approval", "publish"), ("data_prepare", "list_objects_v2 datasets"), ("eval_metric", "get_item RUN RUN")),
    *(("inference_test", "get_object images.jsonl"), ("inspect", "get_object inspect"), ("notification", "publish")),
    *(("promotion", "get_item RUN RUN"), ("training", "create_project_version")),
)


def _story(name: str, actions: tuple[Action, ...], account: Account = _ONE, **more: Any) -> Story:
    faults = more.pop("faults", ())
    return Story(name, Plan("rights", actions, faults=faults, account=account), **more)


STORIES = (
    Story("both tasks, from the upload to reviews", calm(tasks=BOTH), _second_thoughts),
    _story("a project with datasets", (_FIRST,), around=_attached),
    _story("a stack that is deleted", (_FIRST,), Account(staging_stays=True), around=_deleted),
    _story(
        "a model that nobody stops, and models that nobody releases",
        (_FIRST, *_AGAIN),
        replace(_ONE, bad=1, keep_models=1),
        faults=tuple(Fault("kill", "inference_test", "detect_custom_labels", number) for number in range(1, 5)),
    ),
    _story(
        "uploads that no event tells of", (_FIRST,), faults=tuple(Fault("lose", "ingest", "", n) for n in range(1, 9))
    ),
    _story(
        "stages that no event tells of",
        (_FIRST,),
        faults=(Fault("lose", "data_prepare", "", 1), Fault("lose", "training", "", 1)),
    ),
    _story(
        "pictures of sixteen bits",
        (
            _FIRST,
            Action(70, "upload", "parts", ("train/good/8.png", "test/good/9.png"), (DEEP, DEEPER), 5),
            Action(3 * HOUR, "inspect", "parts", ("deep.png",), (DEEP,)),
        ),
    ),
    _story("pictures that are gone", (_FIRST, new_pictures("parts", 2 * HOUR, 6)), _ON_DEMAND, around=_gone),
    _story("pictures that look otherwise", (_FIRST, new_pictures("parts", 2 * HOUR, 4)), around=_drifted),
    _story("hours of serving", (_FIRST,), _ON_DEMAND, around=_by_the_clock),
    _story(
        "staging that always runs, for a while",
        (_FIRST, Action(5 * HOUR, "delete", "parts", ("none.png",))),
        _ON_DEMAND,
        around=_for_a_while,
    ),
    _story(
        "a budget that is used up",
        (_FIRST, new_pictures("parts", 2 * HOUR, 1), new_pictures("parts", 4 * HOUR, 1, contents=101)),
        replace(_ON_DEMAND, budget=0.01),
    ),
    _story(
        "more reviews than a day has room for", (_FIRST, new_pictures("parts", 2 * HOUR, 8)), around=_one_review_a_day
    ),
    _story(
        "a day of inspections that ends",
        (_FIRST, new_pictures("parts", 2 * HOUR, 2), Action(20 * HOUR, "delete", "parts", ("none.png",))),
    ),
    _story(
        "events that nobody stands behind",
        (_FIRST, *(Action(600 + 60 * n, "forge", "parts", number=n) for n in range(30))),
        around=_untested,
    ),
    _story(
        "calls that AWS refuses",
        (_FIRST, new_pictures("parts", 2 * HOUR, 1)),
        faults=tuple(Fault("refuse", function, call, 1) for function, call in _REFUSED),
    ),
    _story(
        "staging and production in other accounts",
        (_FIRST, new_pictures("parts", 2 * HOUR, 1)),
        _ON_DEMAND,
        around=_other_accounts,
    ),
)


@dataclass(frozen=True)
class Ending:
    """What has come of a story: rules that are broken, whose deliveries were given up, and which objects there are."""

    broken: tuple[str, ...]
    given_up: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()

    def beside(self, usual: "Ending") -> str:
        """What is otherwise than it is usually; empty when nothing is."""
        if self.broken != usual.broken:
            return "; ".join(self.broken[:1]) or "nothing is wrong any more"
        if alarms := sorted(self.given_up - usual.given_up):
            return f"dead letters of {', '.join(alarms)}"
        missing = sorted(usual.objects - self.objects)
        return f"{len(missing)} objects are missing, such as {missing[0]}" if missing else ""


def played(story: Story, watch: Watch) -> Ending:
    """Play a story under a watch, to its end or to the first rule that is broken."""
    made: list[Play] = []
    play = Play(story.plan, partial(watch.permit, lambda: made[0]), draws=True, stops_early=bool(watch.without))
    made.append(play)
    try:
        with story.around(play):
            play.run()
    except Violation as violation:
        return Ending((str(violation),))
    broken = play.broken or broken_at_the_end(play)
    objects = frozenset(key for bucket in (DATA, ARTIFACTS) for key in play.objects.present(bucket))
    return Ending(tuple(": ".join(one) for one in broken), frozenset(play.given_up), objects)


def everything_used() -> Watch:
    """The rights that all stories use; in `used`, each with the first story and call that took it."""
    whole = Watch()
    for story in STORIES:
        watch = Watch()
        played(story, watch)
        whole.missing |= watch.missing
        for grant, call in watch.used.items():
            whole.used.setdefault(grant, f"{story.name}: {call}")
    return whole
