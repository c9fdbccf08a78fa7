"""Pictures without what is only said about them: Pillow gives up on broken or huge metadata, which no viewer minds."""

import re
import zlib
from collections.abc import Iterator

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# What Pillow wants of a chunk that changes how a picture looks, by its colour type: transparency, and how it is turned.
_LEAST = {b"tRNS": {0: 2, 2: 6, 3: 0}, b"eXIf": dict.fromkeys((0, 2, 3, 4, 6), 0)}
_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_ALONE = {0x01, *range(0xD0, 0xDA)}
_SCAN, _SAID = 0xDA, {*range(0xE0, 0xF0), 0xFE}
# JFIF, EXIF and Adobe, and how long they must be to say anything.
_KEPT = {0xE0: (b"JFIF", 14), 0xE1: (b"Exif\0\0", 6), 0xEE: (b"Adobe", 12)}


def bare(data: bytes) -> bytes:
    """The same picture without needless metadata; whatever is no PNG or JPEG, or ends too early, as far as it goes."""
    view = memoryview(data)
    if data.startswith(_PNG):
        return b"".join([_PNG, *_chunks(data, view)])
    if data.startswith(_JPEG):
        return b"".join([_JPEG, *_segments(data, view)])
    return data


def _chunks(data: bytes, view: memoryview) -> Iterator[memoryview]:
    at = len(_PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        kind = data[at + 4 : at + 8]
        if kind in _PIXELS or (kind in _LEAST and _is_sound(kind, view[at:end], int.from_bytes(data[25:26], "big"))):
            yield view[at:end]
        at = end
    yield view[at:]


def _is_sound(kind: bytes, chunk: memoryview, colour: int) -> bool:
    checksum = zlib.crc32(chunk[4:-4]).to_bytes(4, "big")
    return checksum == chunk[-4:] and len(chunk) - 12 >= _LEAST[kind].get(colour, len(chunk))


def _segments(data: bytes, view: memoryview) -> Iterator[memoryview]:
    at = len(_JPEG)
    while found := _MARKER.search(data, at):
        code, end = found[1][0], found.end()
        if code not in _ALONE:
            end += int.from_bytes(data[end : end + 2], "big")
            if code == _SCAN or end > len(data):
                break
            body = view[found.end() + 2 : end]
            said, least = _KEPT.get(code, (b"", len(data)))
            if code not in _SAID or (len(body) >= least and body[: len(said)] == said):
                yield view[found.start(1) - 1 : end]
        at = end
    yield view[at:]
