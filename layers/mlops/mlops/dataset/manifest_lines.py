"""The lines of a text that somebody else wrote, one at a time: any encoding of JSON, any length, bounded memory."""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Far above what the service reads of a line (`limits.MAX_LINE`), far below what a function has.
MOST_BYTES_A_LINE = 1_000_000
_DETECTED_BY = 4


@dataclass(frozen=True)
class Overlong:
    """Instead of a line with more than MOST_BYTES_A_LINE bytes, none of which are kept."""


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes | Overlong]:
    """The lines of a text that comes in pieces of any size, as UTF-8, without byte order mark and line feeds.

    Texts in UTF-16 and UTF-32, as some tools save them, are told by their first bytes (RFC 4627, 3). A byte that is no
    UTF-8 is left to whoever decodes its line.
    """
    found, is_overlong = bytearray(), False
    for piece in _as_utf8(chunks):
        *ended, rest = piece.split(b"\n")
        for part in ended:
            found += part
            yield Overlong() if is_overlong or len(found) > MOST_BYTES_A_LINE else bytes(found)
            found, is_overlong = bytearray(), False
        found += rest
        if len(found) > MOST_BYTES_A_LINE:
            found, is_overlong = bytearray(), True
    if found or is_overlong:
        yield Overlong() if is_overlong else bytes(found)


def pieces_of(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The same lines with their line feeds, and True; one that is too long in several pieces, and False.

    Nothing is left out: put together the pieces are the text in UTF-8. The last line has a line feed, too.
    """
    found, is_whole = bytearray(), True
    for chunk in _as_utf8(chunks):
        found += chunk
        start = 0
        while (end := found.find(b"\n", start)) >= 0:
            yield bytes(found[start : end + 1]), is_whole and end - start <= MOST_BYTES_A_LINE
            start, is_whole = end + 1, True
        del found[:start]
        if len(found) > MOST_BYTES_A_LINE:
            yield bytes(found), False
            found, is_whole = bytearray(), False
    if found or not is_whole:
        yield bytes(found) + b"\n", is_whole


def _as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pieces = iter(chunks)
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= _DETECTED_BY:
            break
    encoding = json.detect_encoding(first)
    if encoding in ("utf-8", "utf-8-sig"):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from pieces
        return
    # What is no letter spoils its own line, and not all that come after it.
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(first).removeprefix("\ufeff").encode()
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()
