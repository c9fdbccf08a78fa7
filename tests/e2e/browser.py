"""A page as a person sees it: in a real browser, with the keyboard."""

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.emulator.processes import ROOT, with_clients

WIDTHS, THEMES = (360, 800, 1280), ("light", "dark")
# One that is installed, or else the one that npm brings, which runs on Linux on x86.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def look(
    url: str,
    form: Mapping[str, str] | None = None,
    pictures: Path | None = None,
    widths: Sequence[int] = WIDTHS,
    themes: Sequence[str] = THEMES,
) -> dict[str, Any]:
    """Look at a page at every width and in both themes, then fill in its form; return what look.cjs prints."""
    request = {"url": url, "widths": widths, "themes": themes, "form": form}
    return run("look.cjs", {**request, "pictures": str(pictures) if pictures else None})


def run(script: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a script beside look.cjs prints about this request."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), "")
    finished = subprocess.run(
        ["node", ROOT / "tests" / "javascript" / script],
        input=json.dumps({"browser": browser, **request}),
        env=os.environ | with_clients(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    seen: dict[str, Any] = json.loads(finished.stdout)
    return seen


def faults(seen: Mapping[str, Any], borne: Collection[str] = ()) -> list[Any]:
    """What is wrong with a page: what axe-core says but for the rules `borne`, what sticks out, is cut off or lies on
    other words, pictures that do not load, complaints."""
    looks = [
        look
        for look in seen["looks"]
        if {rule.split(":")[0] for rule in look["violations"]} - set(borne)
        or any(look.get(fault) for fault in ("overflow", "broken", "crowded"))
    ]
    return looks + seen["complaints"]
