"""Training one project version per run, whatever is delivered how often."""

from botocore.exceptions import ClientError

from mlops import arns, stack
from mlops.aws import clients
from mlops.models import projects, watch
from mlops.records import documents, runs, waiting_line
from mlops.records.documents import TrainingInput
from mlops.records.waiting_line import NoSlot
from mlops.stage import StageRef


def train_again(run_id: str) -> None:
    """Go on with a training that met a quota, unless it has ended meanwhile."""
    ref = documents.require(TrainingInput, run_id).ref.at("training")
    # For what it was asked for at first: a cause of its own would be a second training of the same run, with a watch
    # and all that follows of its own.
    if known := runs.stage_of(ref):
        train(run_id, known.cause)


def train(run_id: str, cause: str) -> None:
    """Create the run's project version, or find it, and watch it until it is trained."""
    training_input = documents.require(TrainingInput, run_id)
    ref = training_input.ref.at("training")
    # A second CreateProjectVersion would find the first by its name; this spares the call and a quota.
    if not runs.begin(ref, cause):
        return
    project = projects.projects()[ref.task]["development"]
    try:
        with waiting_line.in_turn(waiting_line.TRAINING, ref):
            version_arn = _created(ref, project, training_input)
    except NoSlot:
        _wait(ref, "a free slot: the account trains as many models as it may")
    except _Busy:
        _wait(ref, "the project: another operation is under way")
    except _Refused as refused:
        # Who has failed would keep others waiting until its place counts as dead.
        waiting_line.leave(waiting_line.TRAINING, ref)
        runs.fail(ref, refused.reasons)
    else:
        # The slot is taken: whoever is next in line may ask.
        waiting_line.leave(waiting_line.TRAINING, ref)
        runs.note_version(ref, version_arn)
        # What it waited for has come.
        runs.wait(ref, "Rekognition: TRAINING_IN_PROGRESS")
        watch.watch(ref, version_arn, until=("TRAINING_COMPLETED", "TRAINING_FAILED"), cause=cause)


def version_request(project: str, training_input: TrainingInput) -> dict[str, object]:
    """The request of CreateProjectVersion for a project without datasets."""
    bucket = stack.here().artifacts_bucket

    def assets(side: str) -> dict[str, object]:
        location = {"Bucket": bucket, "Name": training_input.manifests[side]}
        return {"Assets": [{"GroundTruthManifest": {"S3Object": location}}]}

    return {
        "ProjectArn": project,
        "VersionName": training_input.version_name,
        "OutputConfig": {"S3Bucket": bucket, "S3KeyPrefix": training_input.output_prefix},
        "TrainingData": assets("train"),
        "TestingData": assets("test"),
    }


class _Busy(Exception):  # noqa: N818  - it passes: no fault
    """Something else goes on in the project."""


class _Refused(Exception):  # noqa: N818  - a refusal is a result
    """The service will not train it, however often it is asked."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


def _created(ref: StageRef, project: str, training_input: TrainingInput) -> str:
    """The ARN of the run's version, made now or by another delivery. Raises NoSlot, _Busy and _Refused."""
    try:
        answer = projects.rekognition(project).create_project_version(**version_request(project, training_input))
        return str(answer["ProjectVersionArn"])
    except ClientError as error:
        code = clients.code_of(error)
        taken = ("ResourceInUseException", "LimitExceededException")
        # Another delivery has created it: that the name is taken is success, and nobody waits for the slot that it has.
        if code in taken and (existing := projects.describe_version(project, ref.run_id)):
            return existing.arn
        if code == "ResourceInUseException":
            raise _Busy(project) from error
        # A project that is full will not empty itself: waiting would be for ever.
        if code == "LimitExceededException" and (full := projects.fullness(project)):
            raise _Refused(f"{full}. Then copy training_input.json onto itself") from error
        if code == "LimitExceededException":
            raise NoSlot(project) from error
        if code == "InvalidParameterException":
            raise _Refused(f"Rekognition: {clients.message_of(error)}", *_attached_datasets(project)) from error
        if code in ("ResourceNotFoundException", "ServiceQuotaExceededException", "ValidationException"):
            raise _Refused(f"Rekognition: {code}: {clients.message_of(error)}") from error
        raise


def _wait(ref: StageRef, what: str) -> None:
    runs.wait(ref, what)
    watch.retry_later(ref, artifact_key=documents.key_of(TrainingInput, ref.run_id))


def _attached_datasets(project: str) -> list[str]:
    """Datasets that the console attached to the project: they close the way of training from manifests."""
    name = arns.project_name(project)
    found = projects.rekognition(project).describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    attached = [dataset["DatasetArn"] for description in found for dataset in description.get("Datasets", [])]
    if not attached:
        return []
    commands = "; ".join(f"aws rekognition delete-dataset --dataset-arn {arn}" for arn in attached)
    return [
        f"project {name} has datasets attached, as the Rekognition console does when somebody opens it there. "
        f"Keep what you edited in them, delete them ({commands}), then copy training_input.json onto itself"
    ]
