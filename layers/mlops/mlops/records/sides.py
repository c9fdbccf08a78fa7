"""On which side an image was dealt: remembered for ever, in pieces of which only the last one changes.

A piece is written in place of the one that was read, or of none: of two that deal at once, one has to look again. A
later piece counts where two name an image, for who wrote it knew the earlier one.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import count, islice

from mlops.aws import buckets
from mlops.dataset.keys import sides_key, sides_piece_key

# About a megabyte, which is read and written anew for every deal until it is full.
_PIECE = 10_000


class Overtaken(Exception):  # noqa: N818  - not a mistake
    """Somebody else remembered sides since these were read."""


class Sides:
    """What is remembered of these images; raises Overtaken where somebody else has remembered more meanwhile."""

    def __init__(self, dataset: str, keys: Collection[str]) -> None:
        self._dataset = dataset
        # The piece that is not full yet: its number, its etag and its content.
        self._number, self._etag, self._last = 0, "", dict[str, str]()
        self.known: dict[str, str] = {}
        for number, etag, piece in _pieces(dataset):
            self._number, self._etag, self._last = number, etag, piece
            self.known |= {key: side for key, side in piece.items() if key in keys}
        if not self._etag:
            self._last = _of_earlier_releases(dataset)
            self.known = {key: side for key, side in self._last.items() if key in keys}

    def remember(self, dealt: Mapping[str, str]) -> None:
        """Remember what these sides have that is not known yet."""
        fresh = {key: side for key, side in dealt.items() if self.known.get(key) != side}
        if not fresh:
            return
        sides = iter((self._last | fresh).items())
        for number in count(self._number):
            if not (piece := dict(islice(sides, _PIECE))):
                return
            body = json.dumps(piece, ensure_ascii=False).encode()
            etag = self._etag if number == self._number else ""
            if not buckets.artifacts_bucket().write_over(sides_piece_key(self._dataset, number), body, etag):
                raise Overtaken(self._dataset)


def known_sides(dataset: str) -> Iterator[tuple[str, str]]:
    """(key, side) of every image that was dealt, also of those that are gone; what is told later counts."""
    is_in_pieces = False
    for _, _, piece in _pieces(dataset):
        is_in_pieces = True
        yield from piece.items()
    if not is_in_pieces:
        yield from _of_earlier_releases(dataset).items()


def _of_earlier_releases(dataset: str) -> dict[str, str]:
    """What this stack has dealt before there were pieces; the first piece takes it over."""
    return dict(json.loads(buckets.artifacts_bucket().read_if_exists(sides_key(dataset)) or "{}"))


def _pieces(dataset: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Number, etag and content of every piece; only the last one is not full."""
    number = 0
    while found := buckets.artifacts_bucket().get(sides_piece_key(dataset, number)):
        piece = json.loads(found["Body"].read())
        yield number, str(found["ETag"]), piece
        if len(piece) < _PIECE:
            return
        number += 1
