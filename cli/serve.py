"""Models that answer about new pictures: start them, stop them, see how they are."""

import json
import time
from dataclasses import dataclass

from cli.stack import CommandRefused, Stack
from mlops.records import arrivals, kept_models, releases, servings, spending
from mlops.records.servings import Wish
from mlops.words import counted

MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Status:
    """How a dataset is served; `waiting` pictures as counted, `usd` spent this month by all datasets together."""

    dataset: str
    released: dict[str, str]
    state: str
    waiting: int
    usd: float
    problem: str = ""

    def as_row(self) -> dict[str, object]:
        """What a table shows."""
        waiting = f"{self.waiting}{'+' if self.waiting == MOST_COUNTED else ''}"
        return {
            "dataset": self.dataset,
            "state": self.state,
            "waiting": waiting,
            "usd_this_month": f"{self.usd:.2f}",
            "released": ", ".join(self.released.values()) or "nothing",
            "problem": self.problem,
        }


def start(stack: Stack, dataset: str, minutes: float) -> None:
    """Let the released models run now and for so many minutes. Raises CommandRefused when nothing is released."""
    if not releases.in_production(dataset, stack.table):
        raise CommandRefused(f"Nothing of {dataset} is released in production: there is no model to start.")
    servings.wish(dataset, Wish(until=int(time.time() + 60 * minutes)), stack.table)
    _wake(stack, dataset)


def start_for_pictures(stack: Stack, dataset: str, minutes: float) -> None:
    """Let the released models run for so many minutes at least; whoever wanted them for longer keeps them."""
    until = max(int(time.time() + 60 * minutes), servings.wish_for(dataset, stack.table).until)
    servings.wish(dataset, Wish(until), stack.table)
    _wake(stack, dataset)


def require_not_stopped(stack: Stack, dataset: str) -> None:
    """Raises CommandRefused where somebody stopped the models: whoever wants answers has to say that they may run."""
    if servings.wish_for(dataset, stack.table).paused:
        raise CommandRefused(
            f"The models of {dataset} were stopped by `mlops serve {dataset} --stop`, and start for nobody until "
            f"`mlops serve {dataset} --now`."
        )


def stop(stack: Stack, dataset: str) -> None:
    """Stop the models, and start none until somebody asks; pictures keep their place in line."""
    servings.wish(dataset, Wish(paused=True), stack.table)
    _wake(stack, dataset)


def _wake(stack: Stack, dataset: str) -> None:
    """Have it looked at now. A second message for one round changes nothing."""
    serving = servings.of(dataset, stack.table)
    body = {"dataset": dataset, "hop": serving.hop if serving else 0}
    stack.clients("sqs").send_message(QueueUrl=stack.outputs["ServingQueueUrl"], MessageBody=json.dumps(body))


def status(stack: Stack, dataset: str) -> Status:
    """How it stands."""
    table = stack.table
    found = releases.in_production(dataset, table)
    serving, wish = servings.of(dataset, table), servings.wish_for(dataset, table)
    always = kept_models.kept(table)
    run_always = sum(release.version_arn in always for release in found.values())
    if found and run_always == len(found):
        state = "always running"
    elif wish.paused:
        state = "stopped until `mlops serve --now`"
    else:
        state = _state(serving) if serving else "stopped until pictures come"
    if 0 < run_always < len(found):
        # One slot of the quota is for tests.
        state = f"{run_always} of {len(found)} always running, for more there is no slot; {state}"
    return Status(
        dataset=dataset,
        released={task: release.run_id for task, release in found.items()},
        state=state,
        waiting=len(arrivals.waiting(dataset, MOST_COUNTED, table=table)),
        usd=round(spending.total(spending.month_of(time.time()), table), 6),
        problem=serving.problem if serving else "",
    )


def _state(serving: servings.Serving) -> str:
    return {
        servings.LOOKING: "waits until enough pictures are there",
        servings.STARTING: f"starting {counted(len(serving.versions), 'model')}",
        servings.READY: f"{counted(len(serving.ready), 'model')} running",
        servings.STOPPING: "stopping",
    }[serving.state]
