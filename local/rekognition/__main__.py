"""The command line: `python -m local.rekognition --port 4567`."""

import argparse
import configparser
import logging
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

from local.rekognition.access.faults import Fault, Faults
from local.rekognition.access.settings import Quotas, Settings
from local.rekognition.access.signatures import Keyring
from local.rekognition.access.throttle import ControlPlaneThrottle
from local.rekognition.api.wire import create_app
from local.rekognition.operations.service import Service
from local.rekognition.state.store import ModelFiles, Store
from local.rekognition.transitions.lifecycle import Lifecycle
from local.web import listen, serve

_QUOTA_SWITCHES = {
    "trainings": ("--max-trainings", "trainings at once"),
    "running_models": ("--max-running-models", "models running at once"),
    "inference_units": ("--max-inference-units", "inference units of one model"),
    "projects": ("--max-projects", "projects"),
    "versions_per_project": ("--max-versions", "model versions in one project"),
}


def main() -> None:
    """Run the service until it is told to stop."""
    options = _parser().parse_args()
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error}")
    with ExitStack() as stack:
        state = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="custom-labels-")))
        settings = _settings(options, state)
        serve(create_app(_service(settings)), listener)


def _service(settings: Settings) -> Service:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    store = Store(settings.state_dir / "state.sqlite3")
    lifecycle = Lifecycle(store, ModelFiles(settings.state_dir), settings)
    throttle = ControlPlaneThrottle(settings.control_plane_tps)
    return Service(store, lifecycle, settings, throttle, Faults(settings.faults))


def _settings(options: argparse.Namespace, state: Path) -> Settings:
    return Settings(
        state_dir=state.resolve(),
        account=options.account,
        s3_endpoint=options.s3_endpoint or _endpoint_from_environment(),
        transition_seconds=options.transition_seconds,
        training_seconds=options.training_seconds,
        tps_per_unit=options.tps_per_unit,
        quotas=Quotas(**{field.name: getattr(options, field.name) for field in fields(Quotas)}),
        engine=options.engine,
        row_normalized_confusion=options.row_normalized_confusion,
        nested_aggregates=options.nested_aggregates,
        keyring=_keyring(options.credentials),
        control_plane_tps=options.control_plane_tps,
        faults=tuple(options.fault),
        splits_training_dataset=options.split_training_dataset,
        stops_while_starting=options.stop_while_starting,
        changes=options.changes,
    )


def _keyring(path: Path | None) -> Keyring | None:
    try:
        return Keyring.read(path) if path else None
    except (OSError, configparser.Error, KeyError) as error:
        sys.exit(f"--credentials {path}: {error!r}. The file must look like ~/.aws/credentials.")


def _endpoint_from_environment() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.rekognition",
        description="A local Amazon Rekognition Custom Labels service that really trains.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4567, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--state", type=Path, help="folder that keeps projects and models; without it they go with the process"
    )
    parser.add_argument(
        "--s3-endpoint", help="where S3 is; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, then AWS itself"
    )
    _add_behaviour(parser)
    for name, (switch, what) in _QUOTA_SWITCHES.items():
        default = getattr(Quotas(), name)
        parser.add_argument(switch, dest=name, type=int, default=default, metavar="N", help=f"quota: {what}")
    return parser


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    defaults = Settings(Path())
    parser.add_argument(
        "--account", default=defaults.account, help="account of callers whose access key id is no account"
    )
    parser.add_argument(
        "--transition-seconds",
        type=float,
        default=defaults.transition_seconds,
        help="least time any passing state lasts",
    )
    parser.add_argument(
        "--training-seconds", type=float, default=defaults.training_seconds, help="least time a training lasts"
    )
    parser.add_argument(
        "--tps-per-unit", type=float, default=defaults.tps_per_unit, help="calls a second that one inference unit takes"
    )
    parser.add_argument(
        "--control-plane-tps",
        type=float,
        metavar="N",
        help="calls a second that each operation but DetectCustomLabels takes, 5 on AWS (default: any number)",
    )
    parser.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="verify signatures by the keys in this file, which looks like ~/.aws/credentials; `account` may be added",
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="OPERATION=ERROR[:TIMES]",
        help="answer the next calls of an operation with one of its errors, such as StopProjectVersion="
        "InternalServerError:2 (may be repeated)",
    )
    parser.add_argument(
        "--split-training-dataset",
        action="store_true",
        help="without a testing dataset, test with a fifth of the training dataset instead of refusing to train",
    )
    parser.add_argument(
        "--stop-while-starting",
        action="store_true",
        help="take StopProjectVersion while a version is STARTING, instead of refusing it until it is RUNNING",
    )
    parser.add_argument(
        "--changes",
        type=Path,
        metavar="PIPE",
        help="named pipe to which the ARN of a version is written when its status has changed by itself",
    )
    parser.add_argument("--engine", default=defaults.engine, help="dotted name of the module that trains and predicts")
    parser.add_argument(
        "--row-normalized-confusion",
        action="store_true",
        help="divide the confusion matrix by its rows, not as documented",
    )
    parser.add_argument(
        "--nested-aggregates",
        action="store_true",
        help="nest the aggregates of a summary below Metrics, as the reference has it and the sample has not",
    )
    parser.add_argument(
        "--log-level", default="warning", choices=["debug", "info", "warning", "error"], help="log to stderr"
    )


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
