"""What a model learns from: pictures in S3, the lines that name them, and what may be wrong with both."""
