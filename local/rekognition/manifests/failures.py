"""The codes and sentences with which training reports what is wrong with its input."""

from dataclasses import dataclass

from local.rekognition import limits

# Manifest-file failures have no code: the sentence is the version's StatusMessage.
FILE_INVALID = "The manifest file extension or contents are invalid."
FILE_EMPTY = "The manifest file is empty."
FILE_TOO_LARGE = "The manifest file size exceeds the maximum supported size."
OUTPUT_NOT_WRITABLE = "Unable to write to output S3 bucket."
BUCKET_PERMISSIONS = "The S3 bucket permissions are incorrect."

_OVERLAP = limits.LABEL_OVERLAP_PERCENT
_SENTENCES = {
    # A whole manifest.
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": "The manifest file has too many terminal errors.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": "The permissions for the images S3 bucket are invalid.",
    "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER": "Invalid owner id for images S3 bucket.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": "The manifest file has too few usable labels.",
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        f"Less than {_OVERLAP}% label overlap between the training and testing manifest files."
    ),
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        f"Less than {_OVERLAP}% usable label overlap between the training and testing manifest files."
    ),
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    # One line of it.
    "ERROR_INVALID_JSON_LINE": "The JSON Line has an invalid format.",
    "ERROR_MISSING_SOURCE_REF": "The source-ref key is missing.",
    "ERROR_INVALID_SOURCE_REF_FORMAT": "The format of the source-ref value is invalid.",
    "ERROR_NO_LABEL_ATTRIBUTES": "No label attributes found.",
    "ERROR_NO_VALID_LABEL_ATTRIBUTES": "No valid label attributes found.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": "The format of the label attribute {} is invalid.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": "The format of the label attribute metadata is invalid.",
    "ERROR_UNSUPPORTED_USE_CASE_TYPE": (
        "The use case type of the {} label attribute metadata is unsupported. Check the type field."
    ),
    "ERROR_INVALID_LABEL_NAME_LENGTH": (
        f"The label name must have between 1 and {limits.LABEL_CHARACTERS} characters. "
        "Check the class-name or class-map field."
    ),
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
    "ERROR_MISSING_CLASS_MAP_ID": "One of more class ids is missing from the class map.",
    "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
    "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
    "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
    "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
    "ERROR_INVALID_IMAGE": "The image is invalid. Check S3 path and/or image properties.",
    "ERROR_INVALID_IMAGE_DIMENSION": "The image dimension(s) do not conform to allowed dimensions.",
    "WARNING_UNANNOTATED_RECORD": "Record is unannotated.",
    "WARNING_NO_ANNOTATIONS": "No annotations were found.",
    "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
}


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a line or a manifest; `where` is the path in the line to the object that it concerns."""

    code: str
    message: str
    where: tuple[str | int, ...] = ()

    @property
    def is_error(self) -> bool:
        """Tell an error from a warning."""
        return self.code.startswith("ERROR_")

    def document(self) -> dict[str, str]:
        """Write the finding as the service's files show it."""
        return {"code": self.code, "message": self.message}


def finding(code: str, *where: str | int) -> Finding:
    """Find the sentence that belongs to a code."""
    return Finding(code, _SENTENCES[code].format(*where), where)


class ManifestFileError(Exception):
    """A manifest or the output bucket is unusable as a whole; the text is the version's StatusMessage."""
