"""Released versions run while new pictures wait, and no longer: a message goes round for every dataset that has some.

LOOKING: is it worth while yet? STARTING: a lease, then the start, for every task. READY: pictures are sent to be
inspected, leases are made longer, and when none comes any more, STOPPING. Each round does its work, sends the next one,
and only then notes that it is over: a round that died is repeated, and changes nothing that was done.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mlops import arns, codec, stack
from mlops.aws import buckets, messages, telemetry
from mlops.codec import Json
from mlops.dataset.keys import DATASETS_PREFIX, day_key
from mlops.events import InspectionDayEnded, ServingRefused
from mlops.models import lifecycle
from mlops.records import (
    arrivals,
    inspections,
    kept_models,
    leases,
    releases,
    runs,
    servings,
    spending,
    waiting_line,
)
from mlops.records.leases import Taken
from mlops.records.releases import Release
from mlops.records.servings import LOOKING, READY, STARTING, STOPPING, Round, Serving, Wish
from mlops.records.waiting_line import NoSlot
from mlops.stage import ENVIRONMENTS, StageRef
from mlops.words import counted, dollars

_RELEASED_IN, _PRODUCTION = ENVIRONMENTS[1:], ENVIRONMENTS[-1]
# So long a drain is measured at a time: in a shorter time chance decides.
_MEASURED_SECONDS = 30
# Sent in one round; those that are under way need not be sent again.
_SENT_AT_ONCE = 1000
# A drained line, pictures that are being answered: rounds in between come quickly.
_QUICK_SECONDS = 10
# Pictures that were sent so often, and none answered in between, have no answer.
_TRIES = 5
# When pictures wait and nothing may be started, it is looked at again so late.
_REFUSED_SECONDS = 900
# Models that other datasets wait for go on for so many times as long as they took to start: a fifth of what is paid is
# for starting at most.
_STARTS_WORTH = 4
# Whatever was inspected before so long is in the table and in its index: no function runs for longer than two minutes.
_SETTLED_SECONDS = 180
# In place of the status of a version that may not be started.
_REFUSED = "REFUSED"
# What the file of a day notes of itself.
_SETTLED, _BYTES = "settled", "settled-bytes"


def look(message: Json) -> None:
    """One round for a dataset."""
    asked = codec.read(Round, message)
    dataset, hop = asked.dataset, asked.hop
    serving = servings.of(dataset) or Serving(dataset, hop=hop)
    # A round that was over already: a second delivery must not become a second message that goes round.
    if hop < serving.hop:
        return
    following, delay = _round(serving)
    if following is None:
        servings.end(serving)
        # Whoever lined up in between has seen that it was looked after.
        if arrivals.waiting(dataset, 1):
            _send(dataset, hop + 1, 0)
        return
    # The next round before the note that this one is over: else a death in between would be the end of all rounds.
    _send(dataset, hop + 1, delay)
    servings.write(replace(following, hop=hop + 1))


def tick() -> list[str]:
    """Every few minutes: let run what always runs, go on where a round was lost, write the files of days, see whether
    it is within the hours of serving. Returns the datasets whose rounds go on."""
    if not servings.is_closed():
        _keep_what_is_wanted()
    for dataset in servings.unwritten():
        _write_days(dataset)
    _end_yesterday()
    looked_after = list(servings.every())
    telemetry.oldest_picture(max(map(_longest_wait, looked_after), default=0.0))
    lost = [serving for serving in looked_after if not serving.is_alive]
    for serving in lost:
        # With the number of the lost round: should it not be lost, only one of the two goes on.
        _send(serving.dataset, serving.hop, 0)
    # Last: what the parameters say of hours may be wrong, and all else goes on.
    if stack.here().serves_by_the_clock and not servings.is_closed():
        _follow_the_clock()
    return [serving.dataset for serving in lost]


def _end_yesterday() -> None:
    """Tell, once, of every dataset that had answers that their day is over: its report is written then."""
    day = datetime.fromtimestamp(stack.here().clock.time() - _SETTLED_SECONDS - 86400, UTC).strftime("%Y-%m-%d")
    for dataset in servings.untold_days(day):
        if next(inspections.of_day(dataset, day), None):
            messages.put_event(InspectionDayEnded(dataset, day))
        servings.note_told(dataset, day)


def _keep_what_is_wanted() -> None:
    """What is released always runs, or not any more, as the stack is set now, not only at a release."""
    for environment in _RELEASED_IN:
        if stack.here().is_wanted(environment):
            for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
                for release in releases.in_force(dataset, environment).values():
                    _let_run(release)
        else:
            for dataset, task, arn in kept_models.kept_for(environment):
                _let_stop(StageRef("", dataset, task, "release", environment), arn)


def _let_run(release: Release) -> None:
    """Keep a version running, if there is room; one that was stopped is started."""
    place = StageRef(release.run_id, release.dataset, release.task, "release", release.environment)
    is_new = release.version_arn not in kept_models.kept()
    if is_new and not kept_models.keep(place, release.version_arn):
        return
    current = releases.current(release.dataset, release.task, release.environment)
    if current and current.version_arn != release.version_arn:
        # Something else was released in between, and whoever did so had its place.
        kept_models.keep(place, current.version_arn)
        return
    runs = lifecycle.is_running(release.version_arn)
    # Told before the start: who dies right after it would never come back to tell.
    if is_new or not runs:
        releases.publish(release, is_running=True)
    if not runs:
        try:
            # No lease and no line: it is to run for good, and a slot is counted for it (`kept_models`).
            lifecycle.start_at_once(release.version_arn, units=1)
        except NoSlot:
            releases.publish(release, is_running=False)


def _let_stop(place: StageRef, version_arn: str) -> None:
    """Keep a version running no longer; whoever uses it under a lease stops it."""
    # One that is starting can be stopped the next time.
    if not leases.is_held(version_arn) and not lifecycle.stop(version_arn):
        return
    kept_models.drop(place)
    if (current := releases.current(place.dataset, place.task, place.environment)) is not None:
        releases.publish(current, is_running=False)


def _longest_wait(serving: Serving) -> float:
    """For how many seconds the first picture in line has waited."""
    first = arrivals.waiting(serving.dataset, 1)
    return stack.here().clock.time() - datetime.fromisoformat(first[0].since).timestamp() if first else 0.0


def _follow_the_clock() -> None:
    """Let the models of every dataset with a release run in the hours of serving, unless somebody paused them. What a
    person asked for goes on beyond their end."""
    now, hours = stack.here().clock.time(), stack.here().serving_hours
    # Begun so early that they run when their hours begin.
    until = hours.end_at(now) or hours.end_at(now + servings.START_SECONDS)
    for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
        wish = servings.wish_for(dataset)
        is_news = wish.hours_until != until and max(until, wish.hours_until) > now
        if is_news:
            # Ended by whoever looks after the dataset, when that time has come.
            servings.wish_by_the_clock(dataset, until)
        if not until or wish.paused or not releases.in_production(dataset):
            continue
        serving = servings.of(dataset)
        # Not only when the hours begin: something may be released, or the first message lost.
        if is_news or serving is None:
            _send(dataset, serving.hop if serving else 0, 0)


def _send(dataset: str, hop: int, delay: int) -> None:
    messages.send_message(stack.here().serving_queue, Round(dataset, hop), delay)


def _round(serving: Serving) -> tuple[Serving | None, int]:
    """What follows, None when nobody has to look after the dataset any more, and in how many seconds."""
    work = {LOOKING: _look, STARTING: _start, READY: _serve, STOPPING: _stop}
    return work[serving.state](serving)


def _poll() -> int:
    return stack.here().poll_seconds


def _look(serving: Serving) -> tuple[Serving | None, int]:
    wish = servings.wish_for(serving.dataset)
    enough = stack.here().enough_pictures
    waiting = arrivals.waiting(serving.dataset, max(enough, 1))
    is_asked = _is_asked(wish)
    if not waiting and not is_asked:
        return None, 0
    if wish.paused:
        return replace(serving, problem=""), _REFUSED_SECONDS
    left = _seconds_left(waiting[0].since) if waiting else 0
    if not is_asked and len(waiting) < enough and left > 0:
        return serving, min(max(left, 1), _poll() or 1)
    released = releases.in_production(serving.dataset)
    if not released:
        # They get their answer, which says so.
        messages.send_messages(stack.here().inspection_queue, [_event(arrival) for arrival in waiting])
        return serving, _REFUSED_SECONDS
    if problem := _objection(released):
        return _refuse(serving, problem), min(_REFUSED_SECONDS, 15 * _poll())
    units = _units(serving.dataset)
    versions = tuple(release.version_arn for release in released.values())
    begun = replace(serving, state=STARTING, versions=versions, units=units, since=int(stack.here().clock.time()))
    # Noted before anything is started: whoever repeats this round finds it begun.
    servings.write(begun)
    return _start(begun)


def _units(dataset: str) -> int:
    """As many inference units as judge what waits in the time that a start takes, as far as they are allowed."""
    calls = max((release.tiles.calls for release in releases.in_production(dataset).values()), default=1)
    rate = servings.rate_of(dataset) or servings.CALLS_A_SECOND / calls
    each, most = max(1, int(rate * servings.START_SECONDS)), stack.here().max_inference_units
    return max(1, min(most, math.ceil(len(arrivals.waiting(dataset, each * most)) / each)))


def _measured(serving: Serving, is_busy: bool, now: float) -> Serving:
    """Note how fast pictures are answered, as long as there are always some to answer."""
    if not is_busy:
        return replace(serving, counted_at=0)
    count = servings.answers(serving.dataset)
    seconds = now - serving.counted_at
    if not serving.counted_at or seconds >= _MEASURED_SECONDS:
        if serving.counted_at and count > serving.counted:
            servings.note_rate(serving.dataset, (count - serving.counted) / seconds / serving.units)
        return replace(serving, counted=count, counted_at=int(now))
    return serving


def _is_asked(wish: Wish) -> bool:
    """Whether models are to run without pictures. Hours that began count no more once the stack serves otherwise."""
    until = max(wish.until, wish.hours_until if stack.here().serves_by_the_clock else 0)
    return until > stack.here().clock.time()


def _seconds_left(since: str) -> int:
    """How long the picture that came then may still wait."""
    waited = stack.here().clock.time() - datetime.fromisoformat(since).timestamp()
    return int(60 * stack.here().most_wait_minutes - waited)


def _objection(released: Mapping[str, Release]) -> str:
    """Why nothing is started, as a sentence; empty when nothing is against it."""
    if servings.is_closed():
        return "the stack is being deleted"
    budget, month = stack.here().monthly_budget, spending.month_of(stack.here().clock.time())
    if budget and (spent := spending.total(month)) >= budget:
        return (
            f"the budget of {month} is used up: {dollars(spent)} of {dollars(budget)} US dollars were spent on models "
            "for inspections. Raise MonthlyBudget, or wait for the next month: the pictures keep their place"
        )
    mine = {release.version_arn for release in released.values()}
    account = arns.account_of(next(iter(mine)))
    kept = {arn for arn in kept_models.kept() if arns.account_of(arn) == account}
    most = stack.here().running_models
    if len(kept | mine) > most:
        return (
            f"{counted(len(mine - kept), 'model')} would have to run beside {len(kept)} that always run; "
            f"RunningModels is {most}. Raise the quota and RunningModels, or let fewer models run always"
        )
    return ""


def _refuse(serving: Serving, problem: str) -> Serving:
    """Tell people, once."""
    if problem != serving.problem:
        waiting = arrivals.waiting(serving.dataset, 1000)
        told = f"{counted(len(waiting), 'picture')}{' or more' if len(waiting) == 1000 else ''}"
        since = waiting[0].since if waiting else ""
        messages.put_event(ServingRefused(serving.dataset, (problem,), told, runs.now(), since))
    return replace(serving, problem=problem)


def _start(serving: Serving) -> tuple[Serving | None, int]:
    """Start what is released, each under a lease; the line for slots decides whose turn it is."""
    released = releases.in_production(serving.dataset)
    wanted = tuple(release.version_arn for release in released.values())
    if not wanted or servings.is_closed():
        return _stop(_stopping(serving))
    serving = _without(serving, [arn for arn in serving.versions if arn not in wanted])
    serving = replace(serving, versions=tuple(dict.fromkeys((*serving.versions, *wanted))), ready=())
    line, place = waiting_line.running_in(wanted[0]), _place(serving.dataset)
    # Others may have used up the budget while this waited for its turn.
    problem = _objection(released)
    statuses = {release.version_arn: _started(release, serving, problem) for release in released.values()}
    if set(statuses.values()) <= {"STARTING", "RUNNING"}:
        waiting_line.leave(line, place)
    if failed := [arn for arn, status in statuses.items() if status == "FAILED"]:
        waiting_line.leave(line, place)
        problem = f"{', '.join(arns.version_name(arn) for arn in failed)} did not start: Rekognition says FAILED"
        return replace(_refuse(serving, problem), state=STOPPING), _poll()
    if _REFUSED in statuses.values():
        waiting_line.leave(line, place)
        return replace(_refuse(serving, problem), state=STOPPING), 0
    if set(statuses.values()) != {"RUNNING"}:
        return serving, _poll()
    now = int(stack.here().clock.time())
    begun = [lease.started_at for arn in wanted if (lease := leases.of(arn))]
    # From the first start to the last model: as long as a dataset waits when it has to be started.
    took = now - min(begun, default=now)
    return replace(serving, state=READY, ready=wanted, since=now, took=took, sent="", problem=""), 0


def _started(release: Release, serving: Serving, problem: str) -> str:
    """The status of a version that is to run; empty while it has to wait for a slot or for the end of its test.

    With a `problem` none is started that does not run yet.
    """
    arn, place = release.version_arn, _place(serving.dataset)
    status = lifecycle.status_of(arn)
    held = leases.of(arn)
    mine = held is not None and not held.is_over and held.is_for_inspection
    if status == "RUNNING" and (mine or arn in kept_models.kept()):
        return status
    if mine and status in ("STARTING", "FAILED", "DELETED"):
        return "FAILED" if status == "DELETED" else status
    if problem:
        return _REFUSED
    # First in line until all of its models have begun: so two datasets never hold one slot each, and wait for another.
    waiting_line.line_up(waiting_line.running_in(arn), place)
    try:
        begun = lifecycle.start_in_turn(arn, place, lambda: _lease(release, serving))
    except NoSlot:
        return ""
    if servings.is_closed():
        # The stack is being deleted, and whoever stops its models may have looked already.
        _stop_one(arn, serving.units)
    return begun.status


def _lease(release: Release, serving: Serving) -> Taken:
    ref = StageRef(release.run_id, serving.dataset, release.task, leases.INSPECTION, _PRODUCTION)
    lease = leases.take_for_inspection(ref, release.version_arn, _lease_minutes(), serving.units)
    if lease is None:
        # A test has it, which ends: its slot is waited for as any other.
        raise NoSlot(release.version_arn)
    return Taken(lease, is_ours=True)


def _place(dataset: str) -> StageRef:
    """What a dataset is called in the line for slots."""
    return StageRef(f"inspections of {dataset}", dataset, "", leases.INSPECTION, _PRODUCTION)


def _lease_minutes() -> int:
    return stack.here().lease_minutes


def _serve(serving: Serving) -> tuple[Serving | None, int]:
    """Send pictures, note what it costs, make leases longer; see whether something else is released, or all is done."""
    released, now = releases.in_production(serving.dataset), stack.here().clock.time()
    wanted = {release.version_arn for release in released.values()}
    if wanted != set(serving.ready) or any(lifecycle.status_of(arn) != "RUNNING" for arn in wanted):
        again = replace(serving, state=STARTING, ready=())
        # From here on nobody asks the version before.
        servings.write(again)
        return _start(again)
    for arn in serving.ready:
        _go_on(arn, serving.units)
    serving, is_idle = _sent(serving, now)
    serving = _measured(serving, bool(arrivals.waiting(serving.dataset, 1)), now)
    wish = servings.wish_for(serving.dataset)
    is_done = is_idle and not _is_asked(wish)
    if is_done or _yields(serving, now - serving.since) or wish.paused:
        stopping = _stopping(serving)
        servings.write(stopping)
        return _stop(stopping)
    return serving, min(_poll(), _QUICK_SECONDS)


def _yields(serving: Serving, seconds: float) -> bool:
    """Whether it is the turn of others, after having served for so long: of tests after half of a lease, of other
    datasets not before the start has paid."""
    others = waiting_line.others(waiting_line.running_in(serving.ready[0]), _place(serving.dataset))
    if any(stage != leases.INSPECTION for stage in others) and seconds > 30 * _lease_minutes():
        return True
    return bool(others) and seconds > max(30 * _lease_minutes(), _STARTS_WORTH * serving.took)


def _sent(serving: Serving, now: float) -> tuple[Serving, bool]:
    """Send the pictures that are next in line to be inspected; whether there are none, and none is under way.

    Those that were sent are sent again when nothing is answered any more: their messages met a model that did not run
    yet, or were lost. What is never answered is given up, so that no model runs for it for ever.
    """
    answered = servings.answered_at(serving.dataset)
    is_idle = now - max(answered, serving.since, serving.sent_at) >= 2 * _poll()
    waiting = arrivals.waiting(serving.dataset, _SENT_AT_ONCE, "" if is_idle else serving.sent)
    if not waiting:
        return serving, is_idle
    tries = serving.tries + 1 if is_idle and answered < serving.sent_at else 0
    given_up = f"it was sent {tries} times and no answer came: see InspectionDeadLetters" if tries > _TRIES else ""
    events = [_event(arrival, given_up) for arrival in waiting]
    messages.send_messages(stack.here().inspection_queue, events)
    return replace(serving, sent=waiting[-1].place, sent_at=int(now), tries=tries), False


def _event(arrival: arrivals.Arrival, given_up: str = "") -> Json:
    """The event that told of a picture, as far as anybody reads it."""
    written = {"key": arrival.key, "version-id": arrival.version_id, "sequencer": arrival.sequencer}
    told = {"detail-type": "Object Created", "time": arrival.since, "detail": {"object": written}}
    return {**told, "given-up": given_up} if given_up else told


def _go_on(version_arn: str, units: int) -> None:
    lease = leases.of(version_arn)
    if lease is None or not lease.is_for_inspection:
        return
    telemetry.inspection_cost(lease.ref.dataset, spending.note(lease, stack.here().clock.time(), units))
    if lease.expires_at - stack.here().clock.time() < 30 * _lease_minutes():
        leases.take_for_inspection(lease.ref, version_arn, _lease_minutes(), units)


def _stopping(serving: Serving) -> Serving:
    return replace(serving, state=STOPPING, ready=())


def _stop(serving: Serving) -> tuple[Serving | None, int]:
    """Stop everything that was started, and end its leases; write the files of the day."""
    if serving.versions:
        waiting_line.leave(waiting_line.running_in(serving.versions[0]), _place(serving.dataset))
    serving = _without(serving, serving.versions)
    if serving.versions:
        return serving, _poll()
    _write_days(serving.dataset)
    # People know of a problem already; it is looked at again while pictures wait.
    if serving.problem and arrivals.waiting(serving.dataset, 1):
        return replace(serving, state=LOOKING), min(_REFUSED_SECONDS, 15 * _poll())
    return None, 0


def _without(serving: Serving, versions: Sequence[str]) -> Serving:
    """Stop versions; those that cannot be stopped yet, for they are starting, stay with it."""
    stopped = {arn for arn in versions if _stop_one(arn, serving.units)}
    return replace(serving, versions=tuple(arn for arn in serving.versions if arn not in stopped))


def _stop_one(version_arn: str, units: int) -> bool:
    lease = leases.of(version_arn)
    if lease is None or not lease.is_for_inspection:
        # A test has it, or nobody; it was stopped or is to stay.
        return True
    if version_arn not in kept_models.kept() and not lifecycle.stop(version_arn):
        return False
    telemetry.inspection_cost(lease.ref.dataset, spending.note(lease, stack.here().clock.time(), units))
    leases.give_back(version_arn, lease.lease_id)
    return True


def _write_days(dataset: str) -> None:
    """All answers of today and yesterday, a line each, in the order in which they were given."""
    at = stack.here().clock.time()
    today = datetime.fromtimestamp(at, UTC)
    settled = datetime.fromtimestamp(at - _SETTLED_SECONDS, UTC).isoformat(timespec="milliseconds")
    for day in (today - timedelta(days=1), today):
        while not _write_day(dataset, day.strftime("%Y-%m-%d"), settled):
            # Somebody else did so at the same time.
            pass
    servings.note_written(dataset, int(at))


def _write_day(dataset: str, day: str, settled: str) -> bool:
    """Write what came since; False when the file is another one by now.

    The file knows up to when it has all lines that there will ever be, and how many bytes those are: only what is
    younger is read and written anew. So a day costs what its answers cost, and not that for every time it is written.
    """
    artifacts, key = buckets.artifacts_bucket(), day_key(dataset, day)
    etag, noted = artifacts.head(key)
    since, keep = noted.get(_SETTLED, ""), int(noted.get(_BYTES, 0))
    fresh = sorted(inspections.of_day(dataset, day, since), key=lambda one: (one.inspected_at, one.key))
    if not fresh:
        return True
    lines = [f"{json.dumps(one.as_document(), sort_keys=True, ensure_ascii=False)}\n".encode() for one in fresh]
    keeps = keep + sum(len(line) for one, line in zip(fresh, lines, strict=True) if one.inspected_at < settled)
    known = {_SETTLED: max(settled, since), _BYTES: str(keeps)}
    return artifacts.write_behind(key, keep, b"".join(lines), etag, known)
