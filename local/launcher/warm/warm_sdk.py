"""Imported before functions are forked: the AWS SDK has read the descriptions of the services that they use.

The credentials are no one's: each function has its own, from its environment.
"""

from typing import Any

import boto3

connect: Any = boto3.client  # its stubs know services by literal names only
SERVICES = ("dynamodb", "events", "rekognition", "s3", "sns", "sqs", "ssm", "sts")
NOBODY: Any = {"aws_access_key_id": "-", "aws_secret_access_key": "-", "region_name": "us-east-1"}

boto3.setup_default_session()
for service in SERVICES:
    connect(service, **NOBODY)
boto3.resource("dynamodb", **NOBODY)
