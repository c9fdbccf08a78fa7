"""Event-driven MLOps for Amazon Rekognition Custom Labels."""

import gc

# A stage holds hundreds of thousands of records until it ends: to look through them for garbage again and again is a
# fifth of its work. What goes in circles is little, and still collected.
gc.set_threshold(50_000, 20, 20)
