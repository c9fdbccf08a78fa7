"""The README and the reference, tried: every command about AWS as it is printed, in one shell, on the local cloud.

The copy of the project that it happens in has the runtime and the haste of a laptop as the defaults of its parameters.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from cli.decide import approval_link
from local.cloud import LocalCloud
from local.cloud.sam import ROOT, VENVS, Sam, local_parameters, runtime_parameters
from tests.e2e.system import eventually

pytestmark = pytest.mark.e2e

PRINTED = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/reference.md"))
BLOCKS = [re.sub("(?m)^ +(?=[a-z])", "", block) for block in re.findall(r"(?ms)^ *```sh\n(.+?)^ *```$", PRINTED)]
STAGING = "222222222222"
# Few small pictures, so that it does not take long.
FEW = {"GOOD": "24", "PER_DEFECT": "8", "SIZE": "320"}
SILENT_SECONDS = 15
NOTHING: Mapping[str, str] = MappingProxyType({})


def block(word: str) -> str:
    """The block of commands that holds a word."""
    (found,) = [text for text in BLOCKS if word in text]
    return found


@dataclass
class Shell:
    """One shell session, block by block: what a block exports or defines, the next one has."""

    cloud: LocalCloud
    folder: Path
    memory: Path

    def run(self, commands: str, typed: str = "", given: Mapping[str, str] = NOTHING, exit_code: int = 0) -> str:
        """Run a block, with variables that its reader fills in; returns what it printed."""
        remember = "" if given else f'{{ export -p; declare -f; }} > "{self.memory}"'
        filled_in = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in given.items())
        script = f'set -eo pipefail\n. "{self.memory}"\n{filled_in}\n{commands}\n{remember}\n'
        finished = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=Sam(self.folder / "template.yaml", self.cloud.state, self.cloud.endpoint).environment() | FEW,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        assert finished.returncode == exit_code, f"{commands}\n{finished.stdout}"
        return finished.stdout

    def link(self, task: str, target: str = "staging") -> str:
        """The link of the mail about a task."""

        def look() -> str | None:
            mails = [m for m in self.cloud.mails() if m.subject.startswith(f"Approve transistor {task} for {target}")]
            return approval_link(mails[0].text) if mails else None

        return eventually(look, f"mail about {task} for {target}")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".?*", "build", "__pycache__"))
    (folder / ".venvs").symlink_to(VENVS)
    template = folder / "template.yaml"
    template.write_text(with_defaults(template.read_text(), local_parameters(folder / "samconfig.toml")))
    memory = folder.parent / "session"
    memory.touch()
    # The first events are lost, as on AWS: a new bucket tells of nothing at first.
    with LocalCloud(folder.parent / "cloud", silent_seconds=SILENT_SECONDS) as cloud:
        yield Shell(cloud, folder, memory)


def with_defaults(template: str, parameters: Mapping[str, str]) -> str:
    for name, value in (parameters | runtime_parameters()).items():
        template = re.sub(rf"(?m)^(  {name}: {{.*Default: )[^,}}]+", rf"\g<1>{value}", template, count=1)
    return template


@pytest.fixture(scope="module")
def released(shell: Shell) -> str:
    """From nothing to a model in staging; returns what was printed last."""
    shell.run(block("sam deploy"), typed="y\n")
    assert "NOT OK" not in shell.run(block("mlops doctor"))
    shell.run(block("make pictures"), typed="y\n")
    link = shell.link("classification")
    confirmation = re.search("characters of the run: (.+)", shell.cloud.mails()[-1].text)
    assert confirmation
    run_id = shell.run("mlops --json runs transistor | grep -o 'transistor-classification-[0-9a-f]*'").split()[0]
    return shell.run(block("mlops approve"), typed=f"{run_id[-6:]}\n", given={"LINK": link})


def test_somebody_who_has_only_the_readme_gets_a_model_into_staging(released: str) -> None:
    assert re.search(r"transistor-classification-\w+ +approved .*current", released), released


def test_a_picture_is_judged_as_printed(shell: Shell, released: str) -> None:
    link = shell.link("classification", "production")
    run_id = shell.run("mlops --json runs transistor | grep -o 'transistor-classification-[0-9a-f]*'").split()[0]
    shell.run(block("mlops approve"), typed=f"{run_id[-6:]}\n", given={"LINK": link})
    eventually(lambda: run_id in shell.run("mlops releases transistor classification"), "release to production")
    printed = shell.run(f"{block('mlops inspect').strip()} || [ $? = 3 ]", typed="y\n")

    assert "1 picture, about" in printed
    assert re.search(r"(ok|defect|unsure) .*000\.png", printed), printed


def test_every_block_of_commands_is_tried() -> None:
    tried = {"sam deploy", "mlops doctor", "make pictures", "mlops approve", "mlops inspect", "output()", "aws s3 sync"}
    others = {"mlops rollback", "--metadata-directive", "cloudformation deploy", "sam delete"}

    assert sorted(map(block, tried | others)) == sorted(BLOCKS)


def test_what_comes_after_the_first_run_works_as_printed(shell: Shell, released: str) -> None:
    shell.run(block("output()"))
    assert "upload:" not in shell.run(block("aws s3 sync") + 'echo "$STACK"')
    run_id = re.findall(r"transistor-detection-\w+", shell.run("mlops runs transistor"))[0]
    shell.run(block("--metadata-directive"), given={"RUN_ID": run_id})
    assert "nothing else was ever released" in shell.run(block("mlops rollback"), exit_code=1)
    bucket = shell.run('printf %s "$(output DataBucketName)"')
    facts = {"ACCOUNT": "000000000000", "DATA_BUCKET": bucket, "AWS_ACCESS_KEY_ID": STAGING}
    assert "Successfully created" in shell.run(block("cloudformation deploy"), given=facts)


def test_what_was_made_is_removed_as_printed(shell: Shell, released: str) -> None:
    # Whoever only tried steps 1 to 5 has typed nothing of what comes later.
    shell.run("unset STACK; unset -f output; " + block("sam delete"), typed="y\ny\n")

    rekognition = shell.cloud.client("rekognition")
    assert eventually(lambda: not rekognition.describe_projects()["ProjectDescriptions"], "end of all projects")
