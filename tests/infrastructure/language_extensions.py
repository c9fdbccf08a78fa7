"""AWS::LanguageExtensions, applied by the libraries of others: each lives in an environment of its own."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.cloud.sam import ROOT, VENVS

Template = dict[str, Any]
TEMPLATE = ROOT / "template.yaml"

_MINISTACK = """
import json, sys
from ministack.services.cloudformation.language_extensions import apply
json.dump(apply(json.load(sys.stdin), {}), sys.stdout)
"""
_CFN_LINT = """
import json, sys
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension
mistakes, expanded = language_extension(Template("template", json.load(sys.stdin), ["eu-west-1"]))
assert not mistakes, mistakes
json.dump(expanded, sys.stdout)
"""
_SAM_DUMP = """
import sys
from samcli.yamlhelper import yaml_dump, yaml_parse
sys.stdout.write(yaml_dump(yaml_parse(sys.stdin.read())))
"""
_PROGRAMS = {"cloud": _MINISTACK, "sam": _CFN_LINT}


@cache
def _json_of(text: str) -> str:
    return json.dumps(yaml_parse(text))


def parsed(path: Path) -> Template:
    """A template as somebody wrote it. Every text is parsed once, and everybody gets a copy."""
    return dict(json.loads(_json_of(path.read_text(encoding="utf-8"))))


def expanded(environment: str = "cloud", text: str = "") -> Template:
    """The template, or that of `text`, without loops: as the local cloud (ministack) reads it, or the linter in `sam`.

    What sam itself makes of loops is for its own use: it takes ${AWS::StackName} for text, and deploys the original.
    """
    source = _json_of(text or TEMPLATE.read_text(encoding="utf-8"))
    return dict(json.loads(_run(environment, _PROGRAMS[environment], source)))


def as_sam_hands_it_on() -> str:
    """The template as `sam build` and `sam package` write it for CloudFormation, but for where code lies."""
    return _run("sam", _SAM_DUMP, TEMPLATE.read_text(encoding="utf-8"))


def _run(environment: str, program: str, given: str) -> str:
    command = [str(VENVS / environment / "bin/python"), "-P", "-c", program]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
