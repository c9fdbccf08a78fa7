"""The way of a version: from where it is trained to where it is used."""

ENVIRONMENTS = ("development", "staging", "production")
# What a run waits for that waits for a person.
DECISION = "a decision: the link is in the e-mail"


def after(environment: str) -> str | None:
    """The environment that a version goes on to; None after the last."""
    following = ENVIRONMENTS[ENVIRONMENTS.index(environment) + 1 :]
    return following[0] if following else None


def before(environment: str) -> str:
    """The environment that a version is copied from."""
    return ENVIRONMENTS[ENVIRONMENTS.index(environment) - 1]


def approval_stage(target: str) -> str:
    """The stage that waits for a person to let a version into an environment."""
    return f"approve2{target}"
