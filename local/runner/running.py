"""The local cloud that `up` left running: where it is, and what is deployed in it."""

import json
from pathlib import Path
from typing import Any

from local.cloud import STATE, CloudAccess, holder_of

FACTS = STATE / "running.json"


def read_facts() -> dict[str, Any] | None:
    """What was written down when the local cloud was started; None when none runs."""
    return dict(json.loads(FACTS.read_text(encoding="utf-8"))) if holder_of() and FACTS.exists() else None


def running_cloud() -> tuple[CloudAccess, dict[str, str]] | None:
    """The running cloud and the outputs of its stack."""
    facts = read_facts()
    if facts is None:
        return None
    return CloudAccess(facts["AWS"], Path(facts["Outbox"])), facts["Outputs"]
