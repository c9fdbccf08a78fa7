"""Start ministack with what it lacks for this system, each addition in one function named `install_...`.

Runs on the interpreter of `.venvs/cloud`, which has nothing else of the project: only the standard library, ministack
and boto3 may be imported here, and those two inside functions, so that the module can be read without them.
The additions replace private functions of ministack. `CONTRACT` holds a digest of the source of each function they
replace or lean on; a ministack with other sources is refused at start instead of failing in the middle of a run.
"""

import argparse
import asyncio
import base64
import contextlib
import contextvars
import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path
from typing import Any

CONTRACT: Mapping[str, str] = {
    "ministack.core.iam_actions:identity_denial_message": "82f77b7767c60ba0",
    "ministack.core.iam_evaluator:_gather_role_policies": "d83d1661b86595ac",
    "ministack.core.iam_evaluator:_resolve_condition_key": "15e26964cd38f32c",
    "ministack.core.iam_evaluator:caller_arn": "8dc478d34f4697cf",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b099c8f",
    "ministack.core.iam_evaluator:evaluate_resource_policy": "e49ce7161ad63e35",
    "ministack.core.iam_evaluator:resolve_credential": "32276bd395ef6a6a",
    "ministack.core.lambda_runtime:Worker._drain_stderr_bounded": "3fd7cc742872e604",
    "ministack.core.lambda_runtime:Worker._spawn": "c55febf956565c5e",
    "ministack.core.lambda_runtime:_worker_key": "0537100beb43da29",
    "ministack.core.responses:set_request_account_id": "c064870580b11b23",
    "ministack.core.router:detect_service": "fd156fac4b5ddc67",
    "ministack.services.cloudformation.provisioners:_delete_resource": "9e9ba54fb4281d65",
    "ministack.services.cloudformation.provisioners:_provision_resource": "3b8f01fb187141b6",
    "ministack.services.cloudformation.provisioners:_update_resource": "21b9b1207f59a864",
    "ministack.services.eventbridge:_dispatch_to_lambda": "1f95adbaed3a966a",
    "ministack.services.eventbridge:_dispatch_to_sqs": "eb75981283a29783",
    "ministack.services.eventbridge:_invoke_target": "550e304af0809563",
    "ministack.services.eventbridge:_pattern_event_view": "a472224bb7b0d436",
    "ministack.services.lambda_svc:_event_invoke_config": "aeeb62079ef21907",
    "ministack.services.lambda_svc:_execute_function": "3ceb16d6480a2161",
    "ministack.services.lambda_svc:_execution_record_for_config": "632acaa44892bdae",
    "ministack.services.lambda_svc:_get_func_record_for_ref": "492b4efe8f903a0f",
    "ministack.services.lambda_svc:_poll_loop": "6a443090919adccf",
    "ministack.services.lambda_svc:_probe_peak_memory_mb": "545001066205e4d5",
    "ministack.services.lambda_svc:_resolve_name_and_qualifier": "8c65f22c59e03249",
    "ministack.services.lambda_svc:_run_sqs_batch": "f9bf630aabf3d1b9",
    "ministack.services.lambda_svc:invoke_async_with_retry": "289fe4d3cbd4089b",
    "ministack.services.s3:_fire_s3_event": "2ab38cfade76bf2e",
    "ministack.services.s3:_foreign_bucket_allows": "7865eb38b093e5a8",
    "ministack.services.sns:_fanout": "984cdd91d64aa056",
    "ministack.services.sns:_matches_filter_policy": "16fce5e70fec3494",
    "ministack.services.sns:_resolve_message_for_protocol": "ce24ef525ae48496",
    "ministack.services.sns:_topic_by_arn_any_scope": "419963ad2e7d9a6b",
    "ministack.services.sqs:_collect_msgs": "308a6eb1b3d4c8ad",
    "ministack.services.sqs:_queue_by_arn": "b4981875c8186c19",
}

ENVIRONMENT = {
    "AUTH": "true",  # role policies are enforced, as on AWS
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",  # a minute on AWS
    "MINISTACK_HOST": "localhost",
}

Handler = Callable[..., Any]


# --- The contract with the pinned ministack ---------------------------------------------------------------------------


def source_digest(name: str) -> str:
    """Digest of the source of `module:attribute`, or "missing"."""
    module_name, _, path = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for attribute in path.split("."):
        found = getattr(found, attribute, None)
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:16] if found else "missing"


def broken_contracts(contract: Mapping[str, str] = CONTRACT) -> list[str]:
    """What differs from the ministack these additions were written for, one sentence each."""
    found = {name: source_digest(name) for name in contract}
    return [
        f"{name}: expected source {contract[name]}, found {digest}"
        for name, digest in found.items()
        if digest != contract[name]
    ]


def require_contract() -> None:
    """Refuse to start on a ministack whose private functions are not the known ones."""
    if broken := broken_contracts():
        sys.exit(
            "This ministack is not the one that requirements/cloud.txt pins; its private functions changed:\n  "
            + "\n  ".join(broken)
            + "\nInstall the pinned version, or adapt local/cloud/ministack_launcher.py and renew CONTRACT."
        )


# --- Asynchronous delivery --------------------------------------------------------------------------------------------

_in_background: contextvars.ContextVar[bool] = contextvars.ContextVar("in_background", default=False)


def install_asynchronous_delivery() -> None:
    """EventBridge and Scheduler invoke functions asynchronously: retries, then the OnFailure destination.

    An event whose target is gone ends in the dead-letter queue of the rule's target.
    """
    from ministack.services import eventbridge

    invoke_target = eventbridge._invoke_target

    def invoke_or_dead_letter(target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None) -> None:
        dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if dead_letter_arn and not _target_exists(target["Arn"]):
            body = eventbridge._pattern_event_view(event).event_with_detail()
            eventbridge._dispatch_to_sqs(eventbridge.parse_arn(dead_letter_arn), json.dumps(body))
        else:
            invoke_target(target, event, rule, view)

    eventbridge._invoke_target = invoke_or_dead_letter
    eventbridge._dispatch_to_lambda = _invoke_asynchronously


def _target_exists(arn: str) -> bool:
    from ministack.services import lambda_svc, sqs

    service = arn.split(":")[2]
    if service == "lambda":
        return bool(lambda_svc._get_func_record_for_ref(arn)[0])
    return service != "sqs" or bool(sqs._queue_by_arn(arn))


def _invoke_asynchronously(arn: str, payload: str) -> None:
    from ministack.services import lambda_svc

    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        return
    _, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
    record = lambda_svc._execution_record_for_config(function, config)
    invoke_config = lambda_svc._event_invoke_config(function, qualifier or "$LATEST")
    lambda_svc.invoke_async_with_retry(
        record | ({"event_invoke_config": invoke_config} if invoke_config else {}), json.loads(payload)
    )


def install_background_limit(limit: int) -> None:
    """At most `limit` functions run at once for events and queues; the rest wait.

    A burst of uploads would otherwise start one process for each event. Callers who wait for an answer (HTTP, Invoke)
    never queue: a function that waits for another one must not wait for its own slot.
    """
    from ministack.services import lambda_svc

    slots, execute = threading.BoundedSemaphore(limit), lambda_svc._execute_function

    def execute_in_turn(function: dict[str, Any], event: Any) -> Any:
        if not _in_background.get():
            return execute(function, event)
        with slots, _background(False):  # execute() calls itself once more, in the account of the function
            return execute(function, event)

    lambda_svc._execute_function = execute_in_turn
    lambda_svc.invoke_async_with_retry = _as_background(lambda_svc.invoke_async_with_retry)
    lambda_svc._run_sqs_batch = _as_background(lambda_svc._run_sqs_batch)


@contextlib.contextmanager
def _background(state: bool) -> Iterator[None]:
    token = _in_background.set(state)
    try:
        yield
    finally:
        _in_background.reset(token)


def _as_background(call: Handler) -> Handler:
    def run(*args: Any) -> Any:
        with _background(True):
            return call(*args)

    return run


# --- Queues that wait no longer than asked ----------------------------------------------------------------------------


def install_prompt_queues(changes: Path | None) -> None:
    """A delayed message is taken when its delay is over, not when queues are looked at the next time.

    What functions wait for by looking again and again, a model's status, is known on this machine the moment that it
    changes: `changes` is a pipe on which the Custom Labels service writes the ARN of the model. The delay of a message
    that names it is over then. So the laptop waits no longer than it must, although functions ask as rarely as on AWS.
    """
    from ministack.services import lambda_svc

    promptly = PromptQueues()
    wake, look = lambda_svc._esm_wake, lambda_svc._poll_sqs
    wait = wake.wait

    def wait_until_next(timeout: float) -> bool:
        return bool(wait(min(timeout, promptly.seconds_until_next())))

    def look_promptly() -> bool:
        promptly.end_delays()
        return bool(look())

    wake.wait = wait_until_next
    lambda_svc._poll_sqs = look_promptly
    if changes:
        threading.Thread(target=_follow, args=(changes, promptly, wake), daemon=True).start()


class PromptQueues:
    """The delayed messages of all queues, and the models that changed while no message named them."""

    # A change is often known before the message that asks about it is sent.
    REMEMBERED_SECONDS = 5.0

    def __init__(self) -> None:
        self._changed: dict[str, float] = {}

    def note_change(self, version_arn: str) -> None:
        self._changed[version_arn] = time.time()

    def seconds_until_next(self) -> float:
        """How long until the delay of the next message is over."""
        now = time.time()
        return max(0.001, min((message["visible_at"] - now for message in _delayed(now)), default=60.0))

    def end_delays(self) -> None:
        """End the delay of messages that name a model which has changed: one time for each change."""
        now = time.time()
        for version_arn, at in list(self._changed.items()):
            about_it = [message for message in _delayed(now) if version_arn in message["body"]]
            for message in about_it:
                message["visible_at"] = now
            if about_it or now - at > self.REMEMBERED_SECONDS:
                del self._changed[version_arn]


def _delayed(now: float) -> Iterator[dict[str, Any]]:
    """The messages that nobody has received yet, because their delay is not over."""
    from ministack.services import sqs

    for queue in list(sqs._queues._data.values()):
        for message in list(queue["messages"]):
            if message["visible_at"] > now and not message["receive_count"]:
                yield message


def _follow(changes: Path, promptly: PromptQueues, wake: threading.Event) -> None:
    # Opened for writing, too, so that it does not end when a writer goes.
    with os.fdopen(os.open(changes, os.O_RDWR)) as lines:
        for line in lines:
            promptly.note_change(line.strip())
            wake.set()


def install_patient_stacks() -> None:
    """DescribeStacks answers when a stack that is being made, changed or deleted is done, or after a while.

    Whoever waits for it asks every few seconds, `sam delete` every 30.
    """
    from ministack import app

    handle = app.SERVICE_HANDLERS["cloudformation"]

    async def handle_patiently(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        answer = await handle(method, path, headers, body, query)
        while b"Action=DescribeStacks" in body and _IS_BUSY.search(answer[2]) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            answer = await handle(method, path, headers, body, query)
        return answer

    app.SERVICE_HANDLERS["cloudformation"] = handle_patiently


_PATIENCE_SECONDS = 20.0
# A stack under review waits for somebody who executes its change set.
_IS_BUSY = re.compile(rb"<StackStatus>(?!REVIEW_)\w+_IN_PROGRESS</StackStatus>")


# --- Function packages and memory -------------------------------------------------------------------------------------


def install_shared_packages(folder: Path) -> None:
    """Unpack a package or layer once per content, and link it into every worker that needs it."""
    from ministack.core import lambda_runtime

    one_at_a_time = threading.Lock()

    class SharedZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, *args: Any) -> None:
            with one_at_a_time:
                unpacked = self._unpacked()
            for entry in unpacked.iterdir():
                (Path(path) / entry.name).symlink_to(entry)
            Path(str(self.filename)).unlink()  # each worker's copy of the archive; nobody reads it again

        def _unpacked(self) -> Path:
            with Path(str(self.filename)).open("rb") as archive:
                unpacked = folder / hashlib.file_digest(archive, "sha256").hexdigest()
            if not unpacked.exists():
                staging = Path(tempfile.mkdtemp(dir=folder))
                super().extractall(staging)
                staging.rename(unpacked)
            return unpacked

    lambda_runtime.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedZipFile})


def install_forked_workers() -> None:
    """Python workers are forks of a process that has imported what functions with the same layers import."""
    from ministack.core import lambda_runtime

    found: dict[tuple[str, ...], Any] = {}
    one_at_a_time = threading.Lock()

    def started(command: Sequence[str], **options: Any) -> Any:
        if not command[-1].endswith(".py"):
            return subprocess.Popen(command, **options)
        layers = (options["env"].get("_LAMBDA_LAYERS_DIRS") or "").split(os.pathsep)
        folders = tuple(str(folder.resolve()) for layer in layers if (folder := Path(layer) / "python").is_dir())
        with one_at_a_time:
            if folders not in found:
                found[folders] = _prepared.Prepared(IMPORTED_BY_FUNCTIONS, (*folders, WARM), os.environ)
        return found[folders].start(command[-1], folder=options["cwd"], environment=options["env"])

    lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": started})


def install_prompt_answers() -> None:
    """An invocation that wrote no log does not wait for one: whatever a worker wrote came before its answer."""
    from ministack.core.lambda_runtime import Worker

    Worker._drain_stderr_bounded = partialmethod(Worker._drain_stderr_bounded, 0.005, 0.002)


WARM = str(Path(__file__).with_name("warm"))
# What functions import before they do anything; what a layer does not have is skipped.
IMPORTED_BY_FUNCTIONS = (
    "boto3.dynamodb.conditions",
    "botocore.handlers",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.typing",
    "jinja2",
    "numpy",
    "PIL.Image",
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "PIL.ImageOps",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "warm_sdk",
)


def _module_beside(name: str) -> Any:
    """A module of the folder above, which is on nobody's path here."""
    spec: Any = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_prepared = _module_beside("prepared")


_LONG_AGO = "2000-01-01T00:00:00Z"


def install_silent_buckets(seconds: float) -> None:
    """A new bucket tells of nothing for so long, as on AWS, where it is about five minutes."""
    from ministack.services import s3

    fire = s3._fire_s3_event

    def fired(bucket_name: str, *rest: Any, **options: Any) -> None:
        made_at = datetime.fromisoformat(s3._buckets.get(bucket_name, {}).get("created", _LONG_AGO))
        if (datetime.now(UTC) - made_at).total_seconds() >= seconds:
            fire(bucket_name, *rest, **options)

    s3._fire_s3_event = fired


def install_condition_keys() -> None:
    """Requests over loopback count as encrypted: bucket policies that demand TLS must not lock this machine out.

    `aws:PrincipalArn` of a session is the ARN of its role, as on AWS, not that of the session.
    """
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        if key.lower() == "aws:securetransport":
            return "true"
        value = resolve(key, context)
        return _role_arn(value) if key.lower() == "aws:principalarn" else value

    iam_evaluator._resolve_condition_key = resolved


def install_callers_of_foreign_buckets() -> None:
    """The policy of another account's bucket is asked about the caller, a role for instance, not about its account."""
    from ministack.core import iam_evaluator

    evaluate = iam_evaluator.evaluate_resource_policy

    def evaluated(document: Any, context: Any, *rest: Any, **options: Any) -> Any:
        caller = iam_evaluator.caller_arn()
        if context.principal_type == "Root" and caller.split(":")[4:5] == [context.principal_account]:
            context = dataclasses.replace(context, principal_arn=caller)
        return evaluate(document, context, *rest, **options)

    iam_evaluator.evaluate_resource_policy = evaluated


def _role_arn(principal_arn: str) -> str:
    """The role of an assumed-role session, with its path; any other principal as it is."""
    from ministack.services import iam

    if ":assumed-role/" not in principal_arn:
        return principal_arn
    account, name = principal_arn.split(":")[4], principal_arn.split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn", f"arn:aws:iam::{account}:role/{name}"))


def install_memory_report() -> None:
    """`Max Memory Used` in the REPORT line is the peak of the function's own workers, where the system tells it.

    ministack reports the largest child it ever had, whichever function that was.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    largest_child = lambda_svc._probe_peak_memory_mb

    def peak_memory_mb(function: dict[str, Any]) -> int:
        config = function.get("config") or function
        key = lambda_runtime._worker_key(config["FunctionName"], config, config.get("Version", "$LATEST"))
        processes = [worker._proc for worker in lambda_runtime._workers.get(key, [])]
        peaks = [_peak_resident_mb(process.pid) for process in processes if process]
        return max(peaks, default=0) or largest_child(function)

    lambda_svc._probe_peak_memory_mb = peak_memory_mb


def _peak_resident_mb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


# --- E-mail -----------------------------------------------------------------------------------------------------------


def install_outbox(folder: Path, port: int) -> None:
    """Write each e-mail that SNS would send as one JSON file, with its message also with links to this machine."""
    from ministack.services import sns

    fan_out = sns._fanout
    folder.mkdir(parents=True, exist_ok=True)

    def fan_out_with_mail(
        topic_arn: str,
        message_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        *rest: Any,
        **options: Any,
    ) -> None:
        fan_out(topic_arn, message_id, message, subject, message_structure, message_attributes, *rest, **options)
        body = sns._resolve_message_for_protocol(message, message_structure, "email")
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            wanted = subscription.get("confirmed") and subscription.get("protocol") in ("email", "email-json")
            if wanted and sns._matches_filter_policy(subscription, message_attributes or {}, body):
                _post(folder, port, subscription["endpoint"], topic_arn, subject, body)

    sns._fanout = fan_out_with_mail


def _post(folder: Path, port: int, recipient: str, topic_arn: str, subject: str, message: str) -> None:
    mail = {
        "sent_at": datetime.now(UTC).isoformat(),
        "to": recipient,
        "topic_arn": topic_arn,
        "subject": subject or "AWS Notification Message",
        "message": message,
        "local_message": with_local_links(message, port),
    }
    staging = Path(tempfile.mkstemp(dir=folder, prefix=".")[1])
    staging.write_text(json.dumps(mail, ensure_ascii=False, indent=1), encoding="utf-8")
    staging.rename(folder / f"{time.time_ns()}.json")  # readers only ever see whole mails


def with_local_links(text: str, port: int) -> str:
    """`text` with the addresses of HTTP APIs and function URLs replaced by those of this machine."""
    local = f"http://127.0.0.1:{port}/_aws"
    text = re.sub(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com", rf"{local}/execute-api/\1", text)
    return re.sub(r"https://([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.on\.aws", rf"{local}/lambda-url/\1", text)


# --- Amazon Rekognition -----------------------------------------------------------------------------------------------


def install_custom_labels(endpoint: str) -> None:
    """Amazon Rekognition is the Custom Labels service at `endpoint`, behind authentication and IAM of this cloud.

    `AWS::Rekognition::Project` creates and deletes its projects.
    """
    from ministack import app
    from ministack.core import router
    from ministack.services.cloudformation import provisioners

    router.SERVICE_PATTERNS["rekognition"] = {"target_prefixes": [_REKOGNITION_TARGET]}
    app.SERVICE_HANDLERS["rekognition"] = CustomLabelsFront(endpoint).handle
    projects = RekognitionProjects(endpoint)
    provisioners._RESOURCE_HANDLERS["AWS::Rekognition::Project"] = {
        "create": projects.create,
        "update": projects.update,
        "delete": projects.delete,
    }


_REKOGNITION_TARGET = "RekognitionService."
# What a call needs beside its own action: the service does it for the caller. Source: the service authorization
# reference of Amazon Rekognition. What S3 allows is seen when S3 is used, with the caller's credentials.
_NAMED = ("ProjectArn", "ProjectVersionArn", "DatasetArn", "ResourceArn", "SourceProjectArn", "SourceProjectVersionArn")


def rekognition_permissions(operation: str, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The pairs of action and resource that the caller of an operation needs."""
    arns = [str(request[name]) for name in (*_NAMED, "DestinationProjectArn") if name in request]
    arns += [str(entry.get("Arn")) for entry in request.get("Datasets") or ()]
    needed = [(operation, arn) for arn in arns or ["*"]]
    if operation == "CopyProjectVersion":
        needed.append(("CreateProjectVersion", str(request.get("DestinationProjectArn", "*"))))
    if source := (request.get("DatasetSource") or {}).get("DatasetArn"):
        needed.append(("ListDatasetEntries", str(source)))
    if "Tags" in request and operation != "TagResource":
        needed.append(("TagResource", needed[-1][1]))
    return [(f"rekognition:{action}", arn) for action, arn in needed]


class CustomLabelsFront:
    """Checks the rights of a caller, and passes its request on in the name of its account."""

    def __init__(self, endpoint: str) -> None:
        import urllib3

        self._endpoint, self._http = endpoint, urllib3.PoolManager(maxsize=16)

    async def handle(self, method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        """Answer a request whose signature has been verified."""
        from ministack.core.responses import get_account_id, get_region
        from ministack.core.router import extract_access_key_id

        key, account, region = extract_access_key_id(headers), get_account_id(), get_region()
        target = headers.get("x-amz-target", "")
        if refusal := self._refusal(key, region, target.removeprefix(_REKOGNITION_TARGET), body):
            return refusal
        signed = self._signed(target, body, account, region)
        signed["x-forward-access"] = _forward_access(key, account)
        return await asyncio.to_thread(self._pass_on, signed, body)

    @staticmethod
    def _refusal(key: str, region: str, operation: str, body: bytes) -> Any:
        from ministack.core.iam_actions import identity_denial_message
        from ministack.core.iam_evaluator import AuthError, enforce

        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return None  # the service says what is wrong with it
        for action, resource in rekognition_permissions(operation, request if isinstance(request, dict) else {}):
            denied = enforce(key, action, "rekognition", region, resource_arn=resource)
            if not denied:
                continue
            if isinstance(denied, AuthError):
                return _rekognition_error(403, denied.code, denied.message)
            explicit = denied.decision == "Deny"
            message = identity_denial_message(action, denied.principal_arn, resource, explicit)
            return _rekognition_error(400, "AccessDeniedException", message)
        return None

    def _signed(self, target: str, body: bytes, account: str, region: str) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", f"{self._endpoint}/", headers, body)
        SigV4Auth(Credentials(account, "test"), "rekognition", region).add_auth(request)
        return dict(request.headers)

    def _pass_on(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        answer = self._http.request("POST", f"{self._endpoint}/", body=body, headers=headers, retries=False)
        kept = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        return answer.status, kept, answer.data


def _forward_access(key: str, account: str) -> str:
    """Who calls, with the credentials to use S3 on the caller's behalf."""
    from ministack.core import iam_evaluator

    credential = iam_evaluator.resolve_credential(key, account)
    said = {
        "principal": credential.principal_arn,
        "credentials": {
            "access_key_id": key,
            "secret_access_key": credential.secret_access_key,
            "session_token": credential.session_token,
        },
    }
    return base64.b64encode(json.dumps(said).encode()).decode()


def _rekognition_error(status: int, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    body = {"__type": code, "Code": code, "Message": message}
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()


class RekognitionProjects:
    """The resource handler: as on AWS, `Ref` is the project's name and `Arn` its attribute."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = properties["ProjectName"]
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        created = self._client().create_project(ProjectName=name, **({"Tags": tags} if tags else {}))
        return name, {"Arn": created["ProjectArn"]}

    def update(
        self, name: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        if new["ProjectName"] == name:  # what else may change, the tags, nothing here reads
            return name, {"Arn": str(self._arn(name))}
        replacement = self.create("", new, stack_name)
        self.delete(name, old)
        return replacement

    def delete(self, name: str, properties: dict[str, Any]) -> None:
        if arn := self._arn(name):
            self._client().delete_project(ProjectArn=arn)

    def _client(self) -> Any:
        """A client of the account and region that the stack is in."""
        import boto3
        from ministack.core.responses import get_account_id, get_region

        connect: Any = boto3.client
        keys = {"aws_access_key_id": get_account_id(), "aws_secret_access_key": "test"}
        return connect("rekognition", endpoint_url=self._endpoint, region_name=get_region(), **keys)

    def _arn(self, name: str) -> str | None:
        found = self._client().describe_projects(ProjectNames=[name])["ProjectDescriptions"]
        return found[0]["ProjectArn"] if found else None


# --- Start ------------------------------------------------------------------------------------------------------------


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
    from ministack import app

    install_background_limit(options.background_limit)
    install_asynchronous_delivery()
    install_prompt_queues(options.changes)
    install_patient_stacks()
    install_memory_report()
    install_silent_buckets(options.silent_seconds)
    install_condition_keys()
    install_callers_of_foreign_buckets()
    install_outbox(options.outbox, options.port)
    if options.rekognition_endpoint:
        install_custom_labels(options.rekognition_endpoint)
    with tempfile.TemporaryDirectory(prefix="packages-", ignore_cleanup_errors=True) as packages:
        install_shared_packages(Path(packages))
        install_forked_workers()
        install_prompt_answers()
        app.main()


if __name__ == "__main__":
    main()
