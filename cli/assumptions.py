"""What is assumed about AWS, row by row: what the code does where it is so, and where not, and how to try it.

`python -m cli.assumptions` prints the table of docs/aws-assumptions.md.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from statistics import fmean
from typing import Any

from botocore.exceptions import ClientError

from cli.verify import (
    EVENT_SECONDS,
    PICTURES,
    CannotTry,
    Probe,
    Row,
    Trained,
    Verdict,
    arn_of,
    is_gone,
    refusal,
    verdict,
    wait,
)
from mlops.dataset.dataset_json import TASKS

Check = Callable[[Probe], Verdict]
_TOLERANCE = 0.005
# A test of 2500 images has to end within a function's 15 minutes.
_IMAGES_A_SECOND = 2500 / 900
_OWN_ROUNDS = timedelta(minutes=20)
_CHECKS: dict[int, tuple[Check, float, float]] = {}


def _tries(number: int, usd: float = 0.0, minutes: float = 0.1) -> Callable[[Check], Check]:
    """Name the check of a row, with what it costs in USD, and about how long it takes."""

    def keep(check: Check) -> Check:
        _CHECKS[number] = (check, usd, minutes)
        return check

    return keep


def _row(number: int, fact: str, documented: str, holds: str, otherwise: str, source: str = "", hand: str = "") -> Row:
    check, usd, minutes = _CHECKS.get(number, (None, 0.0, 0.1))
    return Row(number, fact, documented, holds, otherwise, source, hand, usd, minutes, check)


# ---------------------------------------------------------------- events


def _written(probe: Probe) -> Callable[[str, bytes], dict[str, Any]]:
    """Write objects and hear of each."""
    where = {"bucket": {"name": [probe.bucket]}, "object": {"key": [{"prefix": f"{probe.name}/"}]}}
    heard = probe.listen({"source": ["aws.s3"], "detail": where})

    def write(name: str, body: bytes) -> dict[str, Any]:
        # Of an earlier body more than one event may come: it may have been written more than once.
        event = heard.hear(lambda: probe.put(name, body), lambda event: event["detail"]["object"]["size"] == len(body))
        return dict(event["detail"]["object"])

    return write


@_tries(1, minutes=2)
def _key_in_an_event(probe: Probe) -> Verdict:
    name = "a+b %41 é.png"
    key = _written(probe)(name, b"picture")["key"]
    return verdict(key == f"{probe.name}/{name}", f"the key came as {key}")


@_tries(33, minutes=2)
def _resources_of_an_event(probe: Probe) -> Verdict:
    heard = probe.listen({"source": [probe.name], "resources": [probe.stack.arn]})
    entry = {"Source": probe.name, "DetailType": "Check", "Resources": [probe.stack.arn], "Detail": "{}"}
    event = heard.hear(lambda: probe.client("events").put_events(Entries=[entry]))
    return verdict(event["resources"] == [probe.stack.arn], f"resources came as {event['resources']}")


@_tries(45, minutes=2)
def _order_of_events(probe: Probe) -> Verdict:
    write = _written(probe)
    first, second = write("1.png", b"first"), write("1.png", b"second")
    width = max(len(first["sequencer"]), len(second["sequencer"]))
    one, other = (event["sequencer"].ljust(width, "0") for event in (first, second))
    return verdict(one < other and first["key"] == second["key"], f"sequencers {one}, then {other}")


# ---------------------------------------------------------------- versions


def _copies(probe: Probe) -> list[dict[str, Any]]:
    found = [version for version in probe.past.versions if "SourceProjectVersionArn" in version]
    if not found:
        raise CannotTry("no version has been copied to a project of this account yet: approve a run")
    return found


def _project_of(probe: Probe, version_arn: str) -> str:
    name = version_arn.split("/")[1]
    return next(arn for arn in probe.stack.projects() if arn.split("/")[1] == name)


@_tries(2)
def _name_that_exists(probe: Probe) -> Verdict:
    copy = _copies(probe)[0]
    source, name = str(copy["SourceProjectVersionArn"]), arn_of(copy).split("/")[3]
    copy_again = partial(probe.copy, source, _project_of(probe, arn_of(copy)), name)
    code = refusal(copy_again, ignored=["LimitExceededException"])
    return verdict(code == "ResourceInUseException", f"CopyProjectVersion answered {code or 'no error'}")


@_tries(3)
def _copy_without_policy(probe: Probe) -> Verdict:
    source = _project_of(probe, str(_copies(probe)[0]["SourceProjectVersionArn"]))
    policies = probe.client("rekognition").list_project_policies(ProjectArn=source)["ProjectPolicies"]
    return verdict(not policies, f"{len(_copies(probe))} copies were made; {len(policies)} policies are there now")


@_tries(4)
def _start_of_a_copy(probe: Probe) -> Verdict:
    run = probe.past.completed("inference_test", "staging")[0]
    return verdict(True, f"the copy of {run.run_id} was started and tested in staging")


@_tries(5, usd=1.5, minutes=25)
def _stop_while_starting(probe: Probe) -> Verdict:
    arn, code = _stopped(probe), ""
    # A stop that came late met a model that ran already: a refusal at any time decides, the lack of one only again.
    for _ in range(3):
        probe.start(arn)
        if code := refusal(lambda: probe.client("rekognition").stop_project_version(ProjectVersionArn=arn)):
            break
        wait(lambda: probe.status(arn) == "STOPPED", "stop of the version", 600)
    return verdict(code != "", f"StopProjectVersion answered {code or 'no error'} just after StartProjectVersion")


def _stopped(probe: Probe, is_copy: bool | None = None) -> str:
    """A version that was trained, or is a copy, and does not run. Raises CannotTry."""
    for version in probe.past.versions:
        is_of_the_kind = is_copy in (None, "SourceProjectVersionArn" in version)
        if is_of_the_kind and probe.status(arn_of(version)) == "STOPPED":
            return arn_of(version)
    raise CannotTry(f"no {'copied ' if is_copy else ''}version of the stack is STOPPED")


@_tries(15)
def _code_of_a_constraint(probe: Probe) -> Verdict:
    rekognition, name = probe.client("rekognition"), f"{probe.name} no!"

    def create() -> None:
        arn = rekognition.create_project(ProjectName=name)["ProjectArn"]
        probe.later(f"project {name}", lambda: rekognition.delete_project(ProjectArn=arn))

    code = refusal(create)
    known = ("InvalidParameterException", "ValidationException")
    return verdict(code in known, f"a name with a space was answered with {code or 'no error'}")


@_tries(17, minutes=2)
def _training_beside_datasets(probe: Probe) -> Verdict:
    rekognition, project = probe.client("rekognition"), probe.project()
    arn = rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]
    probe.later(f"dataset {arn}", lambda: _delete_dataset(probe, arn))
    wait(lambda: _status_of_dataset(probe, arn) == "CREATE_COMPLETE", "dataset", EVENT_SECONDS)
    where = {"S3Object": {"Bucket": probe.bucket, "Name": probe.put("empty.manifest", b"\n")}}
    given = {"Assets": [{"GroundTruthManifest": where}]}
    output = {"S3Bucket": probe.bucket, "S3KeyPrefix": probe.name}
    request = {"ProjectArn": project, "VersionName": "check", "OutputConfig": output}
    try:
        answer = rekognition.create_project_version(**request, TrainingData=given, TestingData=given)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if "dataset" not in message.lower():
            # It may be about the empty manifest.
            raise
        return verdict(code == "InvalidParameterException", f"CreateProjectVersion answered {code}: {message}")
    # An empty manifest trains nothing; the version fails, and goes.
    probe.discard(answer["ProjectVersionArn"])
    return verdict(False, "CreateProjectVersion took manifests for a project that has a dataset")


def _status_of_dataset(probe: Probe, arn: str) -> str:
    return str(probe.client("rekognition").describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"])


def _delete_dataset(probe: Probe, arn: str) -> None:
    probe.client("rekognition").delete_dataset(DatasetArn=arn)
    look = partial(_status_of_dataset, probe, arn)
    wait(lambda: is_gone(look), f"end of {arn}", EVENT_SECONDS)


@_tries(30)
def _sixth_policy(probe: Probe) -> Verdict:
    rekognition, project = probe.client("rekognition"), probe.project()
    _, partition, _, region, account, _ = project.split(":", 5)
    # A version that is not there, by its whole ARN: whether wildcards are taken is not documented.
    resource = f"arn:{partition}:rekognition:{region}:{account}:project/{probe.name}/version/none/1700000000000"
    principal = {"AWS": f"arn:{partition}:iam::{account}:root"}
    allowed = {"Effect": "Allow", "Principal": principal, "Action": "rekognition:CopyProjectVersion"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**allowed, "Resource": resource}]})
    for number in range(1, 7):
        policy = {"ProjectArn": project, "PolicyName": f"policy{number}"}
        if code := refusal(partial(rekognition.put_project_policy, **policy, PolicyDocument=document)):
            if code == "MalformedPolicyDocumentException":
                raise CannotTry(f"policy {number} was refused as malformed")
            is_known = number == 6 and code == "LimitExceededException"
            return verdict(is_known, f"policy {number} was answered with {code}")
        probe.later(f"policy {number} of {project}", partial(rekognition.delete_project_policy, **policy))
    return verdict(False, "six policies were taken")


@_tries(47, minutes=20)
def _copy_of_a_stopped_version(probe: Probe) -> Verdict:
    return _copied(probe, _stopped(probe, is_copy=False))


@_tries(48, minutes=20)
def _copy_of_a_copy(probe: Probe) -> Verdict:
    copies = {arn_of(version) for version in _copies(probe)}
    if chain := [version for version in _copies(probe) if version["SourceProjectVersionArn"] in copies]:
        return verdict(True, f"{arn_of(chain[0])} is a copy of a copy")
    return _copied(probe, _stopped(probe, is_copy=True))


def _copied(probe: Probe, source: str) -> Verdict:
    code = refusal(lambda: probe.copy(source, probe.project(), "copy"), ignored=["LimitExceededException"])
    return verdict(not code, f"CopyProjectVersion of {source} answered {code or 'no error'}")


# ---------------------------------------------------------------- results of training


def _of_tasks(probe: Probe, look: Callable[[Trained], tuple[bool, str] | None]) -> Verdict:
    """What `look` says of the newest trained version of every task that it can tell of; all have to be so."""
    found: list[tuple[bool, str]] = []
    for task in TASKS:
        with suppress(CannotTry):
            told = ((trained.run_id, said) for trained in probe.past.trained(task) if (said := look(trained)))
            found += [(is_so, f"{run_id}: {text}") for run_id, (is_so, text) in islice(told, 1)]
    if not found:
        raise CannotTry("no trained version can tell yet: none is there, or all its labels have the same F1")
    return verdict(all(is_so for is_so, _ in found), "; ".join(text for _, text in found))


@_tries(6)
def _shape_of_the_summary(probe: Probe) -> Verdict:
    def look(trained: Trained) -> tuple[bool, str]:
        names = sorted(trained.summary["AggregatedEvaluationResults"])
        return "Metrics" not in names and "F1Score" in names, f"the aggregates are {', '.join(names)}"

    return _of_tasks(probe, look)


@_tries(8)
def _predictions_of_every_label(probe: Probe) -> Verdict:
    trained = probe.past.trained("classification")[0]
    labels = set(trained.summary["EvaluationDetails"]["Labels"])
    lines = [{found["class-name"] for found in _predictions(line)} for line in trained.snapshot]
    complete = sum(labels <= line for line in lines)
    return verdict(complete == len(lines), f"{complete} of {len(lines)} images have all {len(labels)} labels")


def _predictions(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    beginning, end = "rekognition-custom-labels-evaluation", "-metadata"
    return (value for name, value in line.items() if name.startswith(beginning) and name.endswith(end))


@_tries(9)
def _aggregates_are_means(probe: Probe) -> Verdict:
    def look(trained: Trained) -> tuple[bool, str] | None:
        scores = [label["F1Score"] for label in trained.labels.values()]
        if max(scores) - min(scores) <= _TOLERANCE:
            # Where all are alike, every way of summing up comes to the same.
            return None
        seen = f"the summary says F1 {trained.f1:.4f}, the mean over labels is {fmean(scores):.4f}"
        return abs(trained.f1 - fmean(scores)) <= _TOLERANCE, seen

    return _of_tasks(probe, look)


@_tries(10)
def _confidence_at_the_threshold(probe: Probe) -> Verdict:
    trained = probe.past.trained("classification")[0]
    thresholds = {label: metrics["Threshold"] for label, metrics in trained.labels.items()}
    said = [found for line in trained.snapshot for found in _predictions(line)]
    equal = [found for found in said if float(found["confidence"]) == thresholds.get(found["class-name"])]
    if not equal:
        raise CannotTry(f"none of {len(said)} confidences of {trained.run_id} equals its label's threshold")
    counted = sum(_counts_as_found(found) for found in equal)
    return verdict(counted == len(equal), f"{counted} of {len(equal)} confidences at the threshold count as found")


def _counts_as_found(prediction: Mapping[str, Any]) -> bool:
    details = prediction["rekognition-custom-labels-evaluation-details"]
    return bool(details["is-true-positive"] or details["is-false-positive"])


@_tries(19)
def _small_boxes(probe: Probe) -> Verdict:
    trained = probe.past.trained("detection")[0]
    numbers = {side: found["invalid_json_lines"] for side, found in trained.manifests["statistics"].items()}
    text = ", ".join(f"{count} in {side}" for side, count in sorted(numbers.items()))
    return verdict(not any(numbers.values()), f"invalid lines of {trained.run_id}: {text}")


@_tries(20)
def _overlap_that_counts(probe: Probe) -> Verdict:
    run = probe.past.completed("eval_metric", task="detection")[0]
    result = probe.past.result(run, "eval_metric.json")
    theirs, ours = (result[origin]["per_label"] for origin in ("service", "recomputed"))
    apart = {label: abs(theirs[label]["f1"] - ours[label]["f1"]) for label in theirs.keys() & ours.keys()}
    worst = max(apart, key=lambda label: apart[label])
    seen = f"F1 of {worst}: {theirs[worst]['f1']:.3f} in the summary, {ours[worst]['f1']:.3f} from the snapshot"
    return verdict(apart[worst] <= _TOLERANCE, f"{seen} ({run.run_id})")


# ---------------------------------------------------------------- inference


@_tries(18)
def _capacity_of_a_unit(probe: Probe) -> Verdict:
    run = probe.past.completed("inference_test")[0]
    result = probe.past.result(run, "development/inference_test.json")
    throttled = sum("Throughput" in error or "Throttl" in error for error in result["errors"].values())
    rate = 3000 / max(float(result["latency_ms"]["p50"]), 1.0)
    seen = f"{rate:.1f} images a second, three at once; {throttled} of {result['images']} calls given up for throttling"
    return verdict(rate >= _IMAGES_A_SECOND and not throttled, f"{seen} ({run.run_id})")


@_tries(22)
def _geometry_of_an_answer(probe: Probe) -> Verdict:
    run = probe.past.completed("inference_test", task="detection")[0]
    f1 = float(probe.past.result(run, "development/inference_test.json")["f1"])
    if not f1:
        raise CannotTry(f"{run.run_id} found no defect; look where the boxes of its gallery lie")
    return verdict(True, f"boxes of {run.run_id} lie on the defects: F1 {f1:.3f}")


@_tries(43, usd=1.5, minutes=25)
def _version_of_an_object(probe: Probe) -> Verdict:
    """A picture of the data bucket is copied, asked about by its version, deleted, and asked about again."""
    s3, arn = probe.client("s3"), _stopped(probe)
    data = probe.stack.outputs["DataBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=data, Prefix="datasets/")
    keys = (found["Key"] for page in pages for found in page.get("Contents", ()))
    picture = next((key for key in keys if key.lower().endswith(PICTURES) and "ground_truth" not in key), None)
    if picture is None:
        raise CannotTry("there is no picture in the data bucket")
    key = probe.put("picture", s3.get_object(Bucket=data, Key=picture)["Body"].read())
    version = s3.head_object(Bucket=probe.bucket, Key=key)["VersionId"]
    where = {"S3Object": {"Bucket": probe.bucket, "Name": key, "Version": version}}
    probe.start(arn)
    if (status := probe.status_after(arn, ("STARTING",))) != "RUNNING":
        raise CannotTry(f"{arn} is {status}")
    ask = partial(probe.client("rekognition").detect_custom_labels, ProjectVersionArn=arn, Image=where)
    before = refusal(ask)
    s3.delete_object(Bucket=probe.bucket, Key=key, VersionId=version)
    after = refusal(ask)
    seen = f"with its version: {before or 'answered'}; after that was deleted: {after or 'answered'}"
    return verdict(not before and after == "InvalidS3ObjectException", seen)


# ---------------------------------------------------------------- around it


@_tries(23)
def _prices(probe: Probe) -> Verdict:
    products = probe.client("pricing").get_paginator("get_products").paginate(
        ServiceCode="AmazonRekognition",
        Filters=[{"Type": "TERM_MATCH", "Field": "regionCode", "Value": probe.stack.arn.split(":")[3]}],
    )  # fmt: skip
    texts = [text for page in products for text in page["PriceList"] if "custom" in text.lower()]
    seen = sorted({float(usd) for text in texts for usd in _usd(json.loads(text))})
    if not seen:
        raise CannotTry("the price list names nothing for Custom Labels in this Region")
    names = ("TrainingHourPrice", "RunningHourPrice")
    missing = [f"{name} {probe.stack.parameters[name]}" for name in names
               if float(probe.stack.parameters[name]) not in seen]  # fmt: skip
    listed = ", ".join(f"{usd:g}" for usd in seen)
    return verdict(not missing, f"the price list has {listed}; not there: {', '.join(missing) or 'nothing'}")


def _usd(product: Mapping[str, Any]) -> Iterator[str]:
    for term in product["terms"]["OnDemand"].values():
        for dimension in term["priceDimensions"].values():
            yield dimension["pricePerUnit"].get("USD", "0")


@_tries(24)
def _alarms_that_mail(probe: Probe) -> Verdict:
    said = []
    for name in probe.stack.resources("AWS::CloudWatch::Alarm").values():
        answer = probe.client("cloudwatch").describe_alarm_history(AlarmName=name, HistoryItemType="Action")
        said += [item["HistorySummary"] for item in answer["AlarmHistoryItems"]]
    if not said:
        raise CannotTry("no alarm of the stack has fired in two weeks")
    failed = [text for text in said if text.startswith("Failed")]
    return verdict(not failed, failed[0] if failed else f"{len(said)} mails of alarms were sent")


@_tries(35)
def _rounds_of_a_function(probe: Probe) -> Verdict:
    now = datetime.now(UTC)
    period = {"StartTime": now - timedelta(days=14), "EndTime": now, "Period": 86400, "Statistics": ["Sum"]}
    dropped = 0.0
    for name in probe.stack.resources("AWS::Lambda::Function").values():
        which = {"MetricName": "RecursiveInvocationsDropped", "Dimensions": [{"Name": "FunctionName", "Value": name}]}
        answer = probe.client("cloudwatch").get_metric_statistics(Namespace="AWS/Lambda", **which, **period)
        dropped += sum(point["Sum"] for point in answer["Datapoints"])
    stages = [s for run in probe.past.completed("training") for s in run.stages if s.stage == "training"]
    longest = max(timedelta(seconds=stage.seconds(now)) for stage in stages)
    if not dropped and longest < _OWN_ROUNDS:
        raise CannotTry("no training has taken longer than twenty minutes")
    return verdict(not dropped, f"{dropped:.0f} invocations dropped in two weeks; the longest training took {longest}")


@_tries(37)
def _search_of_the_dashboard(probe: Probe) -> Verdict:
    which = {"Namespace": "rekognition-mlops", "MetricName": "StageSeconds"}
    dimensions = [{"Name": "Stack", "Value": probe.stack.name}, {"Name": "Outcome", "Value": "COMPLETED"}]
    if not probe.client("cloudwatch").list_metrics(**which, Dimensions=dimensions)["Metrics"]:
        raise CannotTry("no stage has a metric: none was completed in two weeks")
    expression = (
        f'SEARCH(\'{{"rekognition-mlops",Environment,Outcome,Stack,Stage}} Stack="{probe.stack.name}" '
        'Outcome="COMPLETED" MetricName="StageSeconds"\', \'SampleCount\', 3600)'
    )
    now = datetime.now(UTC)
    answer = probe.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "stages", "Expression": expression}],
        StartTime=now - timedelta(days=14),
        EndTime=now,
    )
    found = [metric["Label"] for metric in answer["MetricDataResults"] if metric["Values"]]
    return verdict(bool(found), f"it found {len(found)} metrics")


@_tries(44)
def _archived_object(probe: Probe) -> Verdict:
    key = probe.put("archived", b"x", StorageClass="GLACIER")
    try:
        probe.client("s3").get_object(Bucket=probe.bucket, Key=key)
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return verdict(code == "InvalidObjectState" and 400 <= status < 500, f"{code}, status {status}")
    return verdict(False, "an archived object was read")


@_tries(46, minutes=3)
def _source_account_of_cloudformation(probe: Probe) -> Verdict:
    """A role whose trust asks for the account, beside one whose trust does not."""
    account = probe.stack.arn.split(":")[4]
    plain = _role_of_cloudformation(probe, "plain", {})
    strict = _role_of_cloudformation(probe, "strict", {"StringEquals": {"aws:SourceAccount": account}})
    # A new role is known everywhere after some seconds.
    wait(lambda: _is_made(probe, "plain", plain, []), "stack with a role of its own", EVENT_SECONDS)
    codes: list[str] = []
    with suppress(CannotTry):
        wait(lambda: _is_made(probe, "strict", strict, codes), "stack with the other role", EVENT_SECONDS)
        return verdict(True, "CloudFormation took on a role whose trust asks for aws:SourceAccount")
    return verdict(False, f"a trust that asks for aws:SourceAccount was answered with {codes[-1]}")


def _role_of_cloudformation(probe: Probe, suffix: str, condition: Mapping[str, Any]) -> str:
    who = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [{**who, **({"Condition": condition} if condition else {})}]}
    iam, name = probe.client("iam"), f"{probe.name}-{suffix}"
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])
    probe.later(f"role {name}", lambda: iam.delete_role(RoleName=name))
    return arn


def _is_made(probe: Probe, suffix: str, role: str, codes: list[str]) -> bool:
    """Make a stack of nothing but a handle, which needs no rights; where it is refused, its code is added."""
    client, name = probe.client("cloudformation"), f"{probe.name}-{suffix}"
    body = json.dumps({"Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
    if code := refusal(lambda: client.create_stack(StackName=name, TemplateBody=body, RoleARN=role)):
        codes.append(code)
        return False
    # Its role goes after it: CloudFormation deletes it with that.
    probe.later(f"stack {name}", lambda: _delete_stack(client, name))
    return True


def _delete_stack(client: Any, name: str) -> None:
    ended = ("CREATE_COMPLETE", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    def status() -> str:
        return str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

    wait(lambda: status() in ended, f"end of the creation of {name}", EVENT_SECONDS)
    client.delete_stack(StackName=name)
    wait(lambda: refusal(status) or status() == "DELETE_COMPLETE", f"end of {name}", EVENT_SECONDS)


# ---------------------------------------------------------------- the rows

ROWS = (
    _row(
        1,
        "Keys in EventBridge events of S3 are not URL-encoded",
        "by silence; emulators agree",
        "uses keys as they are",
        "a key with a space, `+` or `%` is not found, not recorded, and its dataset ends in `SettlingDeadLetters`: "
        "seen, not lost",
    ),
    _row(
        2,
        "CreateProjectVersion and CopyProjectVersion answer `ResourceInUseException` to a name that exists",
        "the error is, its timing is not",
        "looks for the version by name, also where a quota is named in place of the name. Found: it is ours, watch it. "
        "Not found: the project is busy, wait and retry",
        "the stage fails with the service's words, and nothing is trained or copied twice",
    ),
    _row(
        3,
        "CopyProjectVersion between two projects of one account needs no project policy",
        "the API page says so",
        "copies without",
        "the invocation fails with access denied, `FailedInvocationsAlarm`; then attach a policy with "
        "PutProjectPolicy and redrive",
        source="API reference, CopyProjectVersion",
    ),
    _row(
        4,
        "A copied version can be started from `COPYING_COMPLETED`",
        "the guide implies it",
        "starts it",
        "`ResourceInUseException`: waits and retries, without a deadline; other refusals fail the invocation",
    ),
    _row(
        5,
        "StopProjectVersion is refused while the version is `STARTING`",
        "for running models only; public code calls it then, too, and goes on as if that had worked",
        "stops only after `RUNNING` was seen. Refused while `STARTING` or `RUNNING`: raises, so that it is tried again "
        "and an alarm fires. `STOPPING` and `STOPPED` are success",
        "a stop that is asked for early is taken, and the test that waited for the model fails; whether it then stays "
        "off is looked at by the sweeper. Both answers are tried in `tests/e2e/test_stopping.py`",
    ),
    _row(
        6,
        "The evaluation summary holds aggregates flat, not nested below `Metrics`",
        "the reference nests them, AWS's own sample and real files have them flat",
        "reads them flat",
        "reads them below `Metrics`: nothing is to be done",
    ),
    _row(
        7,
        "The names of the result files are known, although pages disagree",
        "pages disagree",
        "builds none all the same; reads them from DescribeProjectVersions",
        "the same",
        source='the guide names `EvaluationResultSummary-…` in "Accessing the summary file" and `EvaluationSummary-…` '
        'in "Training results summary file"; both are read from the description',
    ),
    _row(
        8,
        "The snapshot of a classifier has one prediction for each label, not only for the likely ones",
        "no",
        "takes each as it is",
        "a label that is missing counts as not predicted",
    ),
    _row(
        9,
        "The aggregated F1 is the mean over labels",
        "no; in AWS's own sample summary it is. For detection a public run has F1 0.646 in its summary and 0.703 from "
        "its snapshot: expect `agrees: false` there",
        "recomputes it as the mean over labels; both must pass the gate, `agrees` in `eval_metric.json` is true",
        "writes the difference and `agrees: false`; both must pass the gate",
    ),
    _row(
        10,
        "A confidence equal to the assumed threshold counts as found",
        "two sentences disagree",
        "uses `>=`",
        "an image at the very threshold is judged otherwise than by the service: `differences` in `eval_metric.json`",
    ),
    _row(
        11,
        "Training applies the EXIF orientation of an image",
        "no",
        "gives the service an upright copy, which says nothing of turning",
        "the copy is right with either answer",
        hand="train with turned images only, in a copy of this code that lets them pass, and compare with the same "
        "images turned in their pixels",
    ),
    _row(
        12,
        "CMYK is read correctly",
        "no",
        "gives the service a copy in RGB",
        "the copy is right with either answer",
        hand="as 11, with CMYK images and the same ones in RGB",
    ),
    _row(
        13,
        "The service reads manifests and images, and writes results, with the rights of the caller",
        "yes; older samples show a bucket policy",
        "the roles of `training` and `promotion` have these rights; there is no bucket policy for Rekognition",
        "training fails with a message about permissions, in the e-mail",
        source='the guide, "Set up Custom Labels permissions"',
    ),
    _row(
        14,
        "The condition key `events:source` is present in PutEvents",
        "yes",
        "`StringEqualsIfExists`: only our source passes",
        "the call is not blocked, whatever its source",
        source="service authorization reference, Amazon EventBridge",
    ),
    _row(
        15,
        "A broken constraint is `InvalidParameterException` or `ValidationException`",
        "both are",
        "training ends its stage on both, with the service's words",
        "the invocation fails and is tried again: `FailedInvocationsAlarm`",
        source="API reference: InvalidParameterException of each operation, ValidationException of all",
    ),
    _row(
        16,
        "`LimitExceededException` of CreateProjectVersion means two things: too many trainings at once, where waiting "
        "helps, or a project with its 100 models, where it does not",
        "the quotas are, the error is for both",
        "counts the models of the project: waits for a slot, or fails the stage where it is full; "
        "`ServiceQuotaExceededException` fails the stage",
        "another error fails the stage, or the invocation, with the service's words",
        source='was wrong, the first meaning only; the guide, "Guidelines and quotas": 100 models in a project',
    ),
    _row(
        17,
        "Datasets attached to a project in the console forbid training from manifests, with "
        "`InvalidParameterException`",
        "at CreateProjectVersion; the code is not",
        "fails the stage, names the datasets and the command that deletes them",
        "another code fails the stage with the service's words, without the command; or training works all the same",
    ),
    _row(
        18,
        "One inference unit answers three calls at once, about 3 a second",
        "no; a few calls a second",
        "three calls at once: about 2500 images end within the 15 minutes that a test has",
        "waits and retries when throttled; a test that does not end in time fails: lower `TestImagesPerLabel`",
    ),
    _row(
        19,
        'Boxes grown at the service\'s lower limit are valid: "larger than 1 x 1 px" after images above 1280 px are '
        "made smaller, of one side or of both",
        "no",
        "grows every side to more than one pixel after that, so either rule takes them",
        "the image of such a box is left out of training, with a warning in the manifest's validation",
    ),
    _row(
        20,
        "The service counts a box as found at the overlap `MatchIoU`",
        "no",
        "judges its snapshot itself at `MatchIoU`, too; both must pass the gate",
        "`differences` in `eval_metric.json` shows how far they are apart",
    ),
    _row(
        21,
        "Lines without boxes are ignored in training and testing",
        "two pages say so",
        "leaves them out, and counts false alarms on clean images itself",
        "clean images would teach something, too: nothing is lost but that",
        source='the guide, "Debugging a failed model training", warnings about lines without annotations',
    ),
    _row(
        22,
        "Geometry of an answer: ratios of the image as it is stored",
        "by silence",
        "multiplies with the stored width and height; images turned by EXIF have upright copies",
        "the inference test of detection fails",
        hand="where the check cannot tell: do the blue boxes of `runs/<run_id>/development/gallery/` lie on the "
        "defects?",
    ),
    _row(
        23,
        "Prices of `TrainingHourPrice` and `RunningHourPrice`",
        "seen in a third party's note",
        "estimates with them, in docs/costs.md and mails",
        "estimates are wrong: deploy with the right parameters",
        hand="the page of Rekognition's prices",
    ),
    _row(
        24,
        "CloudWatch alarms can publish to a topic encrypted with a customer managed key whose policy names "
        "`cloudwatch.amazonaws.com`",
        "yes; with the managed key `alias/aws/sns` they cannot",
        "the topic has a key of its own (`TopicKey`)",
        "alarms send no mail; their history says why",
        source='SNS developer guide, "Key management", services that publish to encrypted topics',
        hand="the same again after `aws cloudwatch set-alarm-state --alarm-name <name> --state-value ALARM "
        "--state-reason check`",
    ),
    _row(
        25,
        "A project policy counts as soon as PutProjectPolicy has answered",
        "no",
        "copies at once",
        "access denied: raises, and Lambda tries again after one minute. After that `FailedInvocationsAlarm`, redrive",
        hand="needs a second account, below",
    ),
    _row(
        26,
        "A copy that has begun needs its project policy to its end",
        "no",
        "keeps it until the copy has ended",
        "keeps it all the same",
        hand="needs a second account, below",
    ),
    _row(
        27,
        "The caller of CopyProjectVersion needs rights on the source's project and version in its own identity policy, "
        "too, and CreateProjectVersion on the destination",
        "both resources are listed",
        "the role of `delivery/environment.yaml` has all of them",
        "has more rights than it needs",
        source="service authorization reference, Amazon Rekognition",
    ),
    _row(
        28,
        "Results of a copy may go into a bucket of the destination's account",
        "the output must be writable for the caller",
        "uses a bucket of that account",
        "the copy fails with the service's words, in the e-mail",
        hand="needs a second account, below",
    ),
    _row(
        29,
        "DetectCustomLabels reads an image of another account's bucket in the same Region when a bucket policy lets "
        "the caller",
        "for S3 in general",
        "the data bucket's policy names the roles",
        "the inference test fails with the service's words",
        hand="needs a second account, below",
    ),
    _row(
        30,
        "The sixth project policy of a project is `LimitExceededException`",
        "that and `ServiceQuotaExceededException` are both modelled",
        "waits",
        "`ServiceQuotaExceededException` fails the stage",
    ),
    _row(
        31,
        "CloudFormation deletes a custom resource before what it refers to, and waits for its answer",
        "yes",
        "the resource refers to the function and its role's policies",
        "models run on after their stack: `mlops delete-models` stops them",
        hand="delete a test stack while a model runs; `aws rekognition describe-project-versions` then shows none that "
        "runs",
    ),
    _row(
        32,
        "A version whose start failed leaves no unit billed",
        "no",
        "counts tests from the lease in estimates",
        "estimates are too low",
        hand="the bill of a day with a failed start",
    ),
    _row(
        33,
        "Rules may ask for `resources`, and PutEvents may name a stack there",
        "yes, any ARN",
        "only events of its own stack reach a rule",
        "no rule matches: the first run stands still after ground truth",
        source="EventBridge API reference, PutEventsRequestEntry, Resources",
    ),
    _row(
        34,
        "A link that a function signs shows a picture as long as it says, 15 minutes, or as long as the credentials of "
        "its role, whichever is shorter",
        "S3 user guide, presigned URLs",
        "signs links for 15 minutes",
        "pictures are missing on the page; opening the mail's link again signs new ones",
        hand="open the page of a run, wait ten minutes, reload a picture",
    ),
    _row(
        35,
        "Lambda stops a function that sends messages to its own queue after some 16 rounds, but not with "
        "`RecursiveLoop: Allow`",
        "yes, for SQS; by silence not through EventBridge",
        "every function that waits by being called again says `Allow`",
        "watches end in `ModelStatusDeadLetters` after a quarter of an hour",
    ),
    _row(
        36,
        "botocore passes the trace of an invocation on in a header, and SQS and EventBridge take it from there",
        "for EventBridge and SQS each",
        "a run is few traces",
        "a run is several traces; nothing depends on it",
        hand="open X-Ray from the output `DashboardUrl` after a run",
    ),
    _row(
        37,
        "`SEARCH` on a dashboard wants a namespace with a dash in quotes, and finds only metrics with data in the last "
        "two weeks",
        "yes",
        "quotes it; a stage that has not run for two weeks has no line",
        "the dashboard shows no stages",
        hand="open the output `DashboardUrl` after a run",
    ),
    _row(
        38,
        "The rights of `CloudFormationRole` and `LaunchRole` are all that CloudFormation needs",
        "the handlers' lists of each resource type",
        "written from them, with the reads that handlers make; a test holds every statement against the service "
        "authorization reference",
        "the deployment fails with `AccessDenied` and rolls back; add the action to the list",
        source="was wrong in three; service authorization reference: `lambda:CreateEventSourceMapping`, "
        "`rekognition:CreateProject` and `logs:DescribeIndexPolicies` take no resource",
        hand="the portfolio in a test account, below",
    ),
    _row(
        39,
        "A role under a path, `role/rekognition-mlops/SC-...`, is named after the stack that Service Catalog makes, "
        "`SC-<account>-<product>`",
        "yes",
        "the launch role reaches only these",
        "launching the product fails with `AccessDenied`",
        hand="the portfolio in a test account, below",
    ),
    _row(
        40,
        "CodePipeline V2 with `ExecutionMode: QUEUED`; a stage that fails ends the execution",
        "yes",
        "`OnFailure` is not used",
        "a later stage would run after one that failed: the approval still asks",
        hand="the pipeline in a test account, below",
    ),
    _row(
        41,
        "Portfolio, constraints and tag options through CloudFormation; new versions through "
        "CreateProvisioningArtifact beside the stack's first",
        "yes",
        "the stack's own version is never changed by an update",
        "an update of the portfolio's stack replaces versions: publish them again",
        hand="the portfolio in a test account, below",
    ),
    _row(
        42,
        "The CodeBuild image has Python 3.13, `make` and what Chromium needs",
        "for Python and make",
        "`make test` sets up the rest itself; the browser is its own",
        "the stage UnitTests is red, and says what is missing",
        hand="the pipeline in a test account, below",
    ),
    _row(
        43,
        "`DetectCustomLabels` takes `S3Object.Version`, reads that version with the rights of its caller "
        "(`s3:GetObjectVersion`), and answers `InvalidS3ObjectException` where it is gone",
        "yes for the field",
        "asks about the version that was recorded; where that is gone, about the newest one if its SHA-256 is the "
        "same; otherwise the image counts as missing, up to `ToleratedMissingImages`",
        "the inference test fails with the service's words",
    ),
    _row(
        44,
        "S3 refuses an archived object with `InvalidObjectState`, and one whose key or rights are foreign with "
        "`AccessDenied` or a code of KMS, always with a status from 400 to 499",
        "yes",
        "such an object is refused by name and looked at again when its dataset settles; throttling and timeouts are "
        "retried",
        "the upload ends in `UploadsDeadLetters`",
    ),
    _row(
        45,
        "An event tells of the object in `key` and in the order of `sequencer`; etag and size may be out of date when "
        "it arrives",
        "yes",
        "reads what is in the bucket",
        "an older event may count as the newest, until the hourly sweep looks at the bucket",
    ),
    _row(
        46,
        "`aws:SourceAccount` is present when CloudFormation, Service Catalog, CodeBuild, CodePipeline or EventBridge "
        "takes on a role, and when a CloudWatch alarm uses the key of a topic",
        "nowhere; for EventBridge Scheduler it is",
        "where it is present it must be this account; no policy depends on its presence but that of the schedule",
        "a trust that demands it keeps everybody out, and nothing deploys; a key, and no alarm sends a mail",
        hand="for the others: portfolio and pipeline in a test account, below",
    ),
    _row(
        47,
        "CopyProjectVersion takes a source that is `STOPPED`",
        "no",
        "copies a version after its test, when it was stopped",
        "the stage fails with the service's words",
    ),
    _row(
        48,
        "CopyProjectVersion takes a source that is a copy itself",
        "no",
        "copies from staging to production",
        "the stage of production fails with the service's words",
    ),
    _row(
        49,
        "CloudFormation names what has no name `<stack>-<logical id>-<random>`, and cuts the stack's part only where "
        "the whole is too long, to no fewer than 24 characters",
        "no; seen in convox/rack#2297",
        "roles are known by their path, which is never cut, and rules by their account; `StackName` of the pipeline "
        "has at most 20 characters, and its rights go by that beginning",
        "CloudFormation is refused what it makes under a shorter name: shorten `StackName`",
        hand="`aws iam list-roles --path-prefix /rekognition-mlops/` shows the names of roles, cut at 64 characters",
    ),
    _row(
        50,
        "Several attributes of the type `groundtruth/image-classification` in one line of a manifest give an image "
        "several labels",
        "yes, in the guide about labels of images; no sample has more than two",
        "a line has an attribute for each label, and the classifier is asked for all that it answers",
        "training ends with an error of that line in the manifest summary, which the e-mail names; images with one "
        "label are not concerned",
        hand="train a data set of ten pictures with two labels each",
    ),
    _row(
        51,
        "CloudFormation expands `Fn::ForEach` with names that the transform of SAM makes, such as "
        "`IngestFunctionRole`, when `AWS::LanguageExtensions` stands before `AWS::Serverless-2016-10-31`",
        "the order is; names of the other transform in a loop are not",
        "loops make log groups, alarms, queues, projects and buckets by names that stand in the template itself",
        "the deployment ends before anything is made, with the name that is not known",
        hand="`sam deploy --stack-name try --no-execute-changeset`",
    ),
    _row(
        52,
        "Lambda keeps the request id over the attempts of one asynchronous event",
        "not in the guide about asynchronous calls; in what others wrote about it",
        "an attempt with the id of an earlier one takes its work over at once, for that one is dead; what has another "
        "id is taken for a second delivery, and leaves work that is under way alone",
        "after a timeout nothing changes, for the time of the first attempt is over when the next one begins; after a "
        "crash well before that, the next attempt leaves the work alone, and what is left undone has to be begun again",
        hand="let a function run into its timeout, and compare `requestId` in the log lines of its attempts",
    ),
    _row(
        53,
        "GetObject with a `VersionId` hands out that version with `s3:GetObjectVersion`, also behind a delete marker",
        "yes",
        "every version of a new picture that came is judged, also when it was written over or deleted since",
        "the picture is answered as refused, with the words of S3",
        hand="write one name below `inspect/` twice within a second while no model runs, and look for two lines in the "
        "file of the day",
    ),
    _row(
        54,
        "PutObject and CompleteMultipartUpload keep to `If-Match` and `If-None-Match`, UploadPartCopy to "
        "`x-amz-copy-source-if-match`",
        "yes",
        "results tell of the newest version of a picture, and the file of a day has every line once, whoever writes at "
        "the same time",
        "of two functions that write at the same moment, the later one stays",
        hand="`aws s3api put-object --if-match` with an old ETag is refused; so is `upload-part-copy "
        "--copy-source-if-match`, and `complete-multipart-upload --if-match`",
    ),
    _row(
        55,
        "S3 lists keys, and DynamoDB sorts text, in the order of their bytes in UTF-8",
        "yes, for general purpose buckets and for sort keys of type string",
        "bucket, records and rows of a run are compared side by side, and none of them is held",
        "records would differ from the bucket for ever: `SettlingDeadLetters` and its alarm",
        source="S3 User Guide, `Listing object keys programmatically`; DynamoDB Developer Guide, `Data types`, String",
    ),
    _row(
        56,
        "The botocore of Lambda's runtime lets parsers of responses be replaced as the one that the tests use",
        "no: `response_parser_factory`, `_handle_map` and `_handle_structure` are its own",
        "rows of the table and listings are read without what nobody uses (`aws/clients.py`)",
        "functions fail as they begin; let `_make_session` do nothing, and large datasets take longer to settle",
        hand="look for errors in the log of `IngestFunction` after the first upload, and after each update of the "
        "runtime",
    ),
    _row(
        57,
        "A message of a batch that failed, or whose function died, comes again after the visibility timeout of its "
        "queue, not before",
        "yes",
        "whoever dies or fails after it has recorded what was said of a picture leaves it to the next delivery to tell "
        "of it, which by then finds that nobody sees to that any more",
        "the next delivery leaves it to one that has failed: the results are written, and `Part Inspected` never comes",
        source="Lambda Developer Guide, `Handling errors for an SQS event source in Lambda`",
    ),
    _row(
        58,
        "SQS hands a message out no earlier than its own delay says",
        "yes",
        "a stage that met a quota and is asked again less than half a poll interval after it has sent a message to "
        "itself takes that for a second delivery of the one before, and sends no other",
        "a stage waits for ever for its turn: `mlops watch` shows what it waits for",
        source="SQS Developer Guide, `Amazon SQS message timers`",
    ),
)


def table() -> str:
    """The rows as the table of docs/aws-assumptions.md."""
    lines = ["| assumption | documented? | what the code does | checked |", "|---|---|---|---|"]
    for row in ROWS:
        fact, does = f"{row.number}. {row.fact}", f"{row.holds}. If not: {row.otherwise}"
        lines.append(f"| {fact} | {row.documented} | {does} | {row.effort} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
