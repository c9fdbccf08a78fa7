"""The files of one folder, and nothing outside it: what annotation files name is looked up here, never opened."""

import os
import stat
import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from cli.layouts.frame import Frame
from cli.layouts.sides import Word, word_of
from mlops.pictures.png import SIGNATURE, orientation_in, orientation_of

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
MOST_TEXT_BYTES = 1 << 30
MOST_PICTURE_BYTES = 1 << 28
MOST_PIXELS = 100_000_000
# TIFF's tags of the size; Pillow tells that of the picture when it is turned.
_WIDTH, _HEIGHT = 256, 257
_MOST_EXIF_BYTES = 1 << 20
# From which on Pillow refuses whatever a file claims.
_MOST_PIXELS_CLAIMED = 178_956_970
_TOO_LARGE = "has far too many pixels: make it smaller"


class Unreadable(ValueError):  # noqa: N818  - a refusal is a result that is told, not a fault
    """A file, or a part of it, cannot be used; the message says what is wrong and what to do."""


class Files:
    """All regular files below a folder by their relative paths.

    `outside` are links that lead out of it, `closed` folders that cannot be read, `unnamed` what has a name that is no
    text. Hidden files are not there, nor are links whose target is not in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.outside: list[PurePosixPath] = []
        self.closed: list[PurePosixPath] = []
        self.unnamed: list[PurePosixPath] = []
        self.paths: tuple[PurePosixPath, ...] = tuple(sorted(self._walk()))
        self._known = frozenset(self.paths)
        self._frames: dict[PurePosixPath, Frame] = {}

    def _walk(self) -> Iterator[PurePosixPath]:
        def note(error: OSError) -> None:
            self.closed.append(self._relative(str(error.filename), ""))

        for place, below, names in os.walk(self.folder, onerror=note):
            below[:] = [name for name in sorted(below) if not _is_litter(name)]
            for name in list(below):
                if Path(place, name).is_symlink():
                    self.outside.append(self._relative(place, name))
            for name in sorted(names):
                if not _is_litter(name) and (path := self._usable(place, name)):
                    yield path

    def _usable(self, place: str, name: str) -> PurePosixPath | None:
        path = self._relative(place, name)
        full = Path(place, name)
        try:
            str(path).encode()
            if full.is_symlink() and not full.resolve().is_relative_to(self.folder):
                self.outside.append(path)
                return None
            return path if stat.S_ISREG(full.stat().st_mode) else None
        except UnicodeEncodeError:
            self.unnamed.append(PurePosixPath(str(path).encode(errors="replace").decode()))
        except (OSError, RuntimeError):  # a link that leads nowhere, or in circles
            self.outside.append(path)
        return None

    def _relative(self, place: str, name: str) -> PurePosixPath:
        return PurePosixPath(Path(place, name).relative_to(self.folder).as_posix())

    def __contains__(self, path: object) -> bool:
        return path in self._known

    @cached_property
    def pictures(self) -> tuple[PurePosixPath, ...]:
        """Files that are pictures by their names, masks among them."""
        return tuple(path for path in self.paths if path.suffix.lower() in PICTURES)

    def written(self, name: str) -> PurePosixPath | None:
        """The file of this path, in small or in capital letters."""
        return path if (path := PurePosixPath(name)) in self._known else self._by_lower.get(name.lower())

    @cached_property
    def _by_lower(self) -> dict[str, PurePosixPath]:
        return {str(path).lower(): path for path in self.paths}

    @cached_property
    def folders(self) -> frozenset[PurePosixPath]:
        """All folders that have files, however deep."""
        return frozenset(parent for path in self.paths for parent in path.parents)

    @cached_property
    def by_name(self) -> dict[str, list[PurePosixPath]]:
        """Pictures by their names in lower case."""
        return _grouped((path.name.lower(), path) for path in self.pictures)

    @cached_property
    def by_stem(self) -> dict[str, list[PurePosixPath]]:
        """Pictures by their names in lower case, without ending."""
        return _grouped((path.stem.lower(), path) for path in self.pictures)

    @cached_property
    def _by_end(self) -> dict[str, list[PurePosixPath]]:
        """Pictures by their folders' and their own names: thousands of folders may each have a `000.png`."""
        return _grouped((_end(path), path) for path in self.pictures)

    @cached_property
    def _near(self) -> dict[str, list[PurePosixPath]]:
        return _grouped((f"{above}/{path.stem.lower()}", path) for path in self.pictures for above in path.parents[:3])

    def around(self, path: PurePosixPath, stem: str) -> list[PurePosixPath]:
        """Pictures called so in the folder of an annotation, or else in the one above it, or else anywhere."""
        near = (self._near.get(f"{place}/{stem.lower()}") for place in (path.parent, path.parent.parent))
        return next((found for found in near if found), None) or self.by_stem.get(stem.lower(), [])

    def ending(self, *endings: str) -> list[PurePosixPath]:
        return [path for path in self.paths if path.name.lower().endswith(endings)]

    def named(self, reference: str, beside: PurePosixPath, side: Word | None = None) -> PurePosixPath:
        """The picture that an annotation file means, looked for where tools put pictures, then by the end of its path.

        Raises Unreadable when there is none, several, or when the path climbs out of the folder.
        """
        wanted = inside(reference)
        for place in (beside, beside / "images", beside.parent / "images", beside.parent, PurePosixPath("images")):
            if (path := place / wanted) in self._known:
                return path
        return self.alike(wanted, side)

    def alike(self, wanted: PurePosixPath, side: Word | None = None) -> PurePosixPath:
        """The one picture whose path ends as `wanted` does, by as many folders as there are; of several, the one whose
        folders speak of `side`. Raises Unreadable."""
        named = self._by_end.get(_end(wanted)) or self.by_name.get(wanted.name.lower(), [])
        found = [path for path in named if not _is_elsewhere(path, side)]
        best = [(_shared(path, wanted), path) for path in found]
        most = max((score for score, _ in best), default=0)
        fitting = [path for score, path in best if score == most]
        if not fitting:
            raise Unreadable(f"names the picture {_shown(wanted)}, which is not in the folder: add it, or delete this")
        fitting = [path for path in fitting if word_of(path.parent) is side] or fitting
        if len(fitting) > 1:
            raise Unreadable(
                f"names the picture {_shown(wanted)}, and {len(fitting)} pictures are called so: name its folder, too"
            )
        return fitting[0]

    def data(self, path: PurePosixPath, most: int = MOST_TEXT_BYTES) -> bytes:
        """The bytes of a file. Raises Unreadable."""
        if path not in self._known:
            raise Unreadable("is not in the folder")
        full = self.folder / path
        try:
            if (size := full.stat().st_size) > most:
                raise Unreadable(f"has {size} bytes; at most {most} are read: divide it")
            return full.read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror or error}): mend its rights, or move it away") from None

    def beginning(self, path: PurePosixPath, most: int = 4096) -> bytes:
        """The first bytes of a file, none when it cannot be read: only to recognise it."""
        try:
            with (self.folder / path).open("rb") as file:
                return file.read(most)
        except OSError:
            return b""

    def text(self, path: PurePosixPath, most: int = MOST_TEXT_BYTES) -> str:
        """A text in UTF-8, or in UTF-16 with a byte order mark. Raises Unreadable."""
        data = self.data(path, most)
        encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            raise Unreadable("is not text in UTF-8: save it in that encoding") from None

    def size(self, path: PurePosixPath) -> tuple[int, int]:
        """Width and height of a picture as it is stored. Raises Unreadable."""
        return self.frame(path).size

    def frame(self, path: PurePosixPath) -> Frame:
        """Its size as it is stored, and how EXIF turns it. Raises Unreadable."""
        if path not in self._known:
            raise Unreadable("is not in the folder")
        if path not in self._frames:
            self._frames[path] = _look(self.folder / path)
        return self._frames[path]


def _look(path: Path) -> Frame:
    """What the stack will see in the file, whose pixels are not decoded for it."""
    try:
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return _look_into_png(file)
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            if isinstance(image, TiffImageFile):
                return Frame(int(image.tag_v2[_WIDTH]), int(image.tag_v2[_HEIGHT]), _orientation(image))
            return Frame(*image.size, _orientation(image))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable("is no picture of a known kind, whatever its name says: save it anew") from None
    except Image.DecompressionBombError:
        raise Unreadable(_TOO_LARGE) from None
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise Unreadable(f"cannot be read as a picture ({error}): it is damaged, or of a rare kind") from error


def _orientation(image: Image.Image) -> int:
    try:
        return orientation_of(image.getexif())
    except Exception:  # what nobody can read turns nothing
        return 1


def _look_into_png(file: BinaryIO) -> Frame:
    """Chunk by chunk: Pillow refuses some metadata that the stack leaves alone, and decodes pixels to find EXIF."""
    header = file.read(25)
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if len(header) < 25 or header[4:8] != b"IHDR" or not (width and height):
        raise Unreadable("is damaged, or no PNG whatever its first bytes say: save it anew")
    if width * height > _MOST_PIXELS_CLAIMED:
        raise Unreadable(_TOO_LARGE)
    while len(head := file.read(8)) == 8 and not head.endswith(b"IEND"):
        length = int.from_bytes(head[:4], "big")
        if head.endswith(b"eXIf") and length <= _MOST_EXIF_BYTES:
            content, checksum = file.read(length), file.read(4)
            if zlib.crc32(head[4:] + content) == int.from_bytes(checksum, "big"):
                return Frame(width, height, orientation_in(content))
            continue
        file.seek(length + 4, os.SEEK_CUR)
    return Frame(width, height)


def inside(reference: str) -> PurePosixPath:
    """A path that an annotation file names, in one way of writing. Raises Unreadable when it leads elsewhere."""
    text = reference.replace("\\", "/").strip()
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts or any(ord(sign) < 32 for sign in text):
        raise Unreadable(f"names no picture but {_shown(reference)}: name one of this folder")
    # Absolute paths are those of the machine where somebody labelled: the end of such a path may still be here.
    if ".." in parts:
        raise Unreadable(f"names {_shown(reference)}, which climbs out of the folder: name a picture of this folder")
    return PurePosixPath(*parts)


def _end(path: PurePosixPath) -> str:
    return "/".join(path.parts[-2:]).lower()


def _is_elsewhere(path: PurePosixPath, side: Word | None) -> bool:
    """Whether a picture's folders speak of another side: it is a namesake."""
    return side is not None and word_of(path.parent) not in (None, side)


def _shown(name: object) -> str:
    text = str(name)
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def _shared(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many names at the ends of two paths are the same, case aside."""
    count = 0
    for left, right in zip(reversed(one.parts), reversed(other.parts), strict=False):
        if left.lower() != right.lower():
            break
        count += 1
    return count


def _grouped(pairs: Iterable[tuple[str, PurePosixPath]]) -> dict[str, list[PurePosixPath]]:
    groups: dict[str, list[PurePosixPath]] = defaultdict(list)
    for name, path in pairs:
        groups[name].append(path)
    return dict(groups)


def _is_litter(name: str) -> bool:
    return name.startswith((".", "~$")) or name.lower() in ("__macosx", "thumbs.db", "desktop.ini", "@eadir")
