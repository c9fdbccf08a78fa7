import boto3
import pytest
from moto import mock_aws

from mlops.aws import clients, messages

CONFIRMED = ["arn:aws:sns:x:1:t:a", "Deleted", "arn:aws:sns:x:1:t:b"]


@pytest.mark.parametrize(("arns", "confirmed"), [([], 0), (["PendingConfirmation"], 0), (CONFIRMED, 2)])
def test_only_confirmed_subscriptions_read_mails(
    monkeypatch: pytest.MonkeyPatch, arns: list[str], confirmed: int
) -> None:
    with mock_aws():
        sns = boto3.client("sns")
        pages = [{"Subscriptions": [{"SubscriptionArn": arn} for arn in arns]}]
        monkeypatch.setattr(sns, "get_paginator", lambda _: type("P", (), {"paginate": lambda self, **_: pages})())
        monkeypatch.setattr(clients, "client", lambda _: sns)
        monkeypatch.setenv("TOPIC_ARN", "arn:aws:sns:x:1:t")

        assert messages.subscribers() == confirmed
