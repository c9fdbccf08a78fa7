"""The documented limits of manifests and images; quotas that an account can have raised are in `settings`."""

from local.rekognition.use_case import UseCase

MANIFEST_BYTES = 1 << 30
MANIFEST_LINES = 250_000
LINE_CHARACTERS = 100_000
INVALID_LINE_SHARE = 0.2

MIN_LABELS = {UseCase.IMAGE_LEVEL_LABELS: 2, UseCase.OBJECT_LOCALIZATION: 1}
MAX_LABELS = 250
LABEL_CHARACTERS = 255
LABELS_PER_IMAGE = 50
BOXES_PER_ATTRIBUTE = 50
TESTING_IMAGES_PER_LABEL = 1000
LABEL_OVERLAP_PERCENT = 50

TESTING_SHARE = 0.2
MIN_IMAGES_PER_LABEL_TO_SPLIT = 2

MIN_SIDE = 64
MAX_SIDE = 4096
MAX_ASPECT_RATIO = 20
# Images with a longer side are made smaller for training; boxes must stay larger than a pixel.
TRAINING_SIDE = 1280
OBJECT_IMAGE_BYTES = 15 * 1024 * 1024
INLINE_IMAGE_BYTES = 4 * 1024 * 1024

TAGS_PER_RESOURCE = 200
POLICIES_PER_PROJECT = 5
