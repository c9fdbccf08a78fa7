"""The two kinds of model."""

from enum import StrEnum


class UseCase(StrEnum):
    """What a model learns, as manifest summaries call it; of equals, the first is chosen."""

    IMAGE_LEVEL_LABELS = "IMAGE_LEVEL_LABELS"
    OBJECT_LOCALIZATION = "OBJECT_LOCALIZATION"
