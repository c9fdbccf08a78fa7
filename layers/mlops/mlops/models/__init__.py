"""Custom Labels: projects and versions, starting and stopping them, watching them."""
