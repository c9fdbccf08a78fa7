"""The real `sam build` and `sam deploy`, pointed at the local cloud."""

import json
import platform
import shlex
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloud.processes import ChildProcess, inherited_environment

ROOT = Path(__file__).resolve().parents[2]
VENVS = ROOT / ".venvs"
QUICK_SAM = Path(__file__).with_name("quick_sam.py")
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
NO_USER_CONFIG = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
PACKAGES_BUCKET = "sam-packages"
BUILD_SECONDS = 900.0
DEPLOY_SECONDS = 600.0


@dataclass(frozen=True)
class Sam:
    """Builds and deploys one template. `state` holds the build, the logs and sam's own files."""

    template: Path
    state: Path
    endpoint: str

    def build(self) -> None:
        """Build every function and layer for this interpreter and processor, from scratch: what sam would take from
        its cache does not depend on the runtime or on files outside a layer's folder.

        Raises ProcessFailedError with the end of sam's output.
        """
        where = ("--build-dir", str(self._build_dir), "--parallel")
        self._run("build", BUILD_SECONDS, self.template, *where, *_overrides(runtime_parameters()))

    def deploy(self, stack_name: str, parameters: Mapping[str, str]) -> None:
        """Create or update the stack from the last build; raises ProcessFailedError with the end of sam's output."""
        overrides = local_parameters(self.template.with_name("samconfig.toml")) | dict(parameters)
        where = ("--stack-name", stack_name, "--s3-bucket", PACKAGES_BUCKET, "--region", REGION)
        flags = ("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar")
        capabilities = ("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
        built = self._build_dir / "template.yaml"
        self._run("deploy", DEPLOY_SECONDS, built, *where, *flags, *capabilities, *_overrides(overrides))

    @property
    def _build_dir(self) -> Path:
        return self.state / "sam-build"

    def _without_version_check(self) -> Path:
        """sam's own folder, in which it finds that it has just asked PyPI for a newer sam."""
        folder = self.state / "sam"
        folder.mkdir(exist_ok=True)
        (folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        return folder

    def _run(self, action: str, seconds: float, template: Path, *options: str) -> None:
        # A configuration of its own: sam would otherwise pick up the settings meant for a real account.
        configuration = self.state / "samconfig.toml"
        configuration.write_text("version = 0.1\n[default.global.parameters]\nlanguage_extensions = true\n")
        files = ("--template-file", str(template), "--config-file", str(configuration))
        with ChildProcess(
            f"sam {action}",
            [str(VENVS / "sam/bin/python"), str(QUICK_SAM), action, *files, *options],
            log=self.state / "logs" / f"sam-{action}.log",
            env=self.environment(),
            cwd=self.template.parent,
        ) as process:
            process.finish(seconds)

    def environment(self) -> dict[str, str]:
        """What sam, and the commands beside it, need to work with this cloud and to build for this machine."""
        inherited, runtime = inherited_environment(), runtime_parameters()
        tools = [Path(sys.executable).parent, VENVS / "uv/bin", VENVS / "sam/bin"]
        own = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "LAMBDA_RUNTIME": runtime["PythonRuntime"],
            "LAMBDA_ARCHITECTURE": runtime["Architecture"],
            "PATH": ":".join([*map(str, tools), inherited.get("PATH", "")]),
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
            "__SAM_CLI_APP_DIR": str(self._without_version_check()),
        }
        return inherited | CREDENTIALS | NO_USER_CONFIG | own


def runtime_parameters() -> dict[str, str]:
    """The template's runtime and architecture: those of this machine, because functions run on it directly."""
    arm = platform.machine() in ("arm64", "aarch64")
    return {
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Architecture": "arm64" if arm else "x86_64",
    }


def local_parameters(samconfig: Path) -> dict[str, str]:
    """`parameter_overrides` of the section [local.deploy.parameters] of `samconfig`; empty without that section."""
    if not samconfig.exists():
        return {}
    content: dict[str, Any] = tomllib.loads(samconfig.read_text(encoding="utf-8"))
    found = content.get("local", {}).get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    words = shlex.split(found) if isinstance(found, str) else found
    return dict(word.split("=", 1) for word in words)


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    # sam reads each word again, as a shell would: values with spaces need quotes of their own.
    return ["--parameter-overrides", *(f'{name}="{value}"' for name, value in parameters.items())]
