"""Answers of AWS that are waited for while somebody works on earlier ones.

What takes one request, as most things do, is asked for by nobody else: no thread has a part in it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from mlops.codec import Json

# An answer of AWS with a part of a list, or what asks for the next one.
Page = Json
_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")
# So many answers of one kind are waited for at once.
_AT_ONCE = 3
# As many answers as are read side by side: the shards of a dataset's records, and the listing of its bucket.
_POOL = ThreadPoolExecutor(12, thread_name_prefix="ahead")


def pages(ask: Callable[[Page], Page], following: Callable[[Page], Page]) -> Iterator[Page]:
    """Every page: `ask` gets what the page before says about the next one (`following`), which is empty at the end."""
    page = ask({})
    while more := following(page):
        coming = _POOL.submit(ask, more)
        yield page
        page = coming.result()
    yield page


def each(ask: Callable[[_Asked], _Told], things: Iterable[_Asked]) -> Iterator[tuple[_Asked, _Told]]:
    """Everything with the answer about it, in its order; of what comes next, a few are asked about meanwhile."""
    waiting = iter(things)
    first, second = list(islice(waiting, 1)), list(islice(waiting, 1))
    if not second:
        yield from ((thing, ask(thing)) for thing in first)
        return
    coming = deque((thing, _POOL.submit(ask, thing)) for thing in (*first, *second))
    for thing in waiting:
        if len(coming) == _AT_ONCE:
            done, answer = coming.popleft()
            yield done, answer.result()
        coming.append((thing, _POOL.submit(ask, thing)))
    yield from ((thing, answer.result()) for thing, answer in coming)
