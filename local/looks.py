"""The look of the pages on this machine: that of the approval page and of the report, from the same layout."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_LAYOUT = Path(__file__).parents[1] / "layers" / "mlops" / "mlops" / "reading" / "templates"


@cache
def template(path: Path) -> Template:
    """A template that may extend `layout.html`; what it shows is escaped."""
    loader = FileSystemLoader([path.parent, _LAYOUT])
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template(path.name)
