"""Failures, releases and models that had to be stopped or were deleted reach a person by e-mail."""

import json
from collections.abc import Mapping
from typing import Any

from mlops import stack
from mlops.aws import messages
from mlops.reading import mails
from mlops.records import releases


def notify(event: Mapping[str, Any]) -> None:
    detail = event["detail"]
    if event["detail-type"] == "Models Swept":
        messages.send_mail(*mails.sweep_mail(detail["version_arns"], stack.json_setting("PRICES")["running"]))
    elif event["detail-type"] == "Models Deleted":
        messages.send_mail(*mails.pruning_mail(detail["version_arns"]))
    elif event["detail-type"] == "Model Released":
        place = (detail["dataset"], detail["task"], detail["environment"])
        lacks_room = stack.is_wanted(detail["environment"]) and not detail["is_running"]
        no_room = stack.setting("RUNNING_MODELS") if lacks_room else ""
        facts = {"parameter": releases.parameter(*place), "no_room": no_room}
        messages.send_mail(*mails.release_mail(detail, releases.current(*place), **facts))
    else:
        messages.send_mail(*mails.failure_mail(detail, stack.setting("ARTIFACTS_BUCKET")))


def cause_of(event: Mapping[str, Any]) -> str:
    """One e-mail for one outcome, however often its event comes."""
    return f"{event['detail-type']}@{json.dumps(event['detail'], sort_keys=True)}"
