"""The pages of an answer, of which the next one is asked for while somebody works on the last one."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Page = Mapping[str, Any]
# As many answers as are read side by side: the shards of a dataset's records, and the listing of its bucket.
_POOL = ThreadPoolExecutor(12, thread_name_prefix="ahead")


def pages(ask: Callable[[Mapping[str, Any]], Page], following: Callable[[Page], Mapping[str, Any]]) -> Iterator[Page]:
    """Every page: `ask` gets what the page before says about the next one (`following`), which is empty at the end.

    What has one page, as most answers have, is asked for by nobody else.
    """
    page = ask({})
    while more := following(page):
        coming = _POOL.submit(ask, more)
        yield page
        page = coming.result()
    yield page
