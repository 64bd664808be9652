"""Removes the hints of keyspaces that were dropped, page by page, also after a restart.

What is to be removed is a fact until it is done. The fact is asked for after the last hint was, so
when it is durable all hints are there to be seen.
"""

from functools import partial

from dynakv import limits
from dynakv.core.facts import DROPPED_HINTS, group_name
from dynakv.core.record import Record, with_value
from dynakv.core.table import (
    Dropped,
    DropRecords,
    FactsKept,
    MergeRecords,
    Page,
    Remember,
    ScanRecords,
)
from dynakv.node.context import Context
from dynakv.node.messages import STORE


class HintClearing:
    """Empties hidden keyspaces, one page at a time each."""

    def __init__(self, ctx: Context) -> None:
        """Begin with none."""
        self._ctx = ctx

    def clear(self, hidden: int, groups_count: int) -> None:
        """Remove every row of a hidden keyspace, and remember that until it is done."""
        message = Remember({group_name(DROPPED_HINTS, hidden, groups_count): b""})

        def kept(reply: object) -> None:
            assert isinstance(reply, FactsKept)
            self.go_on(hidden, groups_count)

        self._ctx.ask(STORE, message, 0, kept)

    def go_on(self, hidden: int, groups_count: int) -> None:
        """Remove what is left of a hidden keyspace that is to be emptied."""
        self._group(hidden, groups_count, 0, None)

    def _group(self, hidden: int, groups_count: int, group: int, after: bytes | None) -> None:
        """Remove the next page of a group, then go on with the next group."""
        ctx = self._ctx
        if group == groups_count:
            done: dict[str, bytes | None] = {group_name(DROPPED_HINTS, hidden, groups_count): None}
            ctx.ask(STORE, Remember(done), 0, _ignored)
            return
        scan = ScanRecords(
            hidden,
            [group],
            b"",
            after,
            None,
            limits.PAGE_ROWS_MAX,
            limits.PAGE_BYTES_MAX,
            keys_only=True,
        )

        def read(reply: object) -> None:
            assert isinstance(reply, Page)
            if not reply.keys:
                self._group(hidden, groups_count, group + 1, None)
                return
            checksums = [row.checksum if isinstance(row, Record) else 0 for row in reply.rows]
            drop = DropRecords(hidden, [group] * len(reply.keys), reply.keys, checksums)
            ctx.ask(STORE, drop, 0, partial(dropped, reply))

        def dropped(page: Page, reply: object) -> None:
            assert isinstance(reply, Dropped)
            stayed = [
                key for key, row in zip(page.keys, reply.rows, strict=True) if row is None
            ]  # damaged
            drop_damaged(ctx, hidden, [group] * len(stayed), stayed)
            go_on = partial(self._group, hidden, groups_count, group, page.keys[-1])
            ctx.at(ctx.now.mono_ms + ctx.config.hint_pause_ms, go_on)

        ctx.ask(STORE, scan, 0, read)


def drop_damaged(ctx: Context, hidden: int, groups: list[int], keys: list[bytes]) -> None:
    """Remove hints that fail their checksum; such rows can be neither delivered nor dropped as is.

    First they are overwritten with a record that was never written, then that is dropped. A hint
    that is whole keeps its place.
    """
    if keys:
        nothing = [with_value(key, None, 0, 0) for key in keys]
        ctx.ask(STORE, MergeRecords(hidden, groups, nothing, heals=True), 0, _ignored)
        checksums = [record.checksum for record in nothing]
        ctx.ask(STORE, DropRecords(hidden, groups, keys, checksums), 0, _ignored)


def _ignored(_: object) -> None:
    """The order of STORE's work is all that matters."""
