"""Escapes, overkill and doubt about parts in the order in which they were inspected, as a curve for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from mlops.judging.production import Judged, estimated
from mlops.judging.shares import Share

# Each point of the curve is about so many parts, itself the last.
SPAN = 40
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 860, 300, 56, 40, 60
_COLOURS = {"escapes": "#b3261e", "overkill": "#1565a8", "unsure": "#7a8694"}
_NAMES = {"unsure": "left to a person"}


@dataclass(frozen=True)
class Chapter:
    """Parts that were inspected under the same conditions: the verdict about each, and whether it is defective."""

    name: str
    judged: tuple[tuple[str, bool], ...]

    @property
    def wrong(self) -> Share:
        """Escapes and overkill together, of all parts; what is left to a person is not wrong."""
        wrong = sum(verdict == ("ok" if is_defective else "defect") for verdict, is_defective in self.judged)
        return Share(wrong, len(self.judged))

    def told(self) -> str:
        rates = estimated(Judged(*one) for one in self.judged)
        return (
            f"{self.name}: {len(self.judged)} parts; escapes {rates.escapes.told()}, overkill {rates.overkill.told()}, "
            f"left to a person {rates.unsure.told()}"
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "parts": len(self.judged),
            **estimated(Judged(*one) for one in self.judged).as_dict(),
        }


def curve(chapters: Sequence[Chapter], marks: Mapping[int, str]) -> str:
    """The rates over the whole story: an SVG picture. `marks` say what happened after so many parts."""
    judged = [one for chapter in chapters for one in chapter.judged]
    most = max(len(judged), 1)

    def x(number: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 20) * number / most, 1)

    def y(rate: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - rate), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="system-ui, sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for rate in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{x(0)} {y(rate)}H{x(most)}" stroke="#e3e7ec"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(rate) + 4}" text-anchor="end">{100 * rate:.0f} %</text>')
    began = 0
    for chapter in chapters:
        middle = x(began + len(chapter.judged) / 2)
        parts.append(f'<text x="{middle}" y="{_HEIGHT - 34}" text-anchor="middle">{escape(chapter.name)}</text>')
        began += len(chapter.judged)
    for number, (after, what) in enumerate(marks.items()):
        parts.append(f'<path d="M{x(after)} {_TOP - 6}V{y(0)}" stroke="#5b6573" stroke-dasharray="4 4"/>')
        anchor = "end" if after == most else "middle"
        parts.append(
            f'<text x="{x(after)}" y="{_TOP - 12 - 14 * (number % 2)}" text-anchor="{anchor}">{escape(what)}</text>'
        )
    for place, (name, colour) in enumerate(_COLOURS.items()):
        points = " ".join(f"{x(number)},{y(rate)}" for number, rate in _rates(chapters, name))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(
            f'<text x="{_LEFT + 110 * place}" y="{_HEIGHT - 10}" fill="{colour}">{_NAMES.get(name, name)}</text>'
        )
    parts.append(
        f'<text x="{x(most)}" y="{_HEIGHT - 10}" text-anchor="end">parts inspected, each point the last {SPAN}</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _rates(chapters: Sequence[Chapter], name: str) -> list[tuple[int, float]]:
    """A rate after every part, of the last parts of the same chapter."""
    found, began = [], 0
    for chapter in chapters:
        for number in range(SPAN, len(chapter.judged) + 1):
            share: Share = getattr(estimated(Judged(*one) for one in chapter.judged[number - SPAN : number]), name)
            if share.value is not None:
                found.append((began + number, share.value))
        began += len(chapter.judged)
    return found
