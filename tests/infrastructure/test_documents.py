"""What the documents say about the template is so, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.infrastructure.language_extensions import parsed
from tests.infrastructure.template import ROOT, of_type

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
PARAMETERS = parsed(ROOT / "template.yaml")["Parameters"]
TABLE = TEXTS[ROOT / "docs/reference.md"].split("## Parameters")[1].split("\n## ")[0]
ROWS = {
    name: default
    for names, default in re.findall(r"(?m)^\| (`.+?) \| (.+?) \|", TABLE)
    for name in re.findall(r"`(\w+)`", names)
}
# One row tells of all four, and of the same for production.
ELSEWHERE = {f"{place}{name}" for place in ("Staging", "Production") for name in
             ("Role", "ClassificationProject", "DetectionProject", "Bucket")}  # fmt: skip
LINKS = [(path, target) for path, text in TEXTS.items() for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)]


def anchors(path: Path) -> set[str]:
    """What GitHub names the headings of a document."""
    headings = re.findall(r"(?m)^#+ (.+)$", TEXTS[path])
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - ELSEWHERE))
def test_a_parameter_is_in_the_reference_with_its_default(name: str) -> None:
    default = PARAMETERS[name].get("Default")
    said = {None: "required", "": "empty"}.get(default, str(default))

    assert name in ROWS
    assert said in ROWS[name].replace("`", "").split(", ") or ROWS[name] == "1, 4"


def test_the_reference_names_no_parameter_that_does_not_exist() -> None:
    assert {name for name in ROWS if name != "Production"} <= set(PARAMETERS)


@pytest.mark.parametrize("alarm", sorted(of_type("AWS::CloudWatch::Alarm")))
def test_operations_say_what_an_alarm_means(alarm: str) -> None:
    assert f"`{alarm}`" in TEXTS[ROOT / "docs/operations.md"]


@pytest.mark.parametrize("kind", sorted({
    kind
    for rule in of_type("AWS::Events::Rule").values()
    if rule["EventPattern"]["source"] == ["rekognition-mlops"]
    for kind in rule["EventPattern"]["detail-type"]
}))  # fmt: skip
def test_the_architecture_describes_an_event(kind: str) -> None:
    assert f"`{kind}`" in TEXTS[ROOT / "docs/architecture.md"].split("## Events")[1]


@pytest.mark.parametrize(("path", "target"), LINKS, ids=[f"{path.name}-{target}" for path, target in LINKS])
def test_a_link_leads_somewhere(path: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    place = (path.parent / file).resolve() if file else path

    assert place.exists()
    assert not anchor or anchor in anchors(place)
