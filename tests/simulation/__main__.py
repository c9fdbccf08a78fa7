"""python -m tests.simulation --histories 2000 --seed 1: play histories and tell the story of those that fail."""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "mlops"))
for _name, _value in {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}.items():
    os.environ[_name] = _value


def main() -> int:
    from tests.simulation import histories
    from tests.simulation.shrinking import shrunk, story

    arguments = _arguments()
    if arguments.only:
        plan = histories.plan_of(arguments.only)
        broken = histories.broken_in(arguments.only)[1]
        print(story(shrunk(plan, broken[0][0]) if broken and not arguments.whole else plan))
        return bool(broken)
    began, rules, told = time.monotonic(), Counter[str](), set[str]()
    for seed, broken in histories.failures(arguments.seed, arguments.histories, arguments.processes):
        rule, message = broken[0]
        rules.update({name for name, _ in broken})
        print(f"{seed}: {rule}: {message}", flush=True)
        if rule not in told and len(told) < arguments.stories:
            told.add(rule)
            print(story(shrunk(histories.plan_of(seed), rule)), flush=True)
    seconds = time.monotonic() - began
    print(f"{arguments.histories} histories in {seconds:.0f} s; broken: {dict(rules) or 'nothing'}")
    return bool(rules)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=150)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--processes", type=int, default=0, help="as many as there are processors")
    parser.add_argument("--stories", type=int, default=3, help="so many failures are told as a story")
    parser.add_argument("--only", default="", help="the one history of this seed, such as 1:17")
    parser.add_argument("--whole", action="store_true", help="with --only: do not make it smaller")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
