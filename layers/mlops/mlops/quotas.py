"""What the service demands of a test, which decides about sides, too.

Source: "Guidelines and quotas in Amazon Rekognition Custom Labels".
"""

MAX_TEST_IMAGES_PER_LABEL = 1000
# The share of the trained labels that must occur in the test.
MIN_OVERLAP = 0.5
