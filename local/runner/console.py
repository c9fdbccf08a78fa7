"""What the person at the terminal sees; plain lines where there is no terminal."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress import Progress as ProgressBar
from rich.table import Table

from local.cloud import Mail
from local.runner.dataset import Progress
from local.runner.memory import FunctionMemory
from mlops.records.runs import Run, Stage

STATE_COLOURS = {"IN_PROGRESS": "yellow", "WAITING": "cyan", "COMPLETED": "green", "FAILED": "red"}
METRICS = ("service_f1", "inference_f1", "inference_accuracy", "false_alarm_rate")


class Display:
    """Shows the progress of a run: a table that changes in place, or one line for each change."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(soft_wrap=True)
        self._live: Live | None = None
        self._told: set[tuple[str, ...]] = set()

    def say(self, text: str) -> None:
        """One line of text, as it is."""
        self.console.print(text, markup=False, highlight=False)

    @contextlib.contextmanager
    def counting(self, what: str) -> Iterator[Progress]:
        """A progress callback (done, total), shown as a bar, or as one line at the end."""
        if not self.console.is_terminal:
            yield lambda done, total: self.say(f"{what}: {total} done") if done == total else None
            return
        with ProgressBar(console=self.console) as bar:
            task = bar.add_task(what)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Show runs in place until the end of the block, where the console can."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def show(self, runs: Sequence[Run]) -> None:
        """The present state of the runs."""
        if self._live:
            self._live.update(_run_table(runs))
        else:
            for run in runs:
                for stage in run.stages:
                    self._tell(run, stage)

    def mail(self, mail: Mail) -> None:
        """An e-mail that arrived."""
        if self.console.is_terminal:
            self.console.print(Panel(escape(mail.text.strip()), title=escape(f"E-mail: {mail.subject}")))
        else:
            self.say(f"E-mail to {mail.to}: {mail.subject}\n  " + "\n  ".join(mail.text.strip().splitlines()))

    def result(self, summary: Mapping[str, Any], memory: Sequence[FunctionMemory]) -> None:
        """Metrics, time by stage and memory by function."""
        for task, numbers in summary["tasks"].items():
            self.console.print(_metric_table(task, numbers), _time_table(numbers))
        self.console.print(_memory_table(memory))

    def _tell(self, run: Run, stage: Stage) -> None:
        news = (run.run_id, stage.name, stage.state, stage.waiting_for)
        if news not in self._told:
            self._told.add(news)
            self.say(f"{run.run_id}  {stage.name}  {stage.state}  {_detail(stage)}".rstrip())


def _detail(stage: Stage) -> str:
    return "; ".join(stage.reasons) or (f"waits for {stage.waiting_for}" if stage.waiting_for else "")


def _run_table(runs: Sequence[Run]) -> Table:
    table = Table("stage", "environment", "state", "seconds", "", title=", ".join(run.run_id for run in runs))
    now = datetime.now(UTC)
    for stage in (stage for run in runs for stage in run.stages):
        state = f"[{STATE_COLOURS.get(stage.state, 'white')}]{escape(stage.state)}[/]"
        table.add_row(stage.stage, stage.environment, state, f"{stage.seconds(now):.1f}", escape(_detail(stage)))
    return table


def _metric_table(task: str, numbers: Mapping[str, Any]) -> Table:
    table = Table("label", "precision", "recall", "f1", "images", title=f"{task}: {numbers['run_id']}")
    for label, values in (numbers["per_label"] or {}).items():
        rates = [_rate(values.get(name)) for name in ("precision", "recall", "f1")]
        table.add_row(escape(label), *rates, str(values.get("support", "")))
    table.caption = ", ".join(f"{name} {_rate(numbers[name])}" for name in METRICS)
    return table


def _time_table(numbers: Mapping[str, Any]) -> Table:
    table = Table("stage", "environment", "seconds", "outcome")
    if taken := numbers.get("time"):
        parts = ", ".join(f"{name} {taken[name]:.1f}" for name in ("training", "inference", "pictures"))
        table.caption = (
            f"{taken['wall']:.1f} s: {parts}, orchestration {taken['orchestration']:.1f}"
            f" (of it {taken['waiting']:.1f} for an e-mail to be read)"
        )
    for stage in numbers["stages"]:
        table.add_row(stage["stage"], stage["environment"], f"{stage['seconds']:.1f}", stage["outcome"])
    return table


def _memory_table(memory: Sequence[FunctionMemory]) -> Table:
    table = Table("function", "memory used, MB", "memory size, MB")
    for function in memory:
        table.add_row(function.function, str(function.used), str(function.limit))
    return table


def _rate(value: Any) -> str:
    return "-" if value is None else f"{float(value):.3f}"
