"""The training engine: real training and inference, on the processor's cores alone."""

from local.rekognition.engine.boxes import BoxedImage, FoundBox, LabeledBox
from local.rekognition.engine.classification import ClassificationModel, LabeledImage, train_classifier
from local.rekognition.engine.detection import DetectionModel, train_detector
from local.rekognition.engine.images import decode_image

__all__ = [
    "BoxedImage",
    "ClassificationModel",
    "DetectionModel",
    "FoundBox",
    "LabeledBox",
    "LabeledImage",
    "decode_image",
    "train_classifier",
    "train_detector",
]
