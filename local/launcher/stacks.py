"""Whoever waits for a stack hears of its end at once."""

import asyncio
import re
import time
from typing import Any

_PATIENCE_SECONDS = 20.0
# A stack under review waits for somebody who executes its change set.
_IS_BUSY = re.compile(rb"<StackStatus>(?!REVIEW_)\w+_IN_PROGRESS</StackStatus>")


def install_patient_stacks() -> None:
    """DescribeStacks answers when a stack that is being made, changed or deleted is done, or after a while.

    Whoever waits for it asks every few seconds, `sam delete` every 30.
    """
    from ministack import app

    handle = app.SERVICE_HANDLERS["cloudformation"]

    async def handle_patiently(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        answer = await handle(method, path, headers, body, query)
        while b"Action=DescribeStacks" in body and _IS_BUSY.search(answer[2]) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            answer = await handle(method, path, headers, body, query)
        return answer

    app.SERVICE_HANDLERS["cloudformation"] = handle_patiently
