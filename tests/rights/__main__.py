"""python -m tests.rights: every action of every role, and the story that needs it; --subtract takes each away."""

import argparse
import sys
import time

from tests.simulation import __main__ as settings

assert settings  # it sets the environment, and where the package is, before anything of it is imported


def main() -> int:
    from tests.rights.granted import grants
    from tests.rights.reasons import why
    from tests.rights.subtraction import turns_red, unexplained, used

    arguments = _arguments()
    began, unseen = time.monotonic(), 0
    for pair in sorted({grant.pair for grant in grants()}):
        own = [grant for grant in grants() if grant.pair == pair]
        if arguments.role not in ("", pair[0]):
            continue
        told = next((used().used[grant] for grant in own if grant in used().used), "")
        line = f"{pair[0]} | {pair[1]} | {told or 'in no story: ' + why(own[0])}"
        if arguments.subtract and told:
            _, wrong = turns_red(pair)
            unseen += not wrong
            line += f" | {wrong[:120] or 'NOTHING TURNS RED WITHOUT IT'}"
        print(line, flush=True)
        if arguments.patterns:
            for grant in own:
                if grant not in used().used:
                    print(f"    not used with {grant.pattern}: {why(grant) or '-'}")
    for role, need in sorted(used().missing, key=str):
        print(f"{role} | {need.action} | NOT GRANTED for {need.resource}")
    for grant in unexplained():
        print(f"{grant.role} | {grant.action} | NOBODY NEEDS IT for {grant.pattern}")
    print(f"{time.monotonic() - began:.0f} s")
    return unseen + len(used().missing) + len(unexplained())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.rights", description=__doc__)
    parser.add_argument("--role", default="", help="the role of this function only, such as promotion")
    parser.add_argument("--subtract", action="store_true", help="play the story without the action, too")
    parser.add_argument("--patterns", action="store_true", help="name resources that no story comes to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
