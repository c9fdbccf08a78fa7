"""Tiles become objects before the run that learns from them: the service reads what it trains on from the bucket."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mlops import stack
from mlops.aws import buckets
from mlops.dataset.images import Image
from mlops.dataset.keys import tiles_prefix
from mlops.dataset.tiles import Tile, cut, key_of, tiles_of
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.tiling import tile_file
from mlops.stages import ingest

# Most of the time goes into encoding, which Pillow does beside Python, and into waiting for S3.
_AT_ONCE = 4


def missing(dataset: str, images: Iterable[Image], side: int) -> list[tuple[Image, list[Tile]]]:
    """The images that a detector is to learn from in tiles of `side` pixels, and their tiles that are not there yet."""
    # What a listing names is whole, and its name is its content: it need not be looked at.
    known = {key for key, _ in buckets.data_bucket().list(tiles_prefix(dataset))}
    found = ((image, [tile for tile in _trained(image, side) if key_of(image, tile) not in known]) for image in images)
    return [(image, tiles) for image, tiles in found if tiles]


def _trained(image: Image, side: int) -> Iterator[Tile]:
    tiles = tiles_of(image.width, image.height, side)
    # What is no larger than a tile is shown as it is.
    return (tile for tile in tiles if len(tiles) > 1 and cut(image.boxes, tile, side))


def write(image: Image, tiles: Iterable[Tile]) -> None:
    """Write tiles of an image; of one that is not as it was recorded, the record is corrected instead."""
    store, (key, version_id) = buckets.data_bucket(), image.shown
    try:
        found = store.get(key, version_id)
        if found is None:
            ingest.look_again(image.key)
            return
        with closing(found["Body"]) as body:
            picture = open_picture(body.read())
    except (buckets.ObjectUnreadable, PictureRefused):
        ingest.look_again(image.key)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda tile: store.write(key_of(image, tile), tile_file(picture, tile)), tiles):
            pass


def write_some(waiting: Iterable[tuple[Image, list[Tile]]], seconds: float) -> None:
    """Write tiles of one image after the other for so long; of one at least."""
    clock = stack.here().clock
    until = clock.monotonic() + seconds
    for image, tiles in waiting:
        write(image, tiles)
        if clock.monotonic() > until:
            return
