"""What happens in a history, drawn from one seed: what people do, what goes wrong, and how the account is set up."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

DATASETS = ("parts", "caps")
LABELS = ("good", "cut")
BOTH = ("classification", "detection")
HOUR = 3600.0
# A function, and what a call that it makes is called.
Address = tuple[str, str]
SPELLS = ("storm", "echo", "lag", "crowd", "deaths")
# What is uploaded is numbered: from zero on a picture, each of its own; below zero what is none, or a mask.
NO_PICTURE, SETTINGS, BROKEN_SETTINGS, MASK, MANIFEST, DEEP, DEEPER = -1, -2, -3, -4, -5, -6, -7


@dataclass(frozen=True)
class Action:
    """What a person does, so many seconds after the start; `what` names it, the rest says with what."""

    at: float
    what: str
    dataset: str
    keys: tuple[str, ...] = ()
    contents: tuple[int, ...] = ()
    # Seconds between two objects of an upload; of other actions, a choice among what there is then.
    number: int = 0

    def __str__(self) -> str:
        listed = ", ".join(self.keys[:3]) + (f" and {len(self.keys) - 3} more" if len(self.keys) > 3 else "")
        said = {
            "upload": f"uploads {listed} to {self.dataset}, {self.number} s apart",
            "delete": f"deletes {listed} of {self.dataset}",
            "roll back": f"asks for an earlier run of {self.dataset} to come back",
            "forge": f"puts an event that no decision stands behind, about {self.dataset}",
            "repeat": f"copies training_input.json of {self.dataset} onto itself",
            "stop": f"stops a running model of {self.dataset} by hand",
            "inspect": f"drops {listed} to be inspected as {self.dataset}, {self.number} s apart",
            "review": f"opens the newest link to the reviews of {self.dataset}",
            "retrain": f"asks for what was answered about {self.dataset} to be trained on",
        }
        return f"{clock(self.at)} somebody {said[self.what]}"


@dataclass(frozen=True)
class Answer:
    """What whoever gets a mail with a link does with it: after so many seconds, and whether a second one disagrees.

    Whoever is patient and sees an error tries again.
    """

    verdict: str = "approve"
    after: float = 120.0
    is_disputed: bool = False
    is_patient: bool = True

    @property
    def is_plain(self) -> bool:
        return self == Answer()


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the nth call of a name that a function makes, or, without a name, with its nth delivery.

    What goes wrong for a while (`SPELLS`) begins `number` seconds after the start, and ends `seconds` later; it hits
    all functions where none is named.
    """

    kind: str
    function: str
    call: str
    number: int
    seconds: float = 0.0

    def __str__(self) -> str:
        where = f"{self.function} at its call no. {self.number} of {self.call!r}"
        said = {
            "kill": f"the process of {where} ends right after it",
            "doom": f"the process of {where} ends right after it, at every attempt",
            "refuse": f"AWS refuses {where}",
            "repeat": f"the answer to {where} is lost, and the SDK calls again",
            "pause": f"{where} halts for {self.seconds:.0f} s while others go on",
            "twin": f"{where} is overtaken by a second delivery of the same event",
            "sweep": f"the sweeper passes while {where} is about to be made",
            "weave": f"from {where} on another function runs, now one of both and now the other",
            "entry": f"AWS takes {where}, but for its last entry",
            "duplicate": f"delivery no. {self.number} to {self.function} comes again {self.seconds:.0f} s later",
            "delay": f"delivery no. {self.number} to {self.function} comes {self.seconds:.0f} s late",
            "lose": f"event no. {self.number} of S3 to {self.function} is lost",
            "storm": "AWS refuses half of all calls",
            "echo": "every delivery comes twice",
            "lag": "every delivery may be late",
            "crowd": "functions run beside each other",
            "deaths": "one process in four ends early",
        }
        if self.kind in SPELLS:
            whom = f" to or of {self.function}" if self.function else ""
            return f"{said[self.kind]}{whom} from {clock(self.number)} on for {self.seconds:.0f} s"
        return said[self.kind]


@dataclass(frozen=True)
class Account:
    """Quotas and settings, which a history may make narrow."""

    trainings: int = 1
    running: int = 2
    copies: int = 1
    stops_while_starting: bool = False
    staging_stays: bool = False
    keep_models: int = 20
    index_lag: float = 0.0
    # Whether everything takes the same time, so that what two datasets come to they come to at once.
    in_step: bool = False
    # One run in so many is no good, in one way or another; 0 for none.
    bad: int = 0
    tasks: tuple[str, ...] = BOTH[:1]
    # So many entries a page of a listing has.
    page: int = 1000
    # US dollars for models that judge new pictures; 0 for no limit. Somebody raises it in the end.
    budget: float = 0.0
    production_stays: bool = True
    enough_pictures: int = 1
    most_wait_minutes: int = 0
    retrain_after: int = 2
    # Seconds in which a model answers in its test, and after so many answers the test may go on in another piece.
    answer_seconds: float = 0.0
    piece: int = 300


@dataclass(frozen=True)
class Plan:
    seed: str
    actions: tuple[Action, ...] = ()
    answers: tuple[Answer, ...] = ()
    faults: tuple[Fault, ...] = ()
    account: Account = Account()
    # It is played once more with these in place of its faults, and the same must come of it.
    others: tuple[Fault, ...] = ()

    @property
    def sentences(self) -> list[str]:
        said = [str(action) for action in self.actions]
        said += [
            f"the mail no. {n} is answered {answer.verdict!r} after {answer.after:.0f} s"
            + (", and a second person says the opposite at the same time" if answer.is_disputed else "")
            + ("" if answer.is_patient else ", and given up where an error is shown")
            for n, answer in enumerate(self.answers, 1)
            if not answer.is_plain
        ]
        said += [*map(str, self.faults), f"the account: {self.account}"]
        return [*said, *(f"and once more, in place of that: {fault}" for fault in self.others)]


def clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{int(seconds % 60):02}"


def first_upload(dataset: str, at: float, gap: int = 1, contents: int = 0, *, is_boxed: bool = False) -> Action:
    """Enough to train on: two pictures of each label to train, one to test; and masks of the defects, if `is_boxed`."""
    keys = tuple(
        f"{side}/{label}/{index}.png"
        for side, n in (("train", 2), ("test", 1))
        for label in LABELS
        for index in range(n)
    )
    masks = (
        tuple(f"ground_truth/{key.removesuffix('.png')}_mask.png" for key in keys if "/cut/" in key) if is_boxed else ()
    )
    shown = (*range(contents, contents + len(keys)), *[MASK] * len(masks))
    return Action(at, "upload", dataset, (*keys, *masks), shown, gap)


def new_pictures(dataset: str, at: float, count: int, gap: int = 1, contents: int = 100) -> Action:
    """Pictures that are to be judged."""
    keys = tuple(f"{contents + number}.png" for number in range(count))
    return Action(at, "inspect", dataset, keys, tuple(range(contents, contents + count)), gap)


def calm(datasets: Sequence[str] = DATASETS, tasks: Sequence[str] = BOTH[:1]) -> Plan:
    """A history in which nothing goes wrong and everything happens: what its calls are called is what may fail."""
    is_boxed, first = "detection" in tasks, datasets[0]
    actions = [first_upload(name, 60 + 30 * n, contents=6 * n, is_boxed=is_boxed) for n, name in enumerate(datasets)]
    actions += [
        new_pictures(first, 0.1 * HOUR, 1, contents=99),
        Action(2 * HOUR, "upload", first, ("train/good/7.png",), (30,)),
        Action(3.2 * HOUR, "delete", first, ("train/good/7.png",)),
        Action(3.2 * HOUR, "upload", first, ("train/cut/0.png",), (31,)),
        new_pictures(first, 3.5 * HOUR, 6),
        Action(4.4 * HOUR, "review", first, number=1),
        Action(5 * HOUR, "roll back", first),
        Action(5.2 * HOUR, "retrain", first),
    ]
    account = Account(trainings=2, tasks=tuple(tasks))
    return Plan("calm", tuple(sorted(actions, key=lambda action: action.at)), account=account)


def drawn(seed: str, vocabulary: Mapping[Address, int]) -> Plan:
    """A history with about as many faults as deliveries bear. `vocabulary` counts the calls of a calm one by name.

    In three of five it is about something: more is done about one matter, more goes wrong there, and for a while. That
    is drawn apart, so that the rest of a history is what it is without it.
    """
    plan, chance = _drawn(seed, vocabulary), random.Random(f"{seed} matter")
    return plan if plan.others or chance.random() < 0.4 else _about(plan, chance, vocabulary)


def _drawn(seed: str, vocabulary: Mapping[Address, int]) -> Plan:
    chance = random.Random(seed)
    datasets = chance.choice([DATASETS[:1], DATASETS])
    if chance.random() < 0.08:
        return _twice(seed, chance, datasets, vocabulary)
    in_step = len(datasets) == 2 and chance.random() < 0.4
    tasks = BOTH if not in_step and chance.random() < 0.25 else BOTH[:1]
    actions = list(_actions(chance, datasets, is_boxed=len(tasks) == 2))
    account = Account(
        trainings=2 if in_step else chance.choice([1, 1, 2]),
        running=3 if in_step else chance.choice([1, 2, 2, 3]) if len(tasks) == 1 else chance.choice([2, 3, 4]),
        copies=2 if in_step else chance.choice([1, 2]),
        in_step=in_step,
        stops_while_starting=chance.random() < 0.5,
        staging_stays=chance.random() < 0.3,
        keep_models=chance.choice([1, 20]),
        index_lag=chance.choice([0.0, 30.0]),
        bad=chance.choice([0, 0, 4]),
        tasks=tasks,
        page=chance.choice([2, 1000, 1000]),
        production_stays=chance.random() < 0.6,
        budget=chance.choice([0.0, 0.0, 0.0, 0.5]),
        enough_pictures=chance.choice([1, 3]),
        most_wait_minutes=chance.choice([0, 30]),
        retrain_after=chance.choice([0, 1, 2, 2]),
        **(chance.choice([{}, {}, {}, {"answer_seconds": 520.0, "piece": 1}])),
    )
    if in_step:
        actions = _in_step(actions)
    answers = tuple(Answer() if in_step else _answer(chance) for _ in range(12))
    faults = _faults(chance, vocabulary, chance.choice([0, 1, 2, 3, 5, 8, 13]))
    if chance.random() < 0.15:
        faults += (Fault("storm", "", "", int(chance.uniform(60, 3 * HOUR)), chance.choice([30, 120, 600])),)
    return Plan(seed, tuple(sorted(actions, key=lambda action: action.at)), answers, faults, account)


# What a history may be about, and which functions that concerns: they write about the same things.
MATTERS = {
    "uploads": ("ingest", "ground_truth"),
    "tests": ("training", "eval_metric", "model_status", "inference_test"),
    "releases": ("promotion", "inference_test", "model_status"),
    "approvals": ("approval", "promotion", "notification"),
    "inspections": ("inspect", "serve", "promotion"),
    "reviews": ("review", "retraining", "choosing"),
}


def _about(plan: Plan, chance: random.Random, vocabulary: Mapping[Address, int]) -> Plan:
    """The same history with more of one matter."""
    matter = chance.choice(list(MATTERS))
    functions = [name for name in MATTERS[matter] if any(name == call[0] for call in vocabulary)]
    more = _MORE_OF[matter](chance, sorted({action.dataset for action in plan.actions})) if matter in _MORE_OF else ()
    actions = sorted((*plan.actions, *more), key=lambda action: action.at)
    faults = [_at_a_write(chance, functions, vocabulary) for _ in range(chance.choice([0, 1, 3, 6]))]
    faults += [_spell(chance, functions, actions) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
    if matter == "uploads" and chance.random() < 0.4:
        # What is looked at without an event while the event is on its way.
        begins = chance.choice(actions).at
        faults += [
            Fault(kind, whom, "", int(begins), 1200.0) for kind, whom in (("lag", "ingest"), ("crowd", "ground_truth"))
        ]
    answers = plan.answers
    if matter == "approvals":
        answers = tuple(_odd(chance, answer) for answer in answers)
    return replace(plan, actions=tuple(actions), answers=answers, faults=(*plan.faults, *faults))


def _odd(chance: random.Random, answer: Answer) -> Answer:
    """People who answer at once, against each other, and do not try again."""
    quick = {"verdict": chance.choice(["approve", "reject"]), "after": 5.0} if chance.random() < 0.3 else {}
    return replace(answer, is_disputed=chance.random() < 0.3, is_patient=chance.random() < 0.5, **quick)


def _at_a_write(chance: random.Random, functions: Sequence[str], counts: Mapping[Address, int]) -> Fault:
    """What goes wrong where something is changed: who ends after having read ends as after the last write."""
    calls = [call for call in sorted(counts) if call[0] in functions and not call[1].startswith(_READS)]
    call = chance.choice(calls)
    kind = chance.choices(list(_WRITE_FAULTS), list(_WRITE_FAULTS.values()))[0]
    number = chance.randint(1, min(max(2, counts[call]), _OFTEN))
    return Fault(kind, *call, number, chance.choice((5.0, 30.0, 50.0, 100.0, 600.0)))


def _spell(chance: random.Random, functions: Sequence[str], actions: Sequence[Action]) -> Fault:
    """Something that goes on for a while, from some time after something was done."""
    kind = chance.choices(["echo", "lag", "crowd", "deaths"], [30, 25, 30, 15])[0]
    begins = chance.choice(actions).at + chance.choice([0, 0, 300, 900, 1800])
    whom = chance.choice([*functions, *functions, ""])
    return Fault(kind, whom, "", int(begins), chance.choice([300.0, 1200.0, 3600.0, 7200.0]))


def _more_uploads(chance: random.Random, datasets: Sequence[str]) -> Iterator[Action]:
    """One file is written over, and taken away, within a short time."""
    for dataset in datasets:
        at, gap = chance.uniform(10, 400) + chance.choice([0, 400, 3600]), chance.choice([1.0, 5.0, 40.0, 150.0])
        key = f"train/{chance.choice(LABELS)}/{chance.choice([0, 1])}.png"
        for number in range(chance.choice([2, 3, 4])):
            if chance.random() < 0.2:
                yield Action(at + number * gap, "delete", dataset, (key,))
            else:
                yield Action(at + number * gap, "upload", dataset, (key,), (chance.randrange(12, 40),))


def _more_releases(chance: random.Random, datasets: Sequence[str]) -> Iterator[Action]:
    """Another run while the one before is on its way, and people who want earlier ones back."""
    for dataset in datasets:
        at = chance.choice([600.0, 1800.0, 3600.0]) * chance.uniform(0.7, 1.3)
        yield Action(at, "upload", dataset, (f"train/{chance.choice(LABELS)}/6.png",), (chance.randrange(12, 40),))
        again = chance.uniform(1.5, 4) * HOUR
        for _ in range(chance.choice([0, 1, 2])):
            yield Action(again + chance.choice([0, 1, 30, 600]), "roll back", dataset, number=chance.randrange(8))


def _more_inspections(chance: random.Random, datasets: Sequence[str]) -> Iterator[Action]:
    """New pictures, and one name with other bytes again and again."""
    for dataset in datasets:
        at, gap = (
            chance.choice([0.5, 1.5, 2.5]) * HOUR * chance.uniform(0.8, 1.2),
            chance.choice([1.0, 20.0, 120.0, 900.0]),
        )
        yield new_pictures(dataset, at, 3, chance.choice([0, 1, 30]), 120)
        for number in range(chance.choice([2, 3, 4])):
            content = chance.choice([100, 101, 102, NO_PICTURE])
            yield Action(at + number * gap, "inspect", dataset, ("100.png",), (content,))


def _more_reviews(chance: random.Random, datasets: Sequence[str]) -> Iterator[Action]:
    """New pictures, of which people are unsure, and several who look at them at the same time."""
    for dataset in datasets:
        yield new_pictures(dataset, chance.uniform(1, 2) * HOUR, 5, 1, 130)
        at = chance.uniform(2.5, 5) * HOUR
        for number in range(chance.choice([2, 3])):
            yield Action(at + number * chance.choice([0, 0, 5]), "review", dataset, number=chance.randrange(100))
        for _ in range(chance.choice([0, 1, 2])):
            yield Action(at + chance.choice([0.0, 20.0, 60.0, 300.0]), "retrain", dataset)


_MORE_OF = {
    "uploads": _more_uploads,
    "releases": _more_releases,
    "approvals": _more_releases,
    "inspections": _more_inspections,
    "reviews": _more_reviews,
}


def _twice(seed: str, chance: random.Random, datasets: Sequence[str], vocabulary: Mapping[Address, int]) -> Plan:
    """A history of which the same must come whatever goes wrong: what people do hangs on nothing that comes late."""
    actions = [first_upload(dataset, chance.uniform(10, 300), 1, 6 * n) for n, dataset in enumerate(datasets)]
    actions += [new_pictures(dataset, 5 * HOUR, 3) for dataset in datasets]
    account = Account(trainings=2, running=4, copies=2, page=chance.choice([2, 1000]), bad=4, retrain_after=0)
    faults, others = (_faults(chance, vocabulary, 8, is_gentle=True) for _ in range(2))
    return Plan(seed, tuple(actions), faults=faults, account=account, others=others)


def _in_step(actions: Sequence[Action]) -> list[Action]:
    """The same, with the first uploads of all datasets at once."""
    return [
        replace(action, at=60.0, number=0) if len(action.keys) > 2 and action.what == "upload" else action
        for action in actions
    ]


def _actions(chance: random.Random, datasets: Sequence[str], *, is_boxed: bool) -> list[Action]:
    actions, contents = [], 0
    for dataset in datasets:
        at = chance.uniform(10, 300)
        actions.append(first_upload(dataset, at, chance.choice([0, 1, 20, 60]), contents, is_boxed=is_boxed))
        contents += 6
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            at += chance.choice([5.0, 100.0, 700.0, 3600.0, 7200.0]) * chance.uniform(0.5, 1.5)
            actions.append(_change(chance, dataset, at))
        if chance.random() < 0.4:
            actions += _inspections(chance, dataset)
    if chance.random() < 0.4:
        at = chance.uniform(1.5, 4) * HOUR
        actions.append(Action(at, "roll back", chance.choice(datasets), number=chance.randrange(8)))
    for what, share in (("forge", 0.25), ("repeat", 0.1), ("stop", 0.08)):
        if chance.random() < share:
            at = chance.uniform(0.3, 3) * HOUR
            actions.append(Action(at, what, chance.choice(datasets), number=chance.randrange(100)))
    return actions


def _inspections(chance: random.Random, dataset: str) -> Iterator[Action]:
    """New pictures now and then, some the same again or under a name that was there, and whoever reviews them."""
    for _ in range(chance.choice([1, 1, 2])):
        at = chance.choice([chance.uniform(0.1, 1.5), chance.uniform(1.5, 4)]) * HOUR
        count, contents = chance.choice([1, 2, 5]), chance.choice([100, 100, 102, 110])
        yield new_pictures(dataset, at, count, chance.choice([0, 1, 30, 400]), contents)
        if chance.random() < 0.3:
            yield Action(at + chance.choice([1.0, 60.0, 2000.0]), "inspect", dataset, ("100.png",), (NO_PICTURE,))
    for _ in range(chance.choice([0, 1, 2, 3])):
        yield Action(chance.uniform(2, 6) * HOUR, "review", dataset, number=chance.randrange(100))
    if chance.random() < 0.3:
        yield Action(chance.uniform(2, 7) * HOUR, "retrain", dataset)


def _change(chance: random.Random, dataset: str, at: float) -> Action:
    label, index = chance.choice(LABELS), chance.choice([0, 1, 5, 6])
    key = f"{chance.choice(['train', 'train', 'train', 'test'])}/{label}/{index}.png"
    what = chance.choice(["upload", "upload", "upload", "delete", "odd", "settings", "manifest"])
    if what == "delete":
        return Action(at, "delete", dataset, (key,))
    if what == "odd":
        odd = chance.choice(["train/oops.png", "train/good/text.png", "notes.txt", "shots/a.png"])
        return Action(at, "upload", dataset, (odd,), (NO_PICTURE,))
    if what == "manifest":
        return Action(at, "upload", dataset, ("images/9.png", "annotations.manifest"), (9, MANIFEST))
    if what == "settings":
        return Action(at, "upload", dataset, ("dataset.json",), (chance.choice([SETTINGS, BROKEN_SETTINGS]),))
    return Action(at, "upload", dataset, (key,), (chance.randrange(12, 40),))


def _answer(chance: random.Random) -> Answer:
    verdict = chance.choices(["approve", "reject", "ignore"], [85, 10, 5])[0]
    return Answer(verdict, chance.choice([5.0, 120.0, 900.0, 4000.0]), chance.random() < 0.1)


_CALL_FAULTS = {"kill": 24, "doom": 6, "refuse": 15, "repeat": 10, "pause": 20, "twin": 10, "sweep": 10, "weave": 25}
_WRITE_FAULTS = {"kill": 25, "doom": 25, "twin": 15, "pause": 15, "weave": 20}
_READS = ("get_", "batch_get_", "query", "head_", "list_", "describe_")
_DELIVERY_FAULTS = {"duplicate": 60, "delay": 30, "lose": 10}
_SECONDS = (1.0, 20.0, 90.0, 400.0, 1000.0, 4000.0, 9000.0)
# What a function does for minutes on end, such as looking, it does oftener than anything happens.
_OFTEN = 40
# What an event of S3 does not tell these is found by the hourly look.
LOSABLE = ("ingest", "data_prepare", "training")
# Where most guards are most goes wrong.
_GUARDED = (
    *("promotion", "promotion", "inference_test", "approval", "ingest", "ingest", "ground_truth"),
    *("inspect", "inspect", "serve", "serve", "review", "review", "retraining"),
)
_WITH_ENTRIES = ("put_events", "send_message_batch")


def _faults(
    chance: random.Random, vocabulary: Mapping[Address, int], count: int, *, is_gentle: bool = False
) -> tuple[Fault, ...]:
    """So many faults; gentle ones pass before anybody gives up."""
    by_function = _by_function(vocabulary, sorted({call[0] for call in vocabulary}))
    drawn_ones = (_fault(chance, by_function, vocabulary, _GUARDED) for _ in range(count))
    if not is_gentle:
        return tuple(drawn_ones)
    kinds = {"doom": "kill"}
    return tuple(
        replace(one, kind=kinds.get(one.kind, one.kind), seconds=min(one.seconds, 50.0))
        for one in drawn_ones
        if one.kind != "lose"
    )


def _by_function(vocabulary: Mapping[Address, int], functions: Sequence[str]) -> dict[str, list[Address]]:
    return {name: sorted(call for call in vocabulary if call[0] == name) for name in functions}


def _fault(
    chance: random.Random,
    by_function: Mapping[str, list[Address]],
    counts: Mapping[Address, int],
    more_of: Sequence[str] = (),
) -> Fault:
    function = chance.choice([*by_function, *more_of])
    if chance.random() < 0.3:
        kind = chance.choices(list(_DELIVERY_FAULTS), list(_DELIVERY_FAULTS.values()))[0]
        most = 20 if kind != "lose" else 12
        if kind == "lose":
            function = chance.choice(LOSABLE)
        return Fault(kind, function, "", chance.randint(1, most), chance.choice(_SECONDS))
    kind = chance.choices(list(_CALL_FAULTS), list(_CALL_FAULTS.values()))[0]
    call = chance.choice(by_function[function])
    if kind == "refuse" and call[1].startswith(_WITH_ENTRIES) and chance.random() < 0.5:
        kind = "entry"
    number = chance.randint(1, min(max(2, counts[call]), _OFTEN))
    return Fault(kind, function, call[1], number, chance.choice((5.0, 30.0, 50.0, 50.0, 100.0, 600.0)))
