"""A local Amazon Rekognition Custom Labels service: same wire protocol, states and files, with real training inside."""
