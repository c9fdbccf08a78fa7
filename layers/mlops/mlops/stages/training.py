"""Training one project version per run, whatever is delivered how often."""

from botocore.exceptions import ClientError

from mlops import arns, stack
from mlops.aws import clients
from mlops.models import projects, watch
from mlops.records import documents, runs, waiting_line
from mlops.records.documents import TrainingInput
from mlops.stage import StageRef


def train(run_id: str, cause: str) -> None:
    """Create the run's project version, or find it, and watch it until it is trained."""
    training_input = documents.require(TrainingInput, run_id)
    ref = training_input.ref.at("training")
    # A second CreateProjectVersion would find the first by its name; this spares the call and a quota.
    if not runs.begin(ref, cause):
        return
    project = projects.projects()[ref.task]["development"]
    # Asking the service although others have waited longer would let a newcomer take their slot.
    if not waiting_line.is_next(waiting_line.TRAINING, ref):
        _wait(ref)
        return
    try:
        version_arn = projects.rekognition(project).create_project_version(**version_request(project, training_input))
        _watch(ref, version_arn["ProjectVersionArn"], cause)
    except ClientError as error:
        _bear(ref, project, error, cause)


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


def _bear(ref: StageRef, project: str, error: ClientError, cause: str) -> None:
    code = clients.code_of(error)
    taken = ("ResourceInUseException", "LimitExceededException")
    # Another delivery has created it: that the name is taken is success, and nobody waits for the slot that it has.
    if code in taken and (existing := projects.describe_version(project, ref.run_id)):
        _watch(ref, existing.arn, cause)
    elif code == "ResourceInUseException":
        runs.wait(ref, "the project: another operation is under way")
        watch.retry_later(ref, artifact_key=documents.key_of(TrainingInput, ref.run_id))
    # A project that is full will not empty itself: waiting would be for ever.
    elif code == "LimitExceededException" and (full := projects.fullness(project)):
        waiting_line.leave(waiting_line.TRAINING, ref)
        runs.fail(ref, [f"{full}. Then copy training_input.json onto itself"])
    elif code == "LimitExceededException":
        _wait(ref)
    elif code == "InvalidParameterException":
        runs.fail(ref, [f"Rekognition: {clients.message_of(error)}", *_attached_datasets(project)])
    elif code in ("ResourceNotFoundException", "ServiceQuotaExceededException", "ValidationException"):
        runs.fail(ref, [f"Rekognition: {code}: {clients.message_of(error)}"])
    else:
        raise error


def _wait(ref: StageRef) -> None:
    waiting_line.line_up(waiting_line.TRAINING, ref)
    runs.wait(ref, "a free slot: the account trains as many models as it may")
    watch.retry_later(ref, artifact_key=documents.key_of(TrainingInput, ref.run_id))


def _watch(ref: StageRef, version_arn: str, cause: str) -> None:
    # The slot is taken: whoever is next in line may ask.
    waiting_line.leave(waiting_line.TRAINING, ref)
    runs.note_version(ref, version_arn)
    watch.watch(ref, version_arn, until=("TRAINING_COMPLETED", "TRAINING_FAILED"), cause=cause)


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
