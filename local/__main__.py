"""`python -m local demo|up|down`: the whole system on this machine."""

import sys

from local.runner.commands import main

if __name__ == "__main__":
    sys.exit(main())
