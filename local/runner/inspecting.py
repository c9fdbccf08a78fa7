"""New pictures, judged in the local cloud as `mlops inspect` does it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from cli import inspect
from cli.inspect import Answer
from cli.stack import CommandRefused, Stack
from local import pictures
from local.runner.console import Display
from local.runner.running import running_cloud

OTHER_SEED = 1000
GOOD, PER_DEFECT, DOZEN = 4, 2, 12
_PAUSE_SECONDS = 0.2


def inspect_folder(display: Display, stack_name: str, path: Path, dataset: str) -> int:
    """`make inspect`: judge a folder in the cloud of `make up`; the exit code is that of `mlops inspect`."""
    running = running_cloud()
    if running is None:
        raise CommandRefused("No local cloud runs: make up, then make demo.")
    answers = judge(Stack(stack_name, running[0]), path, dataset, display, path.parent / f"{path.name}-inspected")
    return inspect.exit_code(answers)


def judge(stack: Stack, path: Path, dataset: str, display: Display, output: Path) -> list[Answer]:
    """Have pictures judged, and show what was said of them; the pictures with boxes go below `output`."""
    plan = inspect.with_answers(stack, inspect.find(path, dataset))
    found = list(plan.answered.values())
    if count := len(plan.missing):
        inspect.estimate(stack, plan)
        display.say(f"{count} new pictures are put below inspect/{dataset}/ of the data bucket.")
        plan = inspect.send(stack, plan)
        with display.counting("Judging") as progress:
            for done, (_, answer) in enumerate(inspect.answers(stack, plan, display.say, _PAUSE_SECONDS), start=1):
                found.append(answer)
                progress(done, count)
    found.sort(key=lambda answer: str(answer["key"]))
    for answer in found:
        row = inspect.row_of(answer)
        display.say(f"  {row['verdict']:<7} {row['confidence']:>5} {row['label']:<24} {row['file']}")
    inspect.fetch_pictures(stack, found, output)
    display.say(f"The pictures with their boxes: {output}")
    return found


def new_pictures(folder: Path, seed: int, given: Sequence[Path]) -> Path:
    """A dozen or so pictures below a folder: drawn as those of the demo with another seed, or some of those given."""
    shutil.rmtree(folder, ignore_errors=True)
    if not given:
        pictures.generate(folder, seed=seed + OTHER_SEED, good=GOOD, per_defect=PER_DEFECT)
        # Nobody has marks of new pictures.
        shutil.rmtree(folder / "ground_truth")
        return folder
    folder.mkdir(parents=True)
    for number, path in enumerate(given[:: max(1, len(given) // DOZEN)][:DOZEN]):
        shutil.copyfile(path, folder / f"{number:02}-{path.name}")
    return folder
