"""The command line, a script: `.venvs/cloud/bin/python -P local/launcher/__main__.py --port 4566`."""

import argparse
import contextlib
import os
import resource
import sys
import tempfile
from pathlib import Path

# This project is on nobody's path here, and is to come last: the path of functions' processes is their own.
sys.path.append(str(Path(__file__).parents[2]))

from local.launcher.access import (
    install_batches_of_messages,
    install_callers_of_foreign_buckets,
    install_condition_keys,
    install_parsed_policies,
)
from local.launcher.buckets import install_silent_buckets, install_versions_in_events
from local.launcher.contract import require_contract
from local.launcher.custom_labels import install_custom_labels
from local.launcher.delivery import install_asynchronous_delivery, install_background_limit
from local.launcher.outbox import install_outbox
from local.launcher.queues import install_prompt_queues, install_whole_numbers
from local.launcher.stacks import install_patient_stacks
from local.launcher.workers import (
    install_forked_workers,
    install_memory_report,
    install_prompt_answers,
    install_shared_packages,
)
from local.web import listen, serve

ENVIRONMENT = {
    "AUTH": "true",  # role policies are enforced, as on AWS
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",  # a minute on AWS
    "MINISTACK_HOST": "localhost",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ministack for this project's template")
    parser.add_argument("--check", action="store_true", help="only compare ministack with what is expected of it")
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--outbox", type=Path, default=Path("outbox"), help="folder for e-mails")
    parser.add_argument("--rekognition-endpoint", help="where the Custom Labels service listens")
    parser.add_argument("--changes", type=Path, help="pipe that tells the ARNs of models whose status changed")
    parser.add_argument("--silent-seconds", type=float, default=0.0, help="how long a new bucket tells of nothing")
    parser.add_argument("--background-limit", type=int, default=max(4, 2 * (os.cpu_count() or 1)))
    return parser.parse_args()


def main() -> None:
    options = arguments()
    os.environ.update(ENVIRONMENT, GATEWAY_PORT=str(options.port))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # functions would compile all they import at every cold start
    sys.argv = sys.argv[:1]
    require_contract()
    if not options.check:
        start(options)


def start(options: argparse.Namespace) -> None:
    """Install everything and serve until told to stop."""
    from ministack.app import app

    listener = listen(ENVIRONMENT["BIND_HOST"], options.port)
    _open_as_many_files_as_allowed()
    install_background_limit(options.background_limit)
    install_asynchronous_delivery()
    install_prompt_queues(options.changes)
    install_whole_numbers()
    install_patient_stacks()
    install_memory_report()
    install_silent_buckets(options.silent_seconds)
    install_versions_in_events()
    install_condition_keys()
    install_parsed_policies()
    install_callers_of_foreign_buckets()
    install_batches_of_messages()
    install_outbox(options.outbox, options.port)
    if options.rekognition_endpoint:
        install_custom_labels(options.rekognition_endpoint)
    with tempfile.TemporaryDirectory(prefix="packages-", ignore_cleanup_errors=True) as packages:
        install_shared_packages(Path(packages))
        install_forked_workers()
        install_prompt_answers()
        serve(app, listener)


def _open_as_many_files_as_allowed() -> None:
    """Every connection is a file, and a burst of events makes more than the usual limit of them."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says "any number" and takes fewer
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))


if __name__ == "__main__":
    main()
