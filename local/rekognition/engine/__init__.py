"""The training engine: real training and inference for image classification, on the processor's cores alone."""

from local.rekognition.engine.classification import ClassificationModel, LabeledImage, train_classifier
from local.rekognition.engine.images import decode_image

__all__ = ["ClassificationModel", "LabeledImage", "decode_image", "train_classifier"]
