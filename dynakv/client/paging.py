"""Listings: pages of a range, fetched one after the other and resumed by cursor.

A cursor means the same at every node, so each page is asked for wherever an answer is to be had.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from dynakv.client import arguments, wire
from dynakv.client.core import Core
from dynakv.client.results import Entry
from dynakv.client.session import mono_ms
from dynakv.errors import UsageError
from dynakv.v1 import kvstore_pb2 as pb


def request_of(
    prefix: object, start: object, end: object, keys_only: bool, page_keys: object
) -> pb.ListRequest:
    """Return the request of the first page. Raises UsageError."""
    if prefix is not None and (start is not None or end is not None):
        raise UsageError("prefix excludes start and end: give one or the other")
    return pb.ListRequest(
        prefix=arguments.bound(prefix, "prefix"),
        start=arguments.bound(start, "start"),
        end=arguments.bound(end, "end"),
        limit=arguments.page_keys(page_keys),
        keys_only=bool(keys_only),
    )


class Pages:
    """Fetches the pages of a listing in order."""

    def __init__(
        self, core: Core, request: pb.ListRequest, timeout_ms: int, attempt_ms: int
    ) -> None:
        """Begin before the first page; each may take `timeout_ms`."""
        self._core = core
        self._request = request
        self._timeout_ms = timeout_ms
        self._attempt_ms = attempt_ms
        self.is_over = False

    async def next(self) -> list[Entry]:
        """Return the next page, which may be empty; afterwards `is_over` says if it was the last.

        Raises UsageError, and RefusedError where no node answers in time: the page can then be
        asked for again.
        """
        assert not self.is_over
        self._core.attach()
        session = self._core.session
        ask: Any = partial(_asked, session.channels.list, self._request)
        reply: pb.ListResponse = await session.ask(
            ask, mono_ms() + self._timeout_ms, self._attempt_ms
        )
        self._request.cursor = reply.next_cursor
        self.is_over = not reply.next_cursor
        keys_only = self._request.keys_only
        return [wire.listed_of(entry, keys_only=keys_only) for entry in reply.entries]


async def _asked(call: Any, request: pb.ListRequest, endpoint: str, attempt_ms: int) -> Any:
    return await call(endpoint, request, attempt_ms)


async def entries(pages: Pages) -> AsyncIterator[Entry]:
    """Yield the entries of all pages."""
    while not pages.is_over:
        for entry in await pages.next():
            yield entry
