"""What the additions expect of ministack: sources whose digests are known, or it is refused at start."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

CONTRACT: Mapping[str, str] = {
    "ministack.core.iam_actions:extract_iam_action": "ec476b92d969822b",
    "ministack.core.iam_actions:identity_denial_message": "82f77b7767c60ba0",
    "ministack.core.iam_evaluator:_gather_role_policies": "d83d1661b86595ac",
    "ministack.core.iam_evaluator:_resolve_condition_key": "15e26964cd38f32c",
    "ministack.core.iam_evaluator:caller_arn": "8dc478d34f4697cf",
    "ministack.core.iam_evaluator:enforce": "cf64b1ee5b099c8f",
    "ministack.core.iam_evaluator:evaluate_resource_policy": "e49ce7161ad63e35",
    "ministack.core.iam_evaluator:parse_policy_document": "622a4f98a3ecd766",
    "ministack.core.iam_evaluator:resolve_credential": "32276bd395ef6a6a",
    "ministack.core.lambda_runtime:Worker._drain_stderr_bounded": "3fd7cc742872e604",
    "ministack.core.lambda_runtime:Worker._spawn": "c55febf956565c5e",
    "ministack.core.lambda_runtime:_worker_key": "0537100beb43da29",
    "ministack.core.responses:set_request_account_id": "c064870580b11b23",
    "ministack.core.router:detect_service": "fd156fac4b5ddc67",
    "ministack.services.cloudformation.provisioners:_delete_resource": "9e9ba54fb4281d65",
    "ministack.services.cloudformation.provisioners:_provision_resource": "3b8f01fb187141b6",
    "ministack.services.cloudformation.provisioners:_update_resource": "21b9b1207f59a864",
    "ministack.services.cloudformation.provisioners:_lambda_esm_create": "f053a4e8c30c5543",
    "ministack.services.cloudformation.provisioners:_lambda_esm_update": "aa81656213354e51",
    "ministack.services.eventbridge:_dispatch_event": "d1bfe064f602d11c",
    "ministack.services.eventbridge:_dispatch_to_lambda": "1f95adbaed3a966a",
    "ministack.services.eventbridge:_dispatch_to_sqs": "eb75981283a29783",
    "ministack.services.eventbridge:_invoke_target": "550e304af0809563",
    "ministack.services.eventbridge:_pattern_event_view": "a472224bb7b0d436",
    "ministack.services.lambda_svc:_event_invoke_config": "aeeb62079ef21907",
    "ministack.services.lambda_svc:_execute_function": "3ceb16d6480a2161",
    "ministack.services.lambda_svc:_execute_function_dispatch": "f62cd259213ecef7",
    "ministack.services.lambda_svc:_execution_record_for_config": "632acaa44892bdae",
    "ministack.services.lambda_svc:_get_func_record_for_ref": "492b4efe8f903a0f",
    "ministack.services.lambda_svc:_poll_loop": "6a443090919adccf",
    "ministack.services.lambda_svc:_probe_peak_memory_mb": "545001066205e4d5",
    "ministack.services.lambda_svc:_resolve_name_and_qualifier": "8c65f22c59e03249",
    "ministack.services.lambda_svc:_run_sqs_batch": "f9bf630aabf3d1b9",
    "ministack.services.lambda_svc:invoke_async_with_retry": "289fe4d3cbd4089b",
    "ministack.services.s3:_fire_s3_event": "2ab38cfade76bf2e",
    "ministack.services.s3:_foreign_bucket_allows": "7865eb38b093e5a8",
    "ministack.services.sns:_fanout": "984cdd91d64aa056",
    "ministack.services.sns:_matches_filter_policy": "16fce5e70fec3494",
    "ministack.services.sns:_resolve_message_for_protocol": "ce24ef525ae48496",
    "ministack.services.sns:_topic_by_arn_any_scope": "419963ad2e7d9a6b",
    "ministack.services.sqs:_collect_msgs": "308a6eb1b3d4c8ad",
    "ministack.services.sqs:_queue_by_arn": "b4981875c8186c19",
}


def source_digest(name: str) -> str:
    """Digest of the source of `module:attribute`, or "missing"."""
    module_name, _, path = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for attribute in path.split("."):
        found = getattr(found, attribute, None)
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:16] if found else "missing"


def broken_contracts(contract: Mapping[str, str] = CONTRACT) -> list[str]:
    """What differs from the ministack these additions were written for, one sentence each."""
    found = {name: source_digest(name) for name in contract}
    return [
        f"{name}: expected source {contract[name]}, found {digest}"
        for name, digest in found.items()
        if digest != contract[name]
    ]


def require_contract() -> None:
    """Refuse to start on a ministack whose private functions are not the known ones."""
    if broken := broken_contracts():
        sys.exit(
            "This ministack is not the one that requirements/cloud.txt pins; its private functions changed:\n  "
            + "\n  ".join(broken)
            + "\nInstall the pinned version, or adapt local/launcher and renew CONTRACT."
        )
