"""The commands. Exit codes: 0 done, 1 refused or failed, 2 called wrongly, 3 a defect was found."""

import getpass
import json
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cli import (
    assumptions,
    datasets,
    decide,
    doctor,
    folds,
    incoming,
    inspect,
    models,
    project_datasets,
    reviews,
    serve,
    upload,
    verify,
)
from cli.layouts import export
from cli.stack import CommandRefused, Stack
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.keys import run_key
from mlops.records import releases as released
from mlops.records.runs import COMPLETED, FAILED, IN_PROGRESS, WAITING, Run
from mlops.stage import DECISION, ENVIRONMENTS
from mlops.words import counted, some

POLL_SECONDS = 1.0
MOST_TOLD = 60
# Within seconds the stack notices an upload; a new bucket's notifications begin after some five minutes.
NOTICE_SECONDS, UNNOTICED_SECONDS = 15.0, 900.0
_COLOURS = {IN_PROGRESS: "yellow", WAITING: "cyan", COMPLETED: "green", FAILED: "red"}
_COLOURS |= {verify.HOLDS: "green", verify.DOES_NOT_HOLD: "red", verify.UNTRIED: "yellow"}


@dataclass
class Context:
    """What every command works with."""

    stack_name: str
    profile: str | None
    region: str | None
    is_json: bool
    console: Console

    @cached_property
    def session(self) -> Any:
        return boto3.Session(profile_name=self.profile, region_name=self.region)

    @cached_property
    def stack(self) -> Stack:
        return Stack(self.stack_name, self.session)

    def run(self, run_id: str) -> Run:
        """Find a run. Raises CommandRefused."""
        found = self.stack.run(run_id)
        if found is None:
            raise CommandRefused(f"There is no run {run_id}. `mlops runs` lists them.")
        return found

    def followed(self, name: str) -> list[Run]:
        """A run, or the newest run of each task of a dataset; none yet. Raises CommandRefused."""
        if found := self.stack.run(name):
            return [found]
        newest = {run.task: run for run in self.stack.runs(name)}
        if not newest and name not in self.stack.datasets():
            raise CommandRefused(f"There is no run and no dataset {name}. `mlops runs` lists the runs.")
        return list(newest.values())

    def show(self, rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> None:
        """Print rows as JSON, one document, or as a table with these columns: heading by name."""
        listed = list(rows)
        if self.is_json:
            click.echo(json.dumps(listed, indent=2, default=str))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns.values():
            table.add_column(heading, overflow="fold")
        for row in listed:
            table.add_row(*(_cell(row.get(name)) for name in columns))
        self.console.print(table)

    def say(self, text: str) -> None:
        """Tell a person something that is no result."""
        click.echo(text, err=True)

    def tell(self, sentences: Iterable[str]) -> None:
        """Say several things, the first of very many."""
        told = list(sentences)
        for sentence in told[:MOST_TOLD]:
            self.say(sentence)
        if len(told) > MOST_TOLD:
            self.say(f"and {len(told) - MOST_TOLD} more")


def _cell(value: Any) -> Text:
    text = "" if value is None else str(value)
    return Text(text, style=_COLOURS.get(text, ""))


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what cannot be done into a sentence and exit code 1."""
    try:
        yield
    except (CommandRefused, decide.ApprovalError, ClientError, BotoCoreError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        # Whoever reads what is printed may stop reading: click knows that.
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"{error.filename or 'A file'}: {error.strerror or error}") from error


class Commands(click.Group):
    """A group whose commands end with a sentence, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        with _refusals():
            return super().invoke(ctx)


@click.group("mlops", cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--stack", "stack_name", default="rekognition-mlops", envvar="MLOPS_STACK", help="name of the stack")
@click.option("--profile", help="profile of the AWS configuration")
@click.option("--region", help="AWS Region")
@click.option("--json", "is_json", is_flag=True, help="print results as JSON")
@click.pass_context
def main(ctx: click.Context, stack_name: str, profile: str | None, region: str | None, is_json: bool) -> None:
    """From labelled pictures to models in production: send pictures, follow runs, decide, go back."""
    ctx.obj = Context(stack_name, profile, region, is_json, _console())


def _console() -> Console:
    # Where lines go into a file or another program, they are not cut to the width of a screen.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 250)


_dataset = click.argument("dataset")
_task = click.argument("task", type=click.Choice(TASKS))
_environment = click.option("--environment", type=click.Choice(ENVIRONMENTS[1:]), default="production")
_run = click.argument("run_id")
_approver = click.option("--approver", default=getpass.getuser, show_default="you", help="who decides")
_comment = click.option("--comment", default="", help="why; goes into the release history")


class FolderOrProject(click.Path):
    """A folder that exists, or the ARN of a Custom Labels project."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return str(value) if project_datasets.is_project(str(value)) else super().convert(value, param, ctx)


@main.command("upload")
@click.argument("folder", type=FolderOrProject(exists=True, file_okay=False, path_type=Path))
@click.argument("dataset", required=False)
@click.option("--skip-bad", is_flag=True, help="send the rest although some files cannot be used")
@click.option("--dry-run", is_flag=True, help="check and say what would be sent")
@click.option("--delete", "deletes", is_flag=True, help="delete from the bucket what the folder does not have")
@click.option("--yes", is_flag=True, help="do not ask: neither whether it was recognised well, nor before deleting")
@click.option("--as", "layout", metavar="FORMAT", help="what the folder is, if the guess is wrong: docs/layouts.md")
@click.option("--labels", "renamed", metavar="OLD=NEW,...", help='rename labels; "normal" means "no defect"')
@click.pass_obj
def upload_folder(
    context: Context,
    folder: Path | str,
    dataset: str | None,
    skip_bad: bool,
    dry_run: bool,
    deletes: bool,
    yes: bool,
    layout: str | None,
    renamed: str | None,
) -> None:
    """Check a folder of pictures and send what is not in the data bucket yet.

    The layout is <train|test|holdout>/<label>/<image> and ground_truth/<label>/<image>_mask.png. Folders of labels
    alone, exports of labelling tools (COCO, YOLO, Pascal VOC, manifests) and published data sets are recognised, too.
    It says as what, writes a sheet of pictures with their boxes to look at, and asks. What was interrupted goes on
    where it stopped. The dataset has the name of the folder. In place of a folder, the ARN of a Custom Labels project
    takes what is in its datasets.
    """
    if isinstance(folder, str):
        if dataset is None:
            raise CommandRefused("Name the dataset that the pictures of the project are to be.")
        with tempfile.TemporaryDirectory() as place:
            entries, left_out = project_datasets.entries_of(context.session, folder)
            with _counting(context, "Fetching", len(entries)) as advance:
                left_out += project_datasets.fetch(context.session, entries, Path(place), advance)
            context.tell(f"Left out: {why}" for why in left_out)
            _upload(context, Path(place), dataset, layout, renamed, skip_bad, dry_run, deletes, yes)
        return
    _upload(context, folder, dataset or folder.resolve().name, layout, renamed, skip_bad, dry_run, deletes, yes)


def _upload(
    context: Context,
    folder: Path,
    name: str,
    layout: str | None,
    renamed: str | None,
    skip_bad: bool,
    dry_run: bool,
    deletes: bool,
    yes: bool,
) -> None:
    """Recognise, show, ask, check and send. Raises CommandRefused."""
    rules, names = context.stack.mask_rules, incoming.read_renaming(renamed)
    found = incoming.recognise(folder, name, layout, rules, names)
    send = partial(_send, context, folder, skip_bad=skip_bad, dry_run=dry_run, deletes=deletes, yes=yes)
    if found is None:
        send(upload.plan(folder, name))
        return
    _show_incoming(context, found, is_sure=yes or dry_run)
    with tempfile.TemporaryDirectory() as place:
        send(found.plan(Path(place)))


@main.command("dataset")
@_dataset
@click.pass_obj
def show_dataset(context: Context, dataset: str) -> None:
    """Show what is in a dataset as its newest runs saw it: labels, sides, groups, look-alikes, refused files."""
    found = datasets.seen(context.stack, dataset)
    context.show(
        [row for of_task in found for row in of_task.rows()],
        {
            **{"task": "Task", "label": "Label", "train": "Train", "test": "Test", "holdout": "Holdout"},
            "look_alikes": "Look-alikes",
        },
    )
    context.tell(sentence for of_task in found for sentence in of_task.told())


@main.command("export")
@_dataset
@click.option("--as", "form", type=click.Choice(list(export.FORMS)), required=True, help="what other tool it is for")
@click.option("--out", type=click.Path(path_type=Path), help="an empty folder; default: <dataset>-<form>")
@click.pass_obj
def export_dataset(context: Context, dataset: str, form: str, out: Path | None) -> None:
    """Write the pictures of a dataset with labels, boxes and sides for another tool."""
    target = out or Path(f"{dataset}-{form}")
    count = len(datasets.images_of(datasets.seen(context.stack, dataset)))
    with _counting(context, "Fetching", count) as advance:
        left_out = datasets.leave(context.stack, dataset, form, target, advance)
    for sentence in datasets.told_of(left_out):
        context.say(f"Left out: {sentence}")
    context.say(f"{counted(count, 'picture')} of {dataset} as {form}: {target}")


def _show_incoming(context: Context, found: incoming.Incoming, is_sure: bool) -> None:
    """Say what a folder was recognised as, show it, and ask. Raises CommandRefused."""
    context.tell(found.told())
    if sheet := found.contact_sheet():
        path = Path(f"{found.dataset}-contact-sheet.jpg")
        path.write_bytes(sheet)
        context.say(f"Some of them with their boxes: {path}")
    if not is_sure and not click.confirm("Send it like this?", err=True):
        raise CommandRefused("Nothing was sent. --as says what the folder is, --labels renames labels.")


def _send(
    context: Context, folder: Path, given: upload.Plan, *, skip_bad: bool, dry_run: bool, deletes: bool, yes: bool
) -> None:
    with _counting(context, "Checking", len(given.files)) as advance:
        given = upload.checked(given, advance, context.stack.mask_rules)
    for sentence in given.sentences():
        context.say(sentence)
    if given.problems and not skip_bad:
        count = counted(len(given.problems), "file")
        raise CommandRefused(f"{count} cannot be used as they are; nothing was sent. Correct them, or --skip-bad.")
    if not given.has_pictures:
        raise CommandRefused(f"There are no pictures below {folder}.")
    s3, bucket = context.session.client("s3"), context.stack.outputs["DataBucketName"]
    before = context.stack.batches_seen(given.dataset)
    surplus = _tidy(context, s3, bucket, given, deletes and not dry_run, yes)
    keys = upload.missing(s3, bucket, given, context.stack.recorded(given.dataset))
    if not dry_run:
        with _counting(context, "Sending", len(keys)) as advance:
            upload.send(s3, bucket, given, keys, advance)
        if keys or not context.stack.runs(given.dataset):
            _await_the_stack(context, given, before, lambda key: upload.send(s3, bucket, given, [key]), bool(keys))
    left_out = sum(given.key_of(name) not in given.files for name in given.problems)
    counts = {"dataset": given.dataset, "sent": len(keys), "there_already": len(given.files) - len(keys)}
    columns = {"dataset": "Dataset", "sent": "To send" if dry_run else "Sent", "there_already": "There already"}
    more = {"left_out": "Left out", "only_in_bucket": "Only in the bucket"}
    context.show([{**counts, "left_out": left_out, "only_in_bucket": surplus}], {**columns, **more})


def _await_the_stack(
    context: Context, given: upload.Plan, before: int, send: Callable[[str], None], has_sent: bool
) -> None:
    """Wait until the stack has noticed an upload: a new bucket tells of nothing for its first minutes.

    What comes later makes it look at everything, so one file is sent again. Raises CommandRefused.
    """
    probe = upload.probe_of(given)
    started = time.monotonic()
    again_at = started + (NOTICE_SECONDS if has_sent else 0)
    while context.stack.batches_seen(given.dataset) <= before:
        if time.monotonic() - started > UNNOTICED_SECONDS:
            raise CommandRefused(
                "Everything was sent, but the stack has not noticed it. `mlops doctor` may say why; the stack looks at "
                "the bucket every hour, too."
            )
        if time.monotonic() >= again_at:
            context.say(f"The stack has noticed nothing yet, which is usual for a new bucket; {probe} is sent again.")
            send(probe)
            again_at = time.monotonic() + NOTICE_SECONDS
        time.sleep(POLL_SECONDS)


def _tidy(context: Context, s3: Any, bucket: str, given: upload.Plan, deletes: bool, is_sure: bool) -> int:
    """Say what the bucket has and the folder has not, delete it if asked; returns how much of it stays."""
    surplus = upload.surplus(s3, bucket, given)
    if not surplus:
        return 0
    context.say(f"The bucket has {counted(len(surplus), 'file')} that this folder has not: {some(surplus)}")
    if not deletes:
        context.say(
            "They are trained on as before, also where a label was corrected by moving a file. --delete deletes them."
        )
        return len(surplus)
    if not is_sure:
        click.confirm(f"Delete {counted(len(surplus), 'file')} from the bucket?", abort=True, err=True)
    upload.delete(s3, bucket, surplus)
    return 0


@contextmanager
def _counting(context: Context, what: str, total: int) -> Iterator[upload.Advance]:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@main.command()
@click.argument("dataset", required=False)
@click.pass_obj
def runs(context: Context, dataset: str | None) -> None:
    """List the runs of a dataset, or of all datasets, newest first."""
    datasets = [dataset] if dataset else context.stack.datasets()
    found = [run for name in datasets for run in context.stack.runs(name)]
    found.sort(key=lambda run: run.created_at, reverse=True)
    columns = {"run_id": "Run", "task": "Task", "stage": "Stage", "state": "State", "created_at": "Began"}
    context.show(map(_summary, found), columns)


def _summary(run: Run) -> dict[str, Any]:
    last = run.failure or (run.stages[-1] if run.stages else None)
    plain = {"run_id": run.run_id, "dataset": run.dataset, "task": run.task}
    stage = {"stage": last.name if last else "", "state": last.state if last else ""}
    return {**plain, **stage, "created_at": run.created_at.isoformat(timespec="seconds")}


@main.command()
@_run
@click.pass_obj
def show(context: Context, run_id: str) -> None:
    """Show the stages of a run: state, duration, reasons."""
    _show_stages(context, [context.run(run_id)])


def _show_stages(context: Context, runs: Iterable[Run]) -> None:
    now = datetime.now(UTC)
    columns = {"task": "Task", "stage": "Stage", "environment": "Environment", "state": "State"}
    context.show(
        (
            {
                "run_id": run.run_id,
                "task": run.task,
                **{name: getattr(stage, name) for name in ("stage", "environment", "state")},
                "seconds": round(stage.seconds(now), 1),
                "why": stage.why,
            }
            for run in runs
            for stage in run.stages
        ),
        {**columns, "seconds": "Seconds", "why": "Why"},
    )


@main.command()
@click.argument("name", metavar="RUN_ID|DATASET")
@click.option("--until", default="", metavar="STAGE", help="stop when this stage has ended, such as inference_test")
@click.pass_obj
def watch(context: Context, name: str, until: str) -> None:
    """Follow a run, or the newest runs of a dataset, until each waits for a person, was released or has failed.

    The exit code is 1 when one failed.
    """
    told: set[str] = set()
    while True:
        runs = context.followed(name)
        progress = [f"{name}: {text}"] if (text := context.stack.progress(name)) else []
        for news in [*progress, *(line for run in runs for line in _lines(run))]:
            if news in told:
                continue
            told.add(news)
            context.say(news)
        if runs and all(_is_at_rest(run, until) for run in runs):
            _show_stages(context, runs)
            sys.exit(1 if any(run.failure for run in runs) else 0)
        time.sleep(POLL_SECONDS)


def _lines(run: Run) -> Iterator[str]:
    for stage in run.stages:
        state = f"{run.run_id} {stage.name}: {stage.state}"
        if len(stage.reasons) > 1:
            yield "\n  ".join([state, *stage.reasons])
        else:
            yield f"{state} ({stage.why})" if stage.why else state


def _is_at_rest(run: Run, stage: str) -> bool:
    asks_somebody = any(found.waiting_for == DECISION for found in run.stages)
    has_ended = any(found.stage == stage and found.finished_at for found in run.stages)
    return bool(run.failure) or run.is_complete or asks_somebody or has_ended


def _decision(name: str, summary: str) -> None:
    """Add the command that takes a decision behind the link of an approval mail."""

    @main.command(name, help=f"{summary}: LINK is the one in the approval mail.")
    @click.argument("link")
    @click.option("--confirmation", prompt="Last six characters of the run", help="as the mail asks for")
    @_approver
    @_comment
    @click.pass_obj
    def command(context: Context, /, link: str, **fields: str) -> None:
        answer = decide.approve(link, {**fields, "decision": name})
        context.show([{"answer": answer}], {"answer": "Answer"})


_decision("approve", "Let a version go on")
_decision("reject", "Stop a version")


@main.command()
@_run
@click.option("--output", type=click.Path(path_type=Path), help="where to write it (default: a temporary file)")
@click.option("--open/--no-open", "opens", default=True, help="show it in the browser")
@click.pass_obj
def report(context: Context, run_id: str, output: Path | None, opens: bool) -> None:
    """Fetch the report of a run and open it."""
    written = context.stack.artifact(run_key(run_id, "report.html"))
    if written is None:
        raise CommandRefused(f"{run_id} has no report yet: it comes with the first result, or a failure.")
    path = output or Path(tempfile.mkdtemp(prefix="mlops-")) / f"{run_id}.html"
    path.write_bytes(written)
    context.show([{"report": str(path)}], {"report": "Report"})
    if opens:
        webbrowser.open(path.resolve().as_uri())


@main.command()
@_dataset
@_task
@_environment
@click.pass_obj
def releases(context: Context, dataset: str, task: str, environment: str) -> None:
    """List what was released, newest first."""
    columns = {"released_at": "Released", "run_id": "Run", "how": "How", "approver": "By", "comment": "Why", "now": ""}
    names = ("run_id", "version_arn", "released_at", "approver", "comment", "is_rollback")
    current = context.stack.current(dataset, task, environment)
    context.show(
        (
            {
                **{name: getattr(release, name) for name in names},
                "is_current": is_current,
                "how": "brought back" if release.is_rollback else "approved",
                "now": "current" if is_current else "",
            }
            for release in released.history(dataset, task, environment, context.stack.table)
            for is_current in (current is not None and release.lease_id == current.lease_id,)
        ),
        columns,
    )


@main.command()
@_dataset
@_task
@_environment
@click.option("--to", "run_id", metavar="RUN_ID", help="run to go back to (default: the one released before)")
@_approver
@_comment
@click.pass_obj
def rollback(
    context: Context, dataset: str, task: str, environment: str, run_id: str | None, approver: str, comment: str
) -> None:
    """Bring an earlier version back, tested again, without training."""
    target = context.stack.roll_back(dataset, task, environment, run_id, approver, comment)
    context.say("It is started, tested and released again; an e-mail tells of the outcome.")
    context.show([{"run_id": target}], {"run_id": "Asked for"})


@main.command("inspect")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@_dataset
@click.option("--yes", is_flag=True, help="judge without asking")
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE", help="write the answers as CSV, too")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="where to put the pictures with their boxes (default: FOLDER-inspected beside a folder; of one file none)",
)
@click.pass_obj
def inspect_pictures(
    context: Context, path: Path, dataset: str, yes: bool, table: Path | None, output: Path | None
) -> None:
    """Have new pictures judged by what is released: a folder, or one file. Exit code 3 when a defect was found.

    What has an answer already is not sent again. Models that do not run are started, and stopped afterwards.
    """
    found = inspect.find(path, dataset)
    with _counting(context, "Looking for answers", len(found.files)) as advance:
        plan = inspect.with_answers(context.stack, found, advance)
    listed = list(plan.answered.values())
    if missing := plan.missing:
        text = str(inspect.estimate(context.stack, plan))
        if not yes:
            click.confirm(f"{text}: go?", abort=True, err=True)
        with _counting(context, "Sending", len(missing)) as advance:
            plan = inspect.send(context.stack, plan, advance)
        with _counting(context, "Judging", len(missing)) as advance:
            for _, answer in inspect.answers(context.stack, plan, context.say):
                listed.append(answer)
                advance()
    listed.sort(key=lambda answer: str(answer["key"]))
    if table:
        inspect.write_csv(table, listed)
    if output := output or (path.with_name(f"{path.resolve().name}-inspected") if path.is_dir() else None):
        context.say(f"{counted(inspect.fetch_pictures(context.stack, listed, output), 'picture')} below {output}")
    columns = {"verdict": "Verdict", "label": "Label", "confidence": "Confidence", "file": "File"}
    context.show((dict(answer) if context.is_json else inspect.row_of(answer) for answer in listed), columns)
    sys.exit(inspect.exit_code(listed))


@main.command("serve")
@_dataset
@click.option("--now", "wanted", flag_value="now", help="start the released models, and let them run for --minutes")
@click.option("--stop", "wanted", flag_value="stop", help="stop them; pictures wait until --now")
@click.option("--status", "wanted", flag_value="status", default=True, help="only say how it stands")
@click.option("--minutes", type=click.FloatRange(min=1, max=1440), default=30.0)
@click.pass_obj
def serve_models(context: Context, dataset: str, wanted: str, minutes: float) -> None:
    """Start or stop the models that judge new pictures of a dataset, and say how it stands."""
    if wanted == "now":
        serve.start(context.stack, dataset, minutes)
        context.say("Asked for; starting takes some minutes.")
    elif wanted == "stop":
        serve.stop(context.stack, dataset)
        context.say("Asked for; pictures that come wait until `mlops serve --now`.")
    columns = {"dataset": "Dataset", "state": "State", "waiting": "Waiting", "usd_this_month": "USD this month"}
    status = serve.status(context.stack, dataset).as_row()
    context.show([status], {**columns, "released": "Released", "problem": "Problem"})


@main.command("reviews")
@click.argument("dataset", required=False)
@click.pass_obj
def list_reviews(context: Context, dataset: str | None) -> None:
    """List how many pictures wait for a person, and how many answers wait to become data."""
    rows = reviews.listed(context.stack, [dataset] if dataset else context.stack.datasets())
    columns = {"dataset": "Dataset", "waiting": "Waiting", "since": "Since (UTC)", "answered": "Answered", "by": "By"}
    context.show(rows, columns)
    if dataset and not context.is_json:
        for line in reviews.rates(context.stack, dataset):
            click.echo(line)


@main.command("review")
@_dataset
@click.option("--open/--no-open", "opens", default=True, help="open the page in the browser")
@click.pass_obj
def review_pictures(context: Context, dataset: str, opens: bool) -> None:
    """Make a link to the page that shows the pictures which wait, and open it."""
    link = reviews.link(context.stack, dataset)
    click.echo(link)
    if opens:
        webbrowser.open(link)


@main.command("retrain")
@_dataset
@click.pass_obj
def retrain(context: Context, dataset: str) -> None:
    """Make data of the answers about a dataset now, and train from it."""
    count = reviews.retrain(context.stack, dataset)
    click.echo(f"{counted(count, 'answer')} become data. Follow with: mlops watch {dataset}")


@main.command("train")
@_dataset
@click.option("--folds", "count", type=click.IntRange(2, 20), required=True, help="how many trainings")
@click.option("--task", type=click.Choice(TASKS), default=TASKS[0], show_default=True)
@click.option("--yes", is_flag=True, help="train without asking")
@click.pass_obj
def train_folds(context: Context, dataset: str, count: int, task: str, yes: bool) -> None:
    """Train a dataset several times, tested on other pictures each time, and show how much its numbers spread.

    No picture of the holdout is used. Nothing of it is released: what was trained is deleted once it is read.
    """
    seen = next((found for found in datasets.seen(context.stack, dataset) if found.task == task), None)
    if seen is None:
        raise CommandRefused(f"{dataset} has no run of {task}. `mlops runs` lists the runs.")
    plan = folds.plan(context.stack, seen, count)
    if not yes:
        click.confirm(f"{plan}: go?", abort=True, err=True)
    results = dict(folds.Training(context.stack, plan, say=context.say).results())
    columns = {"label": "Label", "f1": "F1", "spread": "Spread", "lowest": "Lowest", "highest": "Highest"}
    context.show((spread.as_row() for spread in folds.spreads(results)), {**columns, "folds": "Folds"})


@main.command("drift")
@_dataset
@click.option("--output", type=click.Path(path_type=Path), help="where the plot goes  [default: DATASET-drift.svg]")
@click.pass_obj
def show_drift(context: Context, dataset: str, output: Path | None) -> None:
    """Show how the last inspected pictures compare with those that trained, and write a plot."""
    told = reviews.drift(context.stack, dataset)
    names = ("name", "window", "psi", "limit", "before", "now", "window_size", "has_drifted")
    rows = [{name: one[name] for name in names} for one in told["measures"]]
    columns = {
        "name": "Measure",
        "window": "Of",
        "psi": "Index",
        "limit": "Chance reaches",
        "before": "Before",
        "now": "Now",
    }
    context.show(rows, {**columns, "window_size": "Pictures", "has_drifted": "Drifted"})
    path = output or Path(f"{dataset}-drift.svg")
    path.write_text(reviews.plot(told), encoding="utf-8")
    context.say(f"Compared at {told['looked_at']}. The plot is in {path}.")


@main.command("doctor")
@click.pass_obj
def examine(context: Context) -> None:
    """Look for what is wrong with the stack and its account; exit code 1 when something is."""
    findings = list(doctor.examine(context.stack, context.session.region_name))
    shown = [{**asdict(finding), "verdict": "ok" if finding.is_good else "NOT OK"} for finding in findings]
    context.show(shown, {"verdict": "", "name": "What", "text": "Finding"})
    for finding in findings:
        if not finding.is_good:
            context.say(f"{finding.name}: {finding.advice}")
    sys.exit(0 if all(finding.is_good for finding in findings) else 1)


def _numbers(_: click.Context, __: click.Parameter, text: str) -> list[verify.Row]:
    """The rows with these numbers, all where none is named."""
    rows = {str(row.number): row for row in assumptions.ROWS}
    names = [name.strip() for name in text.split(",")] if text else list(rows)
    if unknown := [name for name in names if name not in rows]:
        raise click.BadParameter(f"there is no assumption {some(unknown)}; they are numbered 1 to {len(rows)}")
    return [row for number, row in rows.items() if number in names]


@main.command("verify")
@click.option("--only", "rows", default="", callback=_numbers, metavar="9,10", help="numbers of assumptions")
@click.option("--spend", type=click.FloatRange(min=0), default=0.0, metavar="USD", help="what paid checks may cost")
@click.option("--yes", is_flag=True, help="spend without asking")
@click.option(
    "--output", type=click.Path(path_type=Path), default="mlops-verify.json", help="the results, to send back"
)
@click.pass_obj
def verify_assumptions(context: Context, rows: list[verify.Row], spend: float, yes: bool, output: Path) -> None:
    """Try what this project assumes about AWS in the account of the stack, in which runs have left results.

    What checks make is called mlops-verify-... and deleted again. Exit code 1 when an assumption does not hold or
    something could not be deleted. docs/aws-assumptions.md lists what follows from each.
    """
    paid = verify.affordable(rows, spend)
    if paid and not yes:
        named = ", ".join(f"{row.number} ({row.usd:.2f})" for row in paid)
        click.confirm(f"{named}: about {sum(r.usd for r in paid):.2f} USD. Go on?", abort=True, err=True)
    # Where there is no such stack, that is one sentence, not one for each row.
    context.say(f"Trying on {context.stack.arn}")
    outcomes = list(verify.run(context.stack, rows, paid, context.say))
    shown = [outcome.as_dict() for outcome in outcomes]
    facts = {"tried_at": datetime.now(UTC).isoformat(timespec="seconds"), "region": context.session.region_name}
    output.write_text(json.dumps({**facts, "assumptions": shown}, indent=2) + "\n", encoding="utf-8")
    context.show(shown, {"number": "", "fact": "Assumption", "verdict": "Verdict", "seen": "Seen"})
    context.say(f"{output} has the same for whoever has to know; it names no account.")
    left = [text for outcome in outcomes for text in outcome.verdict.left_behind]
    if left:
        context.say("\n  ".join(["Could not be deleted; do it by hand:", *left]))
    sys.exit(1 if left or any(outcome.verdict.word == verify.DOES_NOT_HOLD for outcome in outcomes) else 0)


@main.command("delete-models")
@click.pass_obj
def delete_models(context: Context) -> None:
    """Stop and delete all models and projects of the stack, for good."""
    models.delete_models(context.stack, context.say)


if __name__ == "__main__":
    main(prog_name="mlops")
