"""How many new pictures a second are judged beside bare calls, and what 1 000 of them cost.

    python benchmarks/inspection.py [--turns 3] [--pictures 60] [--calls-a-second 5]
        [--tasks 2] [--tiles 1] [--shift 8] [--rate 2.0] [--start 900] [--volumes 10 100 1000 10000]

First, unless `--turns` is 0, the stack is deployed to a local cloud of its own, and inspections take turns with calls
of DetectCustomLabels about as many pictures (`inspection_rate.py`): medians of the turns, with a unit that answers so
many calls a second. 5 are fewer than this machine answers, as on AWS the service is what takes longest; of 50 the
models and everything around them share this machine's processors.

Then the cost, by how many pictures come a day and by how the stack serves, with its default prices.
`together`: on demand, all pictures of a day put at once. `spread`: on demand, evenly over a shift, so that models are
started for every `EnoughPictures` or `MostWaitMinutes`, and stay where the next ones come before they have stopped.
`--tiles` is how many a picture is cut into: a detector is asked about each, and all models run for as long.
`hours`: the models run for the shift. `always`: they never stop. A start is counted as billed from its beginning.
"""

import argparse
import sys
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

from benchmarks import inspection_rate  # noqa: E402
from mlops.records.servings import CALLS_A_SECOND, START_SECONDS  # noqa: E402

TEMPLATE = ROOT / "template.yaml"
HOUR = 3600.0


def defaults() -> dict[str, float]:
    """The parameters of the template that decide what it costs."""
    names = ("RunningHourPrice", "EnoughPictures", "MostWaitMinutes", "PollSeconds")
    parameters = yaml_parse(TEMPLATE.read_text())["Parameters"]
    return {name: float(parameters[name]["Default"]) for name in names}


def hours_on_demand(volume: int, starts: float, options: argparse.Namespace, poll_seconds: float) -> float:
    """Hours that one model runs in a day: starting, judging, and the two rounds until it is found idle."""
    return (starts * (options.start + 2 * poll_seconds) + volume * options.tiles / options.rate) / HOUR


def per_thousand(volume: int, options: argparse.Namespace) -> dict[str, float]:
    """US dollars for 1 000 pictures, by how the stack serves."""
    known = defaults()
    poll = known["PollSeconds"]
    # Whichever comes first: enough pictures, or one that has waited for long enough.
    by_count, by_wait = volume / known["EnoughPictures"], options.shift * 60 / known["MostWaitMinutes"]
    starts = max(1.0, by_count, min(volume, by_wait))
    hours = {
        "together": hours_on_demand(volume, 1, options, poll),
        # Where it would be started again before it has stopped, it runs through.
        "spread": min(
            hours_on_demand(volume, starts, options, poll),
            max(options.shift + options.start / HOUR, volume * options.tiles / options.rate / HOUR),
        ),
        "hours": max(float(options.shift), volume * options.tiles / options.rate / HOUR),
        # What one unit cannot answer in a day takes another one, which is paid for by the hour, too.
        "always": max(24.0, volume * options.tiles / options.rate / HOUR),
    }
    price = known["RunningHourPrice"] * options.tasks
    return {name: each * price / volume * 1000 for name, each in hours.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=60, help="in each turn")
    parser.add_argument("--calls-a-second", type=float, nargs="+", default=[5], help="of one unit")
    parser.add_argument("--tasks", type=int, default=2)
    parser.add_argument("--shift", type=float, default=8, help="hours")
    parser.add_argument("--rate", type=float, default=CALLS_A_SECOND, help="calls a second of one unit")
    parser.add_argument("--tiles", type=int, default=1, help="tiles of a picture")
    parser.add_argument("--start", type=float, default=START_SECONDS, help="seconds that a start takes")
    parser.add_argument("--volumes", type=int, nargs="+", default=[10, 100, 1000, 10_000, 50_000])
    options = parser.parse_args()
    for calls in options.calls_a_second if options.turns else ():
        bare, inspected = map(inspection_rate.median, inspection_rate.measure(options.pictures, options.turns, calls))
        print(f"\nAt most {calls:g} calls a second of each model:", *inspection_rate.told(bare, inspected), sep="\n  ")
    print(
        f"\n{'pictures a day':>15} {'together':>10} {'spread':>10} {'hours':>10} {'always':>10}   US dollars for 1 000"
    )
    for volume in options.volumes:
        costs = per_thousand(volume, options)
        print(f"{volume:>15} " + " ".join(f"{usd:>10.2f}" for usd in costs.values()))


if __name__ == "__main__":
    main()
