"""Event-driven MLOps for Amazon Rekognition Custom Labels."""
