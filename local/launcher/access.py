"""Who may do what, where policies of ministack see it otherwise than those of AWS."""

import dataclasses
from functools import lru_cache
from typing import Any


def install_condition_keys() -> None:
    """Requests over loopback count as encrypted: bucket policies that demand TLS must not lock this machine out.

    `aws:PrincipalArn` of a session is the ARN of its role, as on AWS, not that of the session.
    """
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        if key.lower() == "aws:securetransport":
            return "true"
        value = resolve(key, context)
        return _role_arn(value) if key.lower() == "aws:principalarn" else value

    iam_evaluator._resolve_condition_key = resolved


def install_callers_of_foreign_buckets() -> None:
    """The policy of another account's bucket is asked about the caller, a role for instance, not about its account."""
    from ministack.core import iam_evaluator

    evaluate = iam_evaluator.evaluate_resource_policy

    def evaluated(document: Any, context: Any, *rest: Any, **options: Any) -> Any:
        caller = iam_evaluator.caller_arn()
        if context.principal_type == "Root" and caller.split(":")[4:5] == [context.principal_account]:
            context = dataclasses.replace(context, principal_arn=caller)
        return evaluate(document, context, *rest, **options)

    iam_evaluator.evaluate_resource_policy = evaluated


def install_parsed_policies() -> None:
    """A policy is parsed once as long as it says the same: every call asks twice what its caller may do."""
    from ministack.core import iam_evaluator

    parse = iam_evaluator.parse_policy_document
    known = lru_cache(maxsize=1000)(parse)

    def parsed(document: Any) -> Any:
        return known(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parsed


def install_batches_of_messages() -> None:
    """SQS knows no right to batches of messages: whoever may send, receive or change one may do so with several.

    Source: "Actions defined by Amazon SQS" of the service authorization reference.
    """
    from ministack.core import iam_actions

    extract = iam_actions.extract_iam_action

    def extracted(*request: Any, **options: Any) -> str | None:
        return action_of_batch(extract(*request, **options))

    iam_actions.extract_iam_action = extracted


def action_of_batch(action: str | None) -> str | None:
    """The right that a call of SQS needs, by what ministack takes for it; those of other services as they are."""
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


def _role_arn(principal_arn: str) -> str:
    """The role of an assumed-role session, with its path; any other principal as it is."""
    from ministack.services import iam

    if ":assumed-role/" not in principal_arn:
        return principal_arn
    account, name = principal_arn.split(":")[4], principal_arn.split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn", f"arn:aws:iam::{account}:role/{name}"))
