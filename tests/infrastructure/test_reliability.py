"""Nothing may be lost unseen: dead letters, retries, destinations, logs, alarms."""

import pytest

from tests.infrastructure.template import functions, of_type, resources, statements

ALARMS = of_type("AWS::CloudWatch::Alarm")
QUEUES = of_type("AWS::SQS::Queue")
RULES = of_type("AWS::Events::Rule")
TARGETS = [(name, target) for name, rule in RULES.items() for target in rule["Targets"]]
DEAD_LETTERS = sorted(
    {queue["RedrivePolicy"]["deadLetterTargetArn"] for queue in QUEUES.values() if "RedrivePolicy" in queue}
    | {target["DeadLetterConfig"]["Arn"] for _, target in TARGETS if "DeadLetterConfig" in target}
    | {
        config["DestinationConfig"]["OnFailure"]["Destination"]
        for config in of_type("AWS::Lambda::EventInvokeConfig").values()
    }
)


@pytest.mark.parametrize(("rule", "target"), TARGETS, ids=[name for name, _ in TARGETS])
def test_a_rule_keeps_what_it_cannot_deliver_and_retries_within_bounds(rule, target):
    assert target["DeadLetterConfig"]["Arn"].removesuffix(".Arn") in QUEUES
    assert 0 < target["RetryPolicy"]["MaximumRetryAttempts"] <= 185
    assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86400


@pytest.mark.parametrize("function", functions())
def test_a_function_that_keeps_failing_leaves_its_event_in_a_queue(function):
    configs = [c for c in of_type("AWS::Lambda::EventInvokeConfig").values() if c["FunctionName"] == function]

    assert [c["DestinationConfig"]["OnFailure"]["Destination"] for c in configs] == ["FailedInvocations.Arn"]


@pytest.mark.parametrize("function", functions())
def test_a_function_logs_into_its_own_group_that_expires(function):
    group = functions()[function]["LoggingConfig"]["LogGroup"]
    users = [name for name, other in functions().items() if other["LoggingConfig"]["LogGroup"] == group]

    assert users == [function]
    assert resources()[group]["Properties"]["RetentionInDays"] > 0


@pytest.mark.parametrize("group", of_type("AWS::Logs::LogGroup"))
def test_every_log_group_expires(group):
    assert of_type("AWS::Logs::LogGroup")[group]["RetentionInDays"] > 0


@pytest.mark.parametrize("function", functions())
def test_errors_of_a_function_raise_an_alarm(function):
    dimension = {"Name": "FunctionName", "Value": function}
    alarms = [a for a in ALARMS.values() if dimension in a["Dimensions"] and a["MetricName"] == "Errors"]

    assert alarms and all(alarm["AlarmActions"] == ["Topic"] for alarm in alarms)


@pytest.mark.parametrize("queue", DEAD_LETTERS)
def test_messages_in_a_dead_letter_queue_raise_an_alarm(queue):
    dimension = {"Name": "QueueName", "Value": queue.replace(".Arn", ".QueueName")}
    alarms = [a for a in ALARMS.values() if dimension in a["Dimensions"]]

    assert [alarm["MetricName"] for alarm in alarms] == ["ApproximateNumberOfMessagesVisible"]
    assert [alarm["AlarmActions"] for alarm in alarms] == [["Topic"]]


@pytest.mark.parametrize("queue", DEAD_LETTERS)
def test_dead_letters_are_kept_for_two_weeks(queue):
    assert QUEUES[queue.removesuffix(".Arn")]["MessageRetentionPeriod"] == 14 * 86400


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_a_queue_ends_in_dead_letters_or_holds_them(queue):
    assert "RedrivePolicy" in QUEUES[queue] or f"{queue}.Arn" in DEAD_LETTERS


@pytest.mark.parametrize("mapping", of_type("AWS::Lambda::EventSourceMapping").values())
def test_a_message_stays_hidden_longer_than_its_function_runs(mapping):
    queue = QUEUES[mapping["EventSourceArn"].removesuffix(".Arn")]
    timeout = functions()[mapping["FunctionName"]]["Timeout"]

    # AWS asks for six times the function's timeout.
    assert queue["VisibilityTimeout"] >= 6 * timeout


@pytest.mark.parametrize("function", functions())
def test_a_function_that_waits_by_messages_to_itself_is_not_taken_for_an_endless_loop(function):
    # Lambda stops a function after some 16 rounds through SQS unless it is told that they are meant.
    name = functions()[function]["Role"].removesuffix(".Arn")
    sends = {arn for s in statements(name) if "sqs:SendMessage" in s["Action"] for arn in s["Resource"]}
    reads = {m["EventSourceArn"]: m["FunctionName"] for m in of_type("AWS::Lambda::EventSourceMapping").values()}
    in_loop = function == "ModelStatusFunction" or function in {reads.get(arn) for arn in sends}

    assert functions()[function].get("RecursiveLoop") == "Allow" or not in_loop


@pytest.mark.parametrize("function", functions())
def test_a_function_is_traced(function):
    assert functions()[function]["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_an_alarm_stays_quiet_while_there_is_nothing_to_measure(alarm):
    assert ALARMS[alarm]["TreatMissingData"] == "notBreaching"


def test_an_alarm_about_missing_readers_does_not_count_on_readers():
    assert ALARMS["SubscriptionGoneAlarm"].get("AlarmActions", []) == []
    assert "SubscriptionGoneAlarm.Arn" in str(of_type("AWS::CloudWatch::Dashboard"))
