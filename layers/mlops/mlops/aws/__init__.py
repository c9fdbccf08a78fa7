"""The edges to AWS: boto3 ends here."""
