"""What a function knows about its stack: the variables of its environment, all of which the template sets."""

import json
import os
from typing import Any

SOURCE = "rekognition-mlops"


def setting(name: str) -> str:
    """An environment variable of the function; the template sets every one that a function reads."""
    return os.environ[name]


def json_setting(name: str) -> dict[str, Any]:
    """A setting that is a JSON object."""
    return dict(json.loads(setting(name)))


def stack_name() -> str:
    return setting("STACK_ID").split("/")[1]


def role_of(environment: str) -> str:
    """ARN of the role to take on for what is in an environment; empty when it is in this account."""
    return str(json_setting("ROLES").get(environment, ""))


def is_wanted(environment: str) -> bool:
    """Whether the released version of an environment is to stay running."""
    return bool(json_setting("ALWAYS_ON").get(environment) == "true")
