"""The command line of a deployed stack, the same against AWS and a local cloud: `python -m cli --help`."""
