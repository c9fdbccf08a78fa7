"""The parts of ARNs of Custom Labels."""


def project_name(arn: str) -> str:
    """The name of the project that an ARN of a project or version is in."""
    return arn.split("/")[1]


def account_of(arn: str) -> str:
    """The twelve digits of the account that an ARN is in."""
    return arn.split(":")[4]


def version_name(arn: str) -> str:
    """The name of the version that an ARN is of, which is that of its run where it is ours."""
    return arn.split("/")[3]
