"""Keep linear algebra on one thread."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra on one thread: sums in one order, so the same bits, and no waiting on other processes."""
    return _thread_pools().limit(limits=1)
