"""The parts of ARNs of Custom Labels."""


def project_name(arn: str) -> str:
    return arn.split("/")[1]


def account_of(arn: str) -> str:
    return arn.split(":")[4]
