"""What a picture looks like in 64 bits, and which pictures of many look nearly alike. Needs the imaging layer.

A difference hash: of a picture shrunk to 9 x 8 gray pixels each bit says whether a pixel is brighter than its left
neighbour. It does not notice other encodings, sizes, small changes of brightness, nor a scratch: what is alike looks
the same from afar. Under a fixed camera that may be all parts of a kind, so it is a question and no proof that pictures
show one part. It does notice turning and cropping. Source of the idea: N. Krawetz, "Kind of Like That" (2013).
"""

import base64
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import fmean

from PIL import Image

BITS = 64
# Hex digits of a hash.
_DIGITS = BITS // 4
_COLUMNS, _ROWS = 9, 8
# The hash of a picture that shows no structure: it says nothing, so it is like no other.
BLANK = ""
# Shades of 255 between the darkest and the brightest of the 72 pixels, up to which they are noise and lighting.
_FLAT = 3
# With how many others a hash is compared at most because they share a band.
_MOST_TOGETHER = 100
# Encoding anew changes the mean of a twelfth by a shade or two.
_THUMBNAIL = 12
_MOST_DIFFERENT_SHADES, _MEAN_DIFFERENT_SHADES = 6, 1.5


def perceptual_hash(image: Image.Image) -> str:
    """16 hex digits for an upright picture of 8 bits (L or RGB); BLANK where it is one shade all over.

    The hash of a blank picture would be that of its noise: unlike its copies, and by chance like other blank ones.
    """
    gray = image.convert("L").resize((_COLUMNS, _ROWS), Image.Resampling.BOX)
    shades = gray.tobytes()
    if max(shades) - min(shades) <= _FLAT:
        return BLANK
    bits = 0
    for place, shade in enumerate(shades):
        if place % _COLUMNS:
            bits = bits << 1 | (shade > shades[place - 1])
    return f"{bits:0{_DIGITS}x}"


def thumbnail(image: Image.Image) -> str:
    """An upright picture of 8 bits as 12 x 12 shades of gray, row by row, in base64."""
    gray = image.convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    return base64.b64encode(gray.tobytes()).decode()


def shows_the_same(one: str, other: str) -> bool:
    """Whether two thumbnails are of one picture, encoded or scaled anew.

    A hash says where pictures become brighter, and many parts under one lamp agree about that. Shades differ as soon as
    a part lies a little elsewhere, or has a defect that is not thin.
    """
    pairs = zip(base64.b64decode(one), base64.b64decode(other), strict=True)
    differences = [abs(here - there) for here, there in pairs]
    return max(differences) <= _MOST_DIFFERENT_SHADES and fmean(differences) <= _MEAN_DIFFERENT_SHADES


def distance(one: str, other: str) -> int:
    """In how many of the 64 bits two hashes differ. Raises ValueError for a blank one, which is like nothing."""
    return (_number(one) ^ _number(other)).bit_count()


def _number(written: str) -> int:
    if len(written) != _DIGITS:
        raise ValueError(f"{written!r} is no hash of {_DIGITS} hex digits")
    return int(written, 16)


def near(hashes: Mapping[str, str], at_most: int = 3) -> Iterator[tuple[str, str]]:
    """Every two names whose hashes differ in at most so many bits, once, the smaller name first.

    `hashes` maps names to hashes; blank ones are near to none. Of `at_most` + 1 bands of a hash, at least one is the
    same in two that are near: only those are compared, band by band, so that memory grows with the names, not with the
    pairs. Names of one and the same hash, as frames of a standing belt have, are told as a chain in order of their
    names and not as all their pairs; the first of them stands for all where it is near to others.
    Where more than 100 different hashes share a band, each is compared with the 100 that follow it in the order of its
    other bits: pairs that are alike by millions are not all told, but hardly any name is left without its like.
    Raises ValueError for a hash that is none, and for `at_most` below 0 or above 15.
    """
    if not 0 <= at_most < _DIGITS:
        raise ValueError(f"at_most is {at_most}; hashes that differ in more than {_DIGITS - 1} bits are not alike")
    same: dict[int, list[str]] = defaultdict(list)
    for name, written in hashes.items():
        if written != BLANK:
            same[_number(written)].append(name)
    for names in same.values():
        names.sort()
        yield from pairwise(names)
    firsts = {number: names[0] for number, names in same.items()}
    for one, other in _near(sorted(firsts), at_most):
        yield min(firsts[one], firsts[other]), max(firsts[one], firsts[other])


def _near(numbers: list[int], at_most: int) -> Iterator[tuple[int, int]]:
    """Every two different numbers that differ in at most so many bits, once: in the first band that they share."""
    earlier: list[tuple[int, dict[int, int]]] = []
    for band in _bands(at_most + 1):
        together = _together(numbers, band)
        crowds = (members for members in together if len(members) > _MOST_TOGETHER)
        ranks = {number: rank for members in crowds for rank, number in enumerate(members)}
        for members in together:
            for one, other in _compared(members):
                is_near = (one ^ other).bit_count() <= at_most
                if is_near and not any(_was_compared(one, other, *known) for known in earlier):
                    yield one, other
        earlier.append((band, ranks))


def _together(numbers: list[int], band: int) -> list[list[int]]:
    """Numbers that are the same in a band, in the order of the bits below it and then above."""
    found: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        found[number & band].append(number)
    below = (band & -band) - 1
    return [sorted(members, key=lambda number: (number & below, number)) for members in found.values()]


def _compared(members: list[int]) -> Iterator[tuple[int, int]]:
    for place, one in enumerate(members):
        for other in members[place + 1 : place + 1 + _MOST_TOGETHER]:
            yield one, other


def _was_compared(one: int, other: int, band: int, ranks: Mapping[int, int]) -> bool:
    if (one ^ other) & band:
        return False
    return one not in ranks or abs(ranks[one] - ranks[other]) <= _MOST_TOGETHER


def _bands(count: int) -> list[int]:
    """Masks that take all bits apart into so many neighbouring parts."""
    edges = [BITS * number // count for number in range(count + 1)]
    return [(1 << end) - (1 << start) for start, end in pairwise(edges)]
