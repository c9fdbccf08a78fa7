"""The command line of the runner."""

import argparse
import signal
import sys
from pathlib import Path

from cli.decide import ApprovalError
from cli.stack import CommandRefused
from local.cloud import CloudInUseError, ProcessFailedError
from local.runner.background import down, hold, rollback, up
from local.runner.console import Display
from local.runner.dataset import DatasetError
from local.runner.demo import STACK, DemoOptions, run_demo
from local.runner.inspecting import inspect_folder
from local.runner.life import run_life

TASKS = ("classification", "detection")
INTERRUPTED, TERMINATED = 130, 143


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. Whatever it started has ended by then, `up` aside."""
    options = parse(arguments)
    # Also where a parent that ignores these signals started us, a shell's background job for one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    display = Display()
    try:
        return run(options, display)
    except KeyboardInterrupt:
        display.say("Interrupted; everything that was started has ended.")
        return INTERRUPTED
    except (ApprovalError, CloudInUseError, CommandRefused, DatasetError, ProcessFailedError) as error:
        display.say(str(error))
        return 1


def run(options: argparse.Namespace, display: Display) -> int:
    if options.command == "demo":
        demo = DemoOptions(options.dataset, options.seed, options.good, options.per_defect, tuple(options.tasks))
        return run_demo(demo, display)
    if options.command == "life":
        return run_life(options.seed, display)
    if options.command == "rollback":
        return rollback(display, options.dataset, options.tasks)
    if options.command == "inspect":
        return inspect_folder(display, STACK, options.folder, options.dataset)
    return {"up": up, "down": down, "hold": hold}[options.command](display)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="from pictures to models in production, and the numbers")
    demo.add_argument("--dataset", type=_folder, help="folder in MVTec AD layout; default: pictures made here")
    demo.add_argument("--seed", type=int, default=DemoOptions.seed, help="for the pictures made here")
    demo.add_argument("--good", type=int, default=DemoOptions.good, help="pictures without defect")
    demo.add_argument("--per-defect", type=int, default=DemoOptions.per_defect, help="pictures of each defect")
    demo.add_argument(
        "--tasks", nargs="+", default=[], choices=TASKS, help="what to train; default: all that is marked"
    )
    lived = commands.add_parser("life", help="what comes back: drift, reviews, the next model")
    lived.add_argument("--seed", type=int, default=DemoOptions.seed, help="for the pictures made here")
    back = commands.add_parser("rollback", help="bring back what was in production before, in the running local cloud")
    back.add_argument("--dataset", default="transistor", help="name of the dataset (default: %(default)s)")
    back.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS, help="default: both")
    judged = commands.add_parser("inspect", help="have new pictures judged, in the running local cloud")
    judged.add_argument("folder", type=Path, help="folder of pictures, or one")
    judged.add_argument("--dataset", default="transistor", help="name of the dataset (default: %(default)s)")
    commands.add_parser("up", help="start the local cloud in the background")
    commands.add_parser("down", help="end it")
    commands.add_parser("hold", help="start the local cloud in the foreground")
    return parser.parse_args(arguments)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return Path(text)
