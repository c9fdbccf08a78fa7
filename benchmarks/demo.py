"""Where the time of `make demo` goes: phases of the whole, and for each run what was work and what was orchestration.

.venvs/project/bin/python benchmarks/demo.py [--runs 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def demo() -> dict[str, Any]:
    """Run the demo once; returns its summary."""
    command = [sys.executable, "-m", "local", "demo"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stdout + finished.stderr)
    summary: dict[str, Any] = json.loads((ROOT / "build/demo/summary.json").read_text(encoding="utf-8"))
    return summary


def show(name: str, values: Iterable[float]) -> None:
    seconds = list(values)
    print(f"{name:<34} {min(seconds):>7.1f} {statistics.median(seconds):>7.1f} {max(seconds):>7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    summaries = [demo() for _ in range(parser.parse_args().runs)]
    print(f"{'seconds':<34} {'least':>7} {'median':>7} {'most':>7}")
    show("whole demo", (summary["wall_seconds"] for summary in summaries))
    for phase in summaries[0]["phases"]:
        show(f"  {phase}", (summary["phases"][phase] for summary in summaries))
    for task in summaries[0]["tasks"]:
        for part in summaries[0]["tasks"][task]["time"]:
            name = f"{task} run" if part == "wall" else f"  {part}"
            show(name, (summary["tasks"][task]["time"][part] for summary in summaries))


if __name__ == "__main__":
    main()
