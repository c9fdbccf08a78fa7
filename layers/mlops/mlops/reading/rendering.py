"""Everything a person reads is rendered from the templates beside this module."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mlops import words
from mlops.records import costs
from mlops.rounding import reaches


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mlops.reading"),
        # Mails are plain text: escaped, an ampersand in a label would read &amp; there.
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "signed": words.signed, "dollars": words.dollars}
    environment.filters["share"] = words.rough
    environment.filters["between"] = words.between
    environment.tests["reaching"] = reaches
    environment.filters["minutes"] = lambda seconds: f"{max(1, round(seconds / 60))} min" if seconds else "0 min"
    environment.filters["a_month"] = costs.a_month
    environment.globals["hours_a_month"] = costs.HOURS_A_MONTH
    return environment


def render(name: str, **values: Any) -> str:
    """A template as text; a name that it uses and nobody gives is an error."""
    return _environment().get_template(name).render(**values)


def encoded(name: str, **values: Any) -> bytes:
    """The same in UTF-8, part by part: as one text, a page with pictures and one rare letter is four times as large."""
    return b"".join(part.encode() for part in _environment().get_template(name).generate(**values))
