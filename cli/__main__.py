"""`python -m cli --stack NAME releases|rollback|delete-models`."""

import argparse
import getpass
import sys

import boto3

from cli.models import delete_models
from cli.stack import CommandRefused, Release, Stack

TASKS, ENVIRONMENTS = ("classification", "detection"), ("staging", "production")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    stack = Stack(options.stack, boto3.client)
    try:
        if options.command == "releases":
            for release in stack.releases(options.dataset, options.task, options.environment):
                print(_line(release))
        elif options.command == "rollback":
            place = (options.dataset, options.task, options.environment)
            run_id = stack.roll_back(*place, options.to, options.approver, options.comment)
            print(f"Asked for {run_id}. It is started, tested and released again; an e-mail tells of the outcome.")
        else:
            delete_models(stack, print)
    except CommandRefused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


def _line(release: Release) -> str:
    back = "rollback by" if release.is_rollback else "approved by"
    who = f"{back} {release.approver}" + (f": {release.comment}" if release.comment else "")
    return f"{release.released_at}  {release.run_id}  {who}{'  (current)' if release.is_current else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cli", description=__doc__)
    parser.add_argument("--stack", default="rekognition-mlops", help="name of the stack (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    releases = commands.add_parser("releases", help="what was released, newest first")
    rollback = commands.add_parser("rollback", help="bring an earlier version back, tested again, without training")
    for command in (releases, rollback):
        command.add_argument("dataset")
        command.add_argument("task", choices=TASKS)
        command.add_argument("--environment", choices=ENVIRONMENTS, default="production")
    rollback.add_argument("--to", metavar="RUN_ID", help="run to go back to (default: the one released before)")
    rollback.add_argument("--approver", default=getpass.getuser(), help="who decides (default: %(default)s)")
    rollback.add_argument("--comment", default="", help="why")
    commands.add_parser("delete-models", help="stop and delete all models and projects of the stack, for good")
    return parser


if __name__ == "__main__":
    sys.exit(main())
