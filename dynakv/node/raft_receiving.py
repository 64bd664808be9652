"""Fetches the snapshots that leaders offer, beside what is there, and lets the core take them.

The offer is held back from the core until every page lies in the next generation of rows
(`core/raft_rows.py`); the core's Ready then makes that generation the group's state in one
transaction. Whatever happens before leaves the member as it was, with all that it has acknowledged.
"""

from functools import partial

from msgspec import Struct

from dynakv import limits
from dynakv.core.raft.messages import Message, Snapshot
from dynakv.core.raft_rows import data_keyspace, session_keyspace, session_row
from dynakv.core.record import intact
from dynakv.core.table import MergeRecords, RemoveRows
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.raft_clearing import RaftClearing
from dynakv.node.raft_group import Group, Where
from dynakv.node.raft_messages import FetchSnapshot, SnapshotPage
from dynakv.node.raft_snapshot import time_of


class _Receiving(Struct):
    """One snapshot on its way."""

    group: Group
    sender: str
    message: Message
    snapshot: Snapshot
    page: int = 0  # to be fetched next
    fetching: bool = False
    storing: int = 0  # pages that the disk is asked for
    last: bool = False  # it has been fetched
    failures: int = 0
    over: bool = False


class RaftReceiving:
    """At most one snapshot per group at a time."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Receive for the node of this context."""
        self._ctx = ctx
        self._consensus = consensus
        self._clearing = RaftClearing(ctx)
        self._under_way: dict[Where, _Receiving] = {}
        consensus.on_snapshot = self._offered
        consensus.on_installed = self._installed

    def _offered(self, sender: str, group: Group, message: Message) -> None:
        """Begin to fetch, unless that snapshot is under way or nobody needs it."""
        snapshot = message.snapshot
        assert snapshot is not None
        member = group.raft.member
        needless = snapshot.index <= member.log.committed or message.term < member.term
        if needless or time_of(snapshot) is None:
            group.raft.step(message)  # which says so
            return
        if member.log.snapshot is not None:
            return  # one is about to become the state: its rows lie where this one's would
        known = self._under_way.get(group.where)
        if known is not None:
            if (known.sender, known.snapshot.index) == (sender, snapshot.index):
                known.message = message
                return
            if snapshot.index < known.snapshot.index:
                return
            known.over = True
        receiving = _Receiving(group, sender, message, snapshot)
        self._under_way[group.where] = receiving
        # Pages of one that was given up may still wait for the disk, which works in order: when
        # this empty removal is done, so are they, and the search for what is left sees them.
        self._ctx.ask(STORE, RemoveRows(0, [], []), 0, partial(self._clear, receiving))

    def _clear(self, receiving: _Receiving, _: object) -> None:
        if not receiving.over and not self._dropped(receiving):
            group = receiving.group
            then = partial(self._fetch, receiving)
            self._clearing.clear(self._places(group), group.where[1], then)

    def _places(self, group: Group) -> list[int]:
        keyspace, generation = group.where[0], group.state.generation + 1
        return [data_keyspace(keyspace, generation), session_keyspace(keyspace, generation)]

    def _fetch(self, receiving: _Receiving) -> None:
        if receiving.over or self._dropped(receiving):
            return
        receiving.fetching = True
        ctx, (keyspace, group) = self._ctx, receiving.group.where
        fetch = FetchSnapshot(keyspace, group, receiving.snapshot.index, receiving.page)
        until_ms = ctx.now.mono_ms + ctx.config.repair_attempt_ms
        ctx.ask(receiving.sender, fetch, until_ms, partial(self._fetched, receiving))

    def _dropped(self, receiving: _Receiving) -> bool:
        return self._consensus.groups.get(receiving.group.where) is not receiving.group

    def _fetched(self, receiving: _Receiving, reply: object) -> None:
        if receiving.over or self._dropped(receiving):
            return
        if not isinstance(reply, SnapshotPage) or not all(map(intact, reply.records)):
            receiving.failures += 1
            if receiving.failures > limits.RAFT_FETCHES_MAX:
                self._end(receiving)
            else:
                again_ms = self._ctx.now.mono_ms + limits.RAFT_RETRY_MS * receiving.failures
                self._ctx.at(again_ms, partial(self._fetch, receiving))
        elif reply.gone:
            self._end(receiving)
        else:
            receiving.page += 1
            receiving.failures = 0
            receiving.fetching = False
            receiving.last = reply.last
            self._store(receiving, reply)
            self._go_on(receiving)

    def _store(self, receiving: _Receiving, page: SnapshotPage) -> None:
        """Lay a page into the next generation; nobody merges anything else into it."""
        group = receiving.group.where[1]
        data, sessions = self._places(receiving.group)
        rows = [session_row(client, session) for client, session in page.sessions]
        then = partial(self._stored, receiving)
        writes = [
            MergeRecords(place, [group] * len(records), records, heals=True)
            for place, records in ((data, page.records), (sessions, rows))
            if records
        ]
        for write in writes[:-1]:
            self._ctx.ask(STORE, write, 0, _ignored)
        if writes:
            receiving.storing += 1
            self._ctx.ask(STORE, writes[-1], 0, then)

    def _stored(self, receiving: _Receiving, reply: object) -> None:
        del reply
        receiving.storing -= 1
        self._go_on(receiving)

    def _go_on(self, receiving: _Receiving) -> None:
        """Fetch the next page while the last ones are written, or take the whole."""
        if receiving.over or self._dropped(receiving):
            return
        if not receiving.last:
            if not receiving.fetching and receiving.storing < limits.RAFT_PAGES_STORING:
                self._fetch(receiving)
            return
        if receiving.storing:
            return
        group = receiving.group
        self._end(receiving)
        if group.raft.member.log.committed < receiving.snapshot.index:
            group.staged = receiving.message.snapshot
            group.raft.step(receiving.message)
            self._consensus.busy(group.where)

    def _end(self, receiving: _Receiving) -> None:
        receiving.over = True
        if self._under_way.get(receiving.group.where) is receiving:
            del self._under_way[receiving.group.where]

    def _installed(self, group: Group) -> None:
        """The generation before is of no use any more; nor is what came too late."""
        known = self._under_way.get(group.where)
        if known is not None:
            self._end(known)
        self._clearing.clear(self._places(group), group.where[1], _nothing)
        self._ctx.note("raft_snapshot_received", group=group.where[1], index=group.state.applied)


def _ignored(_: object) -> None:
    """STORE works in order: the reply to what is asked next is all that matters."""


def _nothing() -> None:
    """Nobody waits for it."""
