"""Command line: write a folder of transistor pictures."""

import argparse
import sys
from pathlib import Path

from local.pictures.dataset import generate


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and draw. Returns the exit status: 0, or 2 when the request cannot be met."""
    options = parser().parse_args(arguments)
    try:
        generate(**vars(options), progress=show_progress)
    except (ValueError, OSError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made if it does not exist")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other pictures (default: %(default)s)")
    parser.add_argument("--good", type=int, default=60, help="pictures without a defect (default: %(default)s)")
    parser.add_argument("--per-defect", type=int, default=14, help="pictures of each defect (default: %(default)s)")
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels (default: %(default)s)")
    parser.add_argument("--jobs", type=int, help="processes that draw (default: one per processor)")
    return parser


def show_progress(done: int, total: int) -> None:
    """Keep one line of the terminal up to date."""
    print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
