"""Two templates differ in what they say, not in how they say it."""

import json
from typing import Any

from tests.infrastructure.compare import differences
from tests.infrastructure.language_extensions import Template

READS = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::parts/*"]}
LISTS = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::parts"}


def template(*statements: dict[str, Any], **more: Any) -> Template:
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": list(statements)}}]}}
    return {"Parameters": {}, "Resources": {"Role": role, **more}}


def test_the_order_of_statements_makes_no_difference() -> None:
    assert differences(template(READS, LISTS), template(LISTS, READS)) == []


def test_a_policy_that_names_the_role_gives_the_same_rights_as_one_within() -> None:
    document = {"PolicyDocument": {"Statement": [LISTS]}, "Roles": [{"Ref": "Role"}]}
    beside = {"Type": "AWS::IAM::Policy", "Properties": document}

    assert differences(template(READS, LISTS), template(READS, Beside=beside)) == []


def test_a_right_that_is_gone_and_one_that_is_new_are_told() -> None:
    assert differences(template(READS), template({**READS, "Action": ["s3:PutObject"]})) == [
        "- Role: Allow s3:GetObject on arn:aws:s3:::parts/*",
        "- Role: Allow s3:GetObject on arn:aws:s3:::parts/* (optional)",
        "+ Role: Allow s3:PutObject on arn:aws:s3:::parts/*",
        "+ Role: Allow s3:PutObject on arn:aws:s3:::parts/* (optional)",
    ]


def test_a_setting_that_is_another_parameter_is_told_though_both_have_the_same_default() -> None:
    def queue(parameter: str) -> Template:
        age = {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": {"Ref": parameter}}}
        return {"Parameters": {key: {"Type": "Number", "Default": 60} for key in "AB"}, "Resources": {"Queue": age}}

    assert "+ Queue.Properties.MessageRetentionPeriod = B" in differences(queue("A"), queue("B"))


def test_the_layout_of_json_makes_no_difference() -> None:
    def dashboard(**layout: Any) -> Template:
        body = json.dumps({"widgets": [1, 2]}, **layout)
        return template(Board={"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": body}})

    assert differences(dashboard(), dashboard(indent=2)) == []
