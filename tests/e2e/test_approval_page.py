"""The approval page with all that it can say, in a real browser: three widths, two themes; made of values alone."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlops.codec import plain
from mlops.judging import operating_points
from mlops.judging.operating_points import Answered, Cost, Costs
from mlops.reading.evidence import Picture
from mlops.reading.rendering import render
from tests.e2e.browser import THEMES, faults, look
from tests.unit.mlops.reading.test_rendering import FORM, shared, sure_of
from tests.unit.mlops.settling import picture

# Where the screenshots go, for whoever wants to see them.
PICTURES = os.environ.get("APPROVAL_PICTURES")
LONG = "a label with a rather long name, as labelling tools have them"
RIGHT = {"bent_lead": (31, 44, 52, 61, 66, 72, 78, 83, 90, 97), LONG: (45, 58, 63, 81, 88), "normal": (72, 84, 91, 99)}
WRONG = {"bent_lead": (5, 12, 38, 47, 55, 64), LONG: (8, 41, 52, 60), "normal": (12, 36)}


def known_of_three(task: str) -> dict[str, Any]:
    """What is known of a version of three labels, one of them with a long name, beside one in production."""
    known = sure_of("bent_lead", task)
    labels = sorted(RIGHT)
    said = {label: Answered(RIGHT[label], WRONG[label], len(RIGHT[label]) + 1, (33.0, 49.0)) for label in labels}
    points, service = {"bent_lead": 47.0, LONG: 50.0, "normal": 61.0}, {"bent_lead": 61.0, LONG: 40.0, "normal": 50.0}
    test, comparison = known["test"], known["test"]["comparison"]
    known["truth"] |= {
        "labels": labels,
        "counts": {side: dict.fromkeys(labels, 120) for side in ("train", "test", "holdout")},
    }
    test |= {
        "per_label": dict.fromkeys(labels, test["per_label"]["normal"]),
        "label_intervals": {label: [0.5, 0.9] for label in labels},
        "label_counts": dict.fromkeys(labels, test["label_counts"]["normal"]),
        "operating_points": plain(operating_points.confirmed(said, points, service)),
        "comparison": {**comparison, "per_label": dict.fromkeys(labels, comparison["f1"])},
    }
    if task == "classification":
        test["confusion_matrix"] = {label: dict.fromkeys((*labels, ""), 3) for label in labels}
    known["gate"]["operating_points"] = plain(operating_points.choose_all(said, service, Costs(Cost(2, 1))))
    return known


# Of the other task only the table of confusion differs, which is widest on a telephone.
@pytest.mark.parametrize(
    ("task", "widths", "themes"), [("classification", (390,), ("light",)), ("detection", (390, 820, 1280), THEMES)]
)
def test_a_page_with_curves_intervals_steps_and_a_paired_comparison_has_no_faults(
    task: str, widths: Sequence[int], themes: Sequence[str], tmp_path: Path
) -> None:
    source = f"data:image/png;base64,{base64.b64encode(picture(1, (400, 300))).decode()}"
    drawn = [Picture(source, f"{LONG}: datasets/parts/holdout/{'board_' * 12}.png", is_wrong=True)]
    known = shared("bent_lead", task, known_of_three(task)) | {"pictures": {"gallery": drawn, "overlays": drawn}}
    rates = ["Escapes (defective parts called good): 1 of 310 (0.1 % to 1.8 %)"]
    place = Path(PICTURES) / task if PICTURES else None
    if place:
        place.mkdir(parents=True, exist_ok=True)
    page = tmp_path / "page.html"
    page.write_text(render("approval.html", **{**known, **FORM, "production": rates}))
    seen = look(page.as_uri(), pictures=place, widths=widths, themes=themes)

    assert len(seen["looks"]) == len(widths) * len(themes)
    assert {each["images"] for each in seen["looks"]} == {2}
    assert faults(seen) == []
