"""Rights that no story uses, and why they are granted all the same."""

from collections.abc import Mapping

from tests.rights.granted import Grant

# By the role, or `*` for all, and the action.
WHY: Mapping[tuple[str, str], str] = {
    ("*", "sqs:SendMessage"): "Lambda sends there, in the name of the function, what failed every time",
    ("ground_truth", "s3:AbortMultipartUpload"): "a manifest that is sent in parts may fail between two of them",
    ("promotion", "rekognition:CreateProjectVersion"): "a copy is a new version of its destination: AWS assumption 27",
    **{
        ("promotion", f"s3:{name}"): "nothing documents what CopyProjectVersion reads with the rights of its caller"
        for name in ("GetObjectAcl", "GetObjectVersion", "GetObjectTagging")
    },
}
# Only this queue is written to by Lambda itself.
_OF_LAMBDA = "FailedInvocations"


def why(grant: Grant) -> str:
    """Why a right is granted that no story uses; empty when nobody knows."""
    if grant.pattern.endswith(_OF_LAMBDA):
        return WHY["*", grant.action]
    return WHY.get(grant.pair, "")
