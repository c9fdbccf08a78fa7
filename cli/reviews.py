"""Reviews, drift and retraining of a deployed stack, as its operators see them."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cli.stack import CommandRefused, Stack
from mlops.dataset.keys import drift_key
from mlops.events import RetrainingRequested
from mlops.reading import production
from mlops.records import review_links, reviews
from mlops.stack import new_token

_ROW, _LABELS, _BARS = 34, 190, 420


def listed(stack: Stack, datasets: Sequence[str]) -> list[dict[str, Any]]:
    """How many reviews of each dataset wait, and how many answers wait to become data."""
    rows = []
    for dataset in datasets:
        waiting = list(reviews.of_state(dataset, reviews.WAITING, table=stack.table))
        answered = list(reviews.of_state(dataset, reviews.ANSWERED, table=stack.table))
        since = waiting[0].inspected_at[:16].replace("T", " ") if waiting else ""
        by = ", ".join(sorted({review.reviewer for review in answered}))
        rows.append({"dataset": dataset, "waiting": len(waiting), "since": since, "answered": len(answered), "by": by})
    return rows


def rates(stack: Stack, dataset: str) -> list[str]:
    """What is true in production, one measure a line."""
    return production.of(dataset, stack.table).lines()


def link(stack: Stack, dataset: str) -> str:
    """A new link to the reviews of a dataset. Raises CommandRefused."""
    _require(stack, dataset)
    token = new_token()
    review_links.begin(dataset, token, int(stack.parameters.get("ApprovalDays", 7)), stack.table)
    return f"{stack.outputs['ReviewUrl']}?token={token}"


def retrain(stack: Stack, dataset: str) -> int:
    """Ask for answers to become data now; returns how many wait for that. Raises CommandRefused."""
    _require(stack, dataset)
    answered = sum(1 for _ in reviews.of_state(dataset, reviews.ANSWERED, table=stack.table))
    if not answered:
        raise CommandRefused(f"No answer about {dataset} waits to become data: `mlops review {dataset}` asks for some.")
    stack.put(RetrainingRequested(dataset))
    return answered


def drift(stack: Stack, dataset: str) -> dict[str, Any]:
    """How the inspected pictures of a dataset compared with it last. Raises CommandRefused."""
    written = stack.artifact(drift_key(dataset))
    if written is None:
        raise CommandRefused(f"Nothing of {dataset} was compared yet: every hour what was inspected is.")
    return dict(json.loads(written))


def plot(told: Mapping[str, Any]) -> str:
    """The measures as bars beside their limits: an SVG picture."""
    measures = told["measures"]
    most = max([1e-9, *(max(one["psi"], one["limit"]) for one in measures)])
    height = _ROW * len(measures) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS + 120}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="24">{escape(told["dataset"])}, {escape(told["looked_at"])}: population stability index; '
        "the mark is what chance reaches</text>",
    ]
    for number, one in enumerate(measures):
        top = 44 + number * _ROW
        wide, limit = (_BARS * one[name] / most for name in ("psi", "limit"))
        colour = "#b3261e" if one["has_drifted"] else "#12714a"
        parts += [
            f'<text x="10" y="{top + 16}">{escape(one["name"])}, {escape(one["window"])}</text>',
            f'<rect x="{_LABELS}" y="{top}" width="{max(wide, 1):.1f}" height="22" fill="{colour}"/>',
            f'<rect x="{_LABELS + limit:.1f}" y="{top - 4}" width="2" height="30" fill="#1c2430"/>',
            f'<text x="{_LABELS + _BARS + 12}" y="{top + 16}">{one["psi"]:.3f} / {one["limit"]:.3f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _require(stack: Stack, dataset: str) -> None:
    if dataset not in (known := stack.datasets()):
        raise CommandRefused(f"There is no dataset {dataset}. There are: {', '.join(known) or 'none'}.")
