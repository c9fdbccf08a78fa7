"""AWS on this machine: ministack, our Custom Labels service, and the means to deploy a template to them."""

import contextlib
import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config

from local.cloud.mail import Mail, read_mails
from local.cloud.processes import ChildProcess, bare_environment, free_ports, inherited_environment
from local.cloud.sam import CREDENTIALS, NO_USER_CONFIG, PACKAGES_BUCKET, REGION, ROOT, VENVS, Sam, runtime_parameters

STATE = ROOT / "build" / "cloud"
PID_FILE = "cloud.pid"
LAUNCHER = ROOT / "local" / "launcher" / "__main__.py"
READY_SECONDS = 60.0
# Whoever polls may miss a passing state as on AWS; nobody waits for one.
TRANSITION_SECONDS = 0.05
# As many calls a second as this machine answers, not the five of the service.
TPS_PER_UNIT = 50


class CloudInUseError(RuntimeError):
    """Another local cloud works in the same state folder."""


@dataclass(frozen=True)
class CloudAccess:
    """What a user of a local cloud needs to know of it, whoever started it."""

    endpoint: str
    outbox: Path

    def mails(self) -> list[Mail]:
        """The e-mails that SNS would have sent, oldest first."""
        return read_mails(self.outbox)

    def client(self, service: str, account: str = "") -> Any:
        """A boto3 client with all rights in the stack's account, or in any other: it is there once it is used."""
        return _made(boto3.client, service, self.endpoint, account or CREDENTIALS["AWS_ACCESS_KEY_ID"])

    def resource(self, service: str) -> Any:
        """The same as one of boto3's resources, in the stack's account."""
        return _made(boto3.resource, service, self.endpoint, CREDENTIALS["AWS_ACCESS_KEY_ID"])


# To make a client takes longer than most calls.
@lru_cache(maxsize=64)
def _made(connect: Any, service: str, endpoint: str, account: str) -> Any:
    # The stubs of boto3 know services by literal names only.
    return connect(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )


class LocalCloud:
    """A context manager: everything it starts ends with it, and with this process, however that ends.

    `state` holds logs, e-mails, the build and the models; it is emptied at each start. `custom_labels` are
    more switches of the Custom Labels service; None leaves it out, for tests that need no models. A new bucket
    tells of nothing for `silent_seconds`, which are some five minutes on AWS.
    """

    def __init__(
        self,
        state: Path = STATE,
        *,
        template: Path = ROOT / "template.yaml",
        custom_labels: Sequence[str] | None = (),
        silent_seconds: float = 0.0,
    ) -> None:
        self.state, self.template = state.resolve(), template.resolve()
        self.endpoint = ""
        self.rekognition_endpoint = ""
        self._custom_labels = custom_labels
        self._silent_seconds = silent_seconds
        self._running = contextlib.ExitStack()

    def start(self) -> Self:
        """Start all services and wait until they answer.

        Raises CloudInUseError, or ProcessFailedError with the end of the log of the service that failed.
        """
        with contextlib.ExitStack() as starting:
            starting.enter_context(_exclusive(self.state))
            os.mkfifo(self._changes)
            port, labels_port = free_ports(2)
            self.endpoint = f"http://127.0.0.1:{port}"
            # Each knows where the other will be, so that both can start at once.
            if self._custom_labels is not None:
                self.rekognition_endpoint = f"http://127.0.0.1:{labels_port}"
                service = starting.enter_context(self._start_custom_labels(labels_port, self._custom_labels))
            emulator = starting.enter_context(self._start_emulator(port))
            emulator.wait_until(lambda: _is_healthy(self.endpoint), READY_SECONDS)
            if self._custom_labels is not None:
                service.wait_until(lambda: listening_address(service.log), READY_SECONDS)
            self.client("s3").create_bucket(Bucket=PACKAGES_BUCKET)
            self._running = starting.pop_all()
        return self

    def stop(self) -> None:
        """End every process. Safe to call again."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def outbox(self) -> Path:
        return self.state / "outbox"

    @property
    def _changes(self) -> Path:
        """The pipe on which the Custom Labels service tells the emulator which models have changed."""
        return self.state / "changes"

    @property
    def access(self) -> CloudAccess:
        return CloudAccess(self.endpoint, self.outbox)

    def mails(self) -> list[Mail]:
        """The e-mails that SNS would have sent, oldest first."""
        return self.access.mails()

    def client(self, service: str, account: str = "") -> Any:
        """A boto3 client of the local cloud."""
        return self.access.client(service, account)

    def resource(self, service: str) -> Any:
        """One of boto3's resources, likewise."""
        return self.access.resource(service)

    def start_mailbox(self) -> str:
        """Start the mailbox page and return its address; it ends with the cloud."""
        mailbox = ChildProcess(
            "The mailbox",
            [sys.executable, "-m", "local.mailbox", "--outbox", str(self.outbox)],
            log=self.state / "logs" / "mailbox.log",
            env=bare_environment(),
            cwd=ROOT,
        )
        self._running.enter_context(mailbox)
        return mailbox.wait_until(lambda: listening_address(mailbox.log), READY_SECONDS)

    def sam_build(self) -> None:
        """Run `sam build`; raises ProcessFailedError with the end of its output."""
        self._sam.build()

    def deploy(self, stack_name: str, parameters: Mapping[str, str] | None = None) -> dict[str, str]:
        """Run `sam deploy` on the last build and return the outputs of the stack.

        `parameters` win over those of this machine, and those over samconfig.toml's section [local].
        Raises ProcessFailedError with the end of sam's output.
        """
        self._sam.deploy(stack_name, runtime_parameters() | dict(parameters or {}))
        stack = self.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    @property
    def _sam(self) -> Sam:
        return Sam(self.template, self.state, self.endpoint)

    def _start_custom_labels(self, port: int, switches: Sequence[str]) -> ChildProcess:
        where = ["--port", str(port), "--state", str(self.state / "rekognition"), "--s3-endpoint", self.endpoint]
        pace = ["--transition-seconds", str(TRANSITION_SECONDS), "--tps-per-unit", str(TPS_PER_UNIT)]
        pace += ["--changes", str(self._changes)]
        return ChildProcess(
            "The Custom Labels service",
            # Training and inference take whole processors; what they leave is enough for them, not for everybody else.
            ["nice", "-n", "10", sys.executable, "-m", "local.rekognition", *where, *pace, *switches],
            log=self.state / "logs" / "rekognition.log",
            env=inherited_environment() | CREDENTIALS | NO_USER_CONFIG | {"PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
        )

    def _start_emulator(self, port: int) -> ChildProcess:
        where = ["--port", str(port), "--outbox", str(self.outbox), "--silent-seconds", str(self._silent_seconds)]
        if self.rekognition_endpoint:
            where += ["--rekognition-endpoint", self.rekognition_endpoint, "--changes", str(self._changes)]
        return ChildProcess(
            "The AWS emulator",
            [str(VENVS / "cloud/bin/python"), "-P", str(LAUNCHER), *where],
            log=self.state / "logs" / "aws.log",
            env=bare_environment() | CREDENTIALS | NO_USER_CONFIG | {"AWS_EC2_METADATA_DISABLED": "true"},
            cwd=self.state,
        )


def holder_of(state: Path = STATE) -> int | None:
    """The process id of the local cloud that works in `state`, None when there is none."""
    try:
        with (state / PID_FILE).open() as pid:
            fcntl.flock(pid, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((state / PID_FILE).read_text() or 0) or None
    return None


@contextlib.contextmanager
def _exclusive(state: Path) -> Iterator[None]:
    """Empty the state folder and keep other clouds out of it until the end, even if we are killed."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / PID_FILE).open("a") as pid:
        try:
            fcntl.flock(pid, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudInUseError(f"Another local cloud runs in {state}. End it first: make down") from None
        pid.truncate(0)
        print(os.getpid(), file=pid, flush=True)
        for entry in state.iterdir():
            if entry.name != PID_FILE:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield


def listening_address(log: Path) -> str | None:
    """The address a service says in its log that it listens on."""
    found = re.search(r"listening on (http://\S+)", log.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def _is_healthy(endpoint: str) -> bool | None:
    try:
        answer = httpx.get(f"{endpoint}/_ministack/health", trust_env=False, timeout=2)
    except httpx.TransportError:
        return None
    return True if answer.is_success else None
