"""Who may do what: buckets, roles, policies, the public page."""

import pytest

from tests.infrastructure.template import (
    BUCKETS,
    as_list,
    functions,
    listed,
    of_type,
    resources,
    statements,
)

ROLES = of_type("AWS::IAM::Role")
SCHEDULES = {
    schedule["Target"]["RoleArn"].removesuffix(".Arn") for schedule in of_type("AWS::Scheduler::Schedule").values()
}
# Actions that know no resource type.
ANY_RESOURCE = {"rekognition:DescribeProjects"}


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_a_bucket_is_versioned_encrypted_private_and_announces_its_objects(bucket):
    properties = of_type("AWS::S3::Bucket")[bucket]
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rules[0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_a_bucket_and_its_objects_are_reached_over_tls_only(bucket):
    policies = of_type("AWS::S3::BucketPolicy").values()
    (policy,) = [p["PolicyDocument"] for p in policies if p["Bucket"] == BUCKETS[bucket]]
    (deny,) = [s for s in policy["Statement"] if s["Effect"] == "Deny"]

    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Principal"] == "*" and deny["Action"] == "s3:*"
    assert set(deny["Resource"]) == {f"{bucket}.Arn", f"{bucket}.Arn/*"}


def test_a_bucket_policy_gives_nobody_anything():
    documents = [policy["PolicyDocument"] for policy in of_type("AWS::S3::BucketPolicy").values()]

    assert {s["Effect"] for document in documents for s in document["Statement"]} == {"Deny"}


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::Rekognition::Project"])
def test_what_people_put_in_or_paid_for_outlives_the_stack(kind):
    kept = {(e["DeletionPolicy"], e["UpdateReplacePolicy"]) for e in resources().values() if e["Type"] == kind}

    assert kept == {("RetainExceptOnCreate", "Retain")}


@pytest.mark.parametrize("queue", of_type("AWS::SQS::Queue"))
def test_a_queue_is_encrypted(queue):
    assert of_type("AWS::SQS::Queue")[queue]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("table", of_type("AWS::DynamoDB::Table"))
def test_a_table_is_encrypted(table):
    assert of_type("AWS::DynamoDB::Table")[table]["SSESpecification"] == {"SSEEnabled": True}


def test_every_function_has_a_role_of_its_own():
    roles = [function["Role"] for function in functions().values()]

    assert len(set(roles)) == len(roles)
    assert {role.removesuffix(".Arn") for role in roles} == set(ROLES) - SCHEDULES


def test_a_schedule_may_call_its_function_and_report_what_it_could_not():
    actions = {action for role in SCHEDULES for s in statements(role) for action in s["Action"]}

    assert actions == {"lambda:InvokeFunction", "sqs:SendMessage"}


def test_no_policy_of_aws_is_used_but_those_for_logs_queues_and_traces():
    managed = {arn.rsplit("/", 1)[1] for role in ROLES.values() for arn in role.get("ManagedPolicyArns", ())}

    # SAM adds them. Traces and logs know no resource that could be named before the function is there.
    assert managed <= {"AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSXrayWriteOnlyAccess"}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_everything_of_a_service(role):
    actions = [action for statement in statements(role) for action in statement["Action"]]

    assert not [action for action in actions if "*" in action]


@pytest.mark.parametrize("function", functions())
def test_no_function_can_make_a_log_group_again_that_was_deleted_with_the_stack(function):
    role = functions()[function]["Role"].removesuffix(".Arn")
    denied = [s for s in statements(role) if s["Effect"] == "Deny" and "logs:CreateLogGroup" in s["Action"]]

    # AWSLambdaBasicExecutionRole allows it for every group.
    assert [(s["Resource"], s.get("Condition")) for s in denied] == [(["*"], None)]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_every_resource(role):
    allowed = [s for s in statements(role) if s["Effect"] == "Allow"]
    anywhere = [s["Action"] for s in allowed if any(r == "*" for r in s["Resource"])]

    assert {action for actions in anywhere for action in actions} <= ANY_RESOURCE


@pytest.mark.parametrize("role", ROLES)
def test_a_role_changes_objects_only_below_a_prefix(role):
    writes = [s["Resource"] for s in statements(role) if any(a.startswith("s3:Put") for a in s["Action"])]

    assert all(".Arn/" in arn and not arn.endswith(".Arn/*") for arns in writes for arn in arns)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_deletes_objects_or_projects_and_only_the_sweepers_versions(role):
    actions = {action for statement in statements(role) for action in statement["Action"]}
    deletes = {action for action in actions if action.startswith(("s3:Delete", "rekognition:Delete"))}

    pruned = {"rekognition:DeleteProjectVersion"} if role == "ModelSweeperFunctionRole" else set()
    assert deletes <= {"rekognition:DeleteProjectPolicy"} | pruned


@pytest.mark.parametrize("role", ROLES)
def test_a_role_puts_events_of_this_application_only(role):
    puts = [s for s in statements(role) if "events:PutEvents" in s["Action"]]

    assert all(s["Condition"] == {"StringEqualsIfExists": {"events:source": "rekognition-mlops"}} for s in puts)
    assert all(r.endswith("event-bus/default") for s in puts for r in s["Resource"])


def test_roles_use_no_key_but_the_topics():
    uses = [s for role in ROLES for s in statements(role) if any(a.startswith("kms:") for a in s["Action"])]

    assert {arn for statement in uses for arn in statement["Resource"]} == {"TopicKey.Arn"}


def test_every_queue_that_a_rule_sends_to_lets_rules_in():
    targets = [target for rule in of_type("AWS::Events::Rule").values() for target in rule["Targets"]]
    queues = {f"{name}.Arn" for name in of_type("AWS::SQS::Queue")}
    needed = {t["DeadLetterConfig"]["Arn"] for t in targets} | {t["Arn"] for t in targets if t["Arn"] in queues}
    policies = [listed(s) for p in of_type("AWS::SQS::QueuePolicy").values() for s in p["PolicyDocument"]["Statement"]]
    open_to_rules = [s for s in policies if s["Principal"] == {"Service": "events.amazonaws.com"}]

    assert needed <= {arn for statement in open_to_rules for arn in statement["Resource"]}
    assert all("aws:SourceArn" in str(statement["Condition"]) for statement in open_to_rules)


def test_a_queue_policy_is_attached_to_the_queues_it_names():
    for policy in of_type("AWS::SQS::QueuePolicy").values():
        named = {arn for s in policy["PolicyDocument"]["Statement"] for arn in as_list(s["Resource"])}

        assert named == {f"{queue}.Arn" for queue in policy["Queues"]}


def test_a_rule_may_call_its_function():
    permissions = of_type("AWS::Lambda::Permission").values()
    allowed = {(p["SourceArn"], p["FunctionName"]) for p in permissions if p["Principal"] == "events.amazonaws.com"}
    rules = of_type("AWS::Events::Rule").items()
    called = {
        (f"{name}.Arn", target["Arn"].removesuffix(".Arn"))
        for name, rule in rules
        for target in rule["Targets"]
        if target["Arn"].removesuffix(".Arn") in functions()
    }

    assert called == allowed


def test_only_the_pages_are_called_from_outside_and_by_their_own_api():
    permissions = of_type("AWS::Lambda::Permission").values()
    outside = [p for p in permissions if p["Principal"] != "events.amazonaws.com"]

    assert {(p["Principal"], p["FunctionName"]) for p in outside} == {
        ("apigateway.amazonaws.com", "ApprovalFunction"),
        ("apigateway.amazonaws.com", "ReviewFunction"),
    }
    assert all(":ApprovalApi/" in permission["SourceArn"] for permission in outside)


def test_the_page_is_throttled():
    for stage in of_type("AWS::ApiGatewayV2::Stage").values():
        assert 0 < stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 20
        assert 0 < stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] <= 50


def test_the_access_log_never_holds_the_token():
    formats = [stage["AccessLogSettings"]["Format"] for stage in of_type("AWS::ApiGatewayV2::Stage").values()]

    assert formats
    assert not [
        word for line in formats for word in ("path", "query", "$context.request.", "header") if word in line.lower()
    ]


def test_the_pages_have_these_routes_and_no_other():
    routes = {route["RouteKey"] for route in of_type("AWS::ApiGatewayV2::Route").values()}

    assert routes == {
        *("GET /approval", "HEAD /approval", "POST /approval"),
        *("GET /review", "HEAD /review", "POST /review", "GET /review.js"),
    }
