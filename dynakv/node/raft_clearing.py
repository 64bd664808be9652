"""Empties a group's rows of a hidden keyspace: a generation left behind, or never used."""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Dropped, DropRecords, Page, ScanRecords
from dynakv.node.context import Context
from dynakv.node.hint_clearing import drop_damaged
from dynakv.node.messages import STORE

_Place = tuple[int, int]  # hidden keyspace, group


class RaftClearing:
    """Removes rows page by page; whoever asks for a place that is being emptied waits with it."""

    def __init__(self, ctx: Context) -> None:
        """Begin with nothing to empty."""
        self._ctx = ctx
        self._waiting: dict[_Place, list[Callable[[], None]]] = {}

    def clear(self, places: list[int], group: int, then: Callable[[], None]) -> None:
        """Remove a group's rows of these keyspaces, then call `then`."""
        if not places:
            then()
            return
        rest = partial(self.clear, places[1:], group, then)
        place = (places[0], group)
        waiting = self._waiting.get(place)
        if waiting is not None:
            waiting.append(rest)
            return
        self._waiting[place] = [rest]
        self._page(place, None)

    def _page(self, place: _Place, after: bytes | None) -> None:
        keyspace, group = place
        scan = ScanRecords(
            keyspace,
            [group],
            b"",
            after,
            None,
            limits.PAGE_ROWS_MAX,
            limits.PAGE_BYTES_MAX,
            keys_only=True,
        )
        self._ctx.ask(STORE, scan, 0, partial(self._listed, place))

    def _listed(self, place: _Place, reply: object) -> None:
        assert isinstance(reply, Page)
        ctx, (keyspace, group) = self._ctx, place
        if reply.keys:
            groups = [group] * len(reply.keys)
            checksums = [row.checksum if isinstance(row, Record) else 0 for row in reply.rows]

            def dropped(found: object) -> None:
                assert isinstance(found, Dropped)
                # What stayed is damaged: a scan of keys does not tell.
                pairs = zip(reply.keys, found.rows, strict=True)
                stayed = [key for key, row in pairs if row is None]
                drop_damaged(ctx, keyspace, [group] * len(stayed), stayed)
                self._go_on(place, reply.next)

            ctx.ask(STORE, DropRecords(keyspace, groups, reply.keys, checksums), 0, dropped)
        else:
            self._go_on(place, reply.next)

    def _go_on(self, place: _Place, further: bytes | None) -> None:
        if further is not None:
            self._page(place, further)
            return
        for then in self._waiting.pop(place):
            then()
