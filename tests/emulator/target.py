"""Which service the conformance suite runs against: the local one, or the account that one variable points at."""

import os
import secrets

# An empty bucket in the account and Region of the AWS configuration.
REAL_BUCKET = os.environ.get("CUSTOM_LABELS_BUCKET", "")
ON_AWS = bool(REAL_BUCKET)
BUCKET = REAL_BUCKET or "parts"
OUTPUT = REAL_BUCKET or "outputs"
# Part of every project name, so that runs do not meet and leave nothing behind.
RUN = secrets.token_hex(3)
# How long to wait for what must happen, and how often to look; AWS takes 5 calls a second.
PATIENCE_SECONDS, POLL_SECONDS = (1800.0, 5.0) if ON_AWS else (30.0, 0.02)
