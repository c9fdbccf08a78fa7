"""`up` and `down`: a local cloud that stays, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.stack import Stack
from local.cloud import LocalCloud, ProcessFailedError, holder_of
from local.cloud.sam import ROOT
from local.launcher.outbox import with_local_links
from local.runner.console import Display
from local.runner.demo import STACK, deploy
from local.runner.running import FACTS, read_facts, running_cloud
from local.runner.timing import Phases

LOG = ROOT / "build" / "up.log"
START_SECONDS = 1200.0
STOP_SECONDS = 60.0
ROLLBACK_SECONDS = 300.0
POLL_SECONDS = 0.2


def up(display: Display) -> int:
    """Start a local cloud with the application in the background, unless it runs, and say where everything is."""
    if read_facts():
        display.say("The local cloud runs already.")
    else:
        display.say("Starting the local cloud, building and deploying: about a minute.")
        _start_holder()
    facts = read_facts() or {}
    for name, value in {**facts, **facts.get("Links", {})}.items():
        if isinstance(value, str | int):
            display.say(f"{name:<22} {value}")
    display.say("End it with: make down")
    return 0


def down(display: Display) -> int:
    """End the local cloud, however it was started."""
    pid = holder_of()
    if pid is None:
        display.say("No local cloud runs.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while holder_of() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    ended = holder_of() is None
    display.say("The local cloud ended." if ended else f"Process {pid} did not end in {STOP_SECONDS:.0f} s.")
    return 0 if ended else 1


def hold(display: Display) -> int:
    """Be the background process: start everything, write down where it is, and stay until told to end."""
    with LocalCloud() as cloud:
        outputs = deploy(cloud, display, Phases())
        _write_facts(FACTS, cloud, cloud.start_mailbox(), outputs)
        signal.pause()
    return 0


def _start_holder() -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("wb") as log:
        holder = subprocess.Popen(
            [sys.executable, "-m", "local", "hold"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_facts(holder)
    except BaseException:
        holder.terminate()
        raise


def _wait_for_facts(holder: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (FACTS.exists() and json.loads(FACTS.read_text(encoding="utf-8"))["Process"] == holder.pid):
        if holder.poll() is not None or time.monotonic() > deadline:
            raise ProcessFailedError(f"The local cloud did not start.\n{LOG.read_text(errors='replace')}")
        time.sleep(POLL_SECONDS)


def _write_facts(path: Path, cloud: LocalCloud, mailbox: str, outputs: dict[str, str]) -> None:
    facts: dict[str, Any] = {
        "Process": os.getpid(),
        "AWS": cloud.endpoint,
        "Mailbox": mailbox,
        "Outbox": str(cloud.outbox),
        "Outputs": outputs,
        "Links": {name: with_local_links(value, urlsplit(cloud.endpoint).port or 0) for name, value in outputs.items()},
    }
    staging = path.with_suffix(".new")
    staging.write_text(json.dumps(facts, indent=2), encoding="utf-8")
    staging.rename(path)


def rollback(display: Display, dataset: str, tasks: Sequence[str]) -> int:
    """Bring back, in the running local cloud, what was in production before; wait until it is."""
    running = running_cloud()
    if running is None:
        display.say("No local cloud runs: make up, then make demo twice with different pictures.")
        return 1
    cloud, _ = running
    stack = Stack(STACK, cloud)
    for task in tasks:
        run_id = stack.roll_back(dataset, task, "production", None, "demo", "Rolled back by the demo.")
        display.say(f"{task}: asked for {run_id}")
        deadline = time.monotonic() + ROLLBACK_SECONDS
        while (current := stack.current(dataset, task, "production")) is None or current.run_id != run_id:
            if time.monotonic() > deadline:
                display.say(f"{run_id} is not back after {ROLLBACK_SECONDS:.0f} s; the mails say why.")
                return 1
            time.sleep(POLL_SECONDS)
        display.say(f"{task}: {run_id} is in production again")
    return 0
