"""DetectCustomLabels."""

import asyncio

from local.rekognition import limits
from local.rekognition.access.identity import Caller
from local.rekognition.errors import ServiceError, invalid_parameter
from local.rekognition.learning.inference import custom_labels
from local.rekognition.manifests.storage import ObjectStorage, Reason, StorageError
from local.rekognition.operations.service import Answer, Request, Service


async def detect_custom_labels(service: Service, caller: Caller, request: Request) -> Answer:
    """DetectCustomLabels: the labels of one picture, from a version that is RUNNING."""
    version = service.version(caller.scope, request["ProjectVersionArn"])
    model = service.lifecycle.running(version)
    if model is None:
        raise ServiceError("ResourceNotReadyException", f"The version {version.name} is {version.status}, not RUNNING.")
    _check_image_parameter(request["Image"])
    if not model.capacity.take():
        message = "Provisioned Rate exceeded. Call less often, or start the model with more inference units."
        raise ServiceError("ProvisionedThroughputExceededException", message)
    image = await asyncio.to_thread(_image_bytes, request["Image"], service, caller)
    found = await model.find(image)
    options = (request.get("MinConfidence"), request.get("MaxResults"))
    return {"CustomLabels": custom_labels(found, model.thresholds, *options)}


def _check_image_parameter(image: Request) -> None:
    if len(image) != 1:
        raise invalid_parameter("Image must have either Bytes or S3Object.")
    if "S3Object" in image and not {"Bucket", "Name"} <= image["S3Object"].keys():
        raise invalid_parameter("Image.S3Object must have Bucket and Name.")


def _image_bytes(image: Request, service: Service, caller: Caller) -> bytes:
    if "S3Object" in image:
        return _stored_image(image["S3Object"], service.lifecycle.storage(caller.scope.region, caller.credentials))
    data: bytes = image["Bytes"]
    if len(data) > limits.INLINE_IMAGE_BYTES:
        raise _too_large(f"Pass at most {limits.INLINE_IMAGE_BYTES} bytes, or an S3Object.")
    return data


def _stored_image(location: Request, storage: ObjectStorage) -> bytes:
    try:
        return storage.read(location["Bucket"], location["Name"], limits.OBJECT_IMAGE_BYTES, location.get("Version"))
    except StorageError as error:
        if error.reason is Reason.TOO_LARGE:
            raise _too_large(str(error)) from error
        message = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
        raise ServiceError("InvalidS3ObjectException", f"{message} {error}") from error


def _too_large(detail: str) -> ServiceError:
    return ServiceError("ImageTooLargeException", f"Image size is too large. {detail}")
