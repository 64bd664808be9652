"""All keys of a range, page by page, through whichever endpoint answers.

A cursor belongs to no node: when the node that served a page goes away, the next page comes from
another one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from dynakv import limits
from dynakv.client import output
from dynakv.client.connection import Connection, Item, Page, Range, Reach, UnreachableError
from dynakv.errors import RefusedError

TIMEOUT_MS: Final = 10_000  # of a page: it asks for every shard group
TRIES: Final = 4  # of a page, while a quorum is missing for a moment
PAUSE_MS: Final = 300


async def show(
    connection: Connection,
    wanted: Range,
    limit: int | None,
    reach: Reach,
    form: str | None,
    *,
    keys_only: bool,
) -> int:
    """Write the keys to stdout as they come and return how many; None writes nothing."""
    lines = output.Lines(output.Output(form), keys_only=keys_only) if form else None
    shown = 0
    async for items in pages(connection, wanted, limit, reach):
        shown += len(items)
        if lines is not None:
            output.write(lines.of(items))
    return shown


async def pages(
    connection: Connection, wanted: Range, limit: int | None, reach: Reach
) -> AsyncIterator[list[Item]]:
    """Yield the keys in order, up to `limit` of them. Raises what a page raised at last."""
    cursor = b""
    left = limit
    while left is None or left > 0:
        size = limits.LIST_KEYS_MAX if left is None else min(left, limits.LIST_KEYS_MAX)
        page = await _page(connection, wanted, cursor, size, reach)
        if page.items:
            yield page.items
        cursor = page.cursor
        if not cursor:
            return
        if left is not None:
            left -= len(page.items)


async def _page(
    connection: Connection, wanted: Range, cursor: bytes, size: int, reach: Reach
) -> Page:
    for _ in range(TRIES - 1):
        try:
            return await connection.page(wanted, cursor, size, reach)
        except UnreachableError:
            raise
        except RefusedError:
            await asyncio.sleep(PAUSE_MS / 1000)
    return await connection.page(wanted, cursor, size, reach)
