"""Removes rows of Raft groups that mean nothing any more: expired records, outdated sessions.

Group time alone decides expiry, and it never goes back: a record that is expired by what is applied
here counts as absent for every command to come, whether its row is there or not. A session is
outdated when every id that it knows is too old to be run anyway. So each member may remove both
when it likes, without a word in the log; a row that was written meanwhile stays.
"""

from functools import partial

import msgspec

from dynakv import limits
from dynakv.core import state_machine
from dynakv.core.hlc import wall_ms_of
from dynakv.core.raft_rows import data_keyspace, session_keyspace
from dynakv.core.record import Record, expired
from dynakv.core.table import DropRecords, Page, Row, ScanRecords
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.raft_group import Group, Where


class RaftSweep:
    """Looks through one group after the other, a page at a time; requests go first."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Begin to look when there are groups."""
        self._ctx = ctx
        self._consensus = consensus
        self._after: bytes | None = None
        self._sessions = False  # of the group whose turn it is; its records come first
        self._turn: Where | None = None
        self._running = False
        self._rests = False  # every group was looked through

    def begin(self) -> None:
        """Go on, now that there are groups; may be called again."""
        if not self._running and self._consensus.groups:
            self._running = True
            pause_ms = self._ctx.config.raft_sweep_ms
            if self._rests:
                pause_ms *= limits.RAFT_SWEEP_RESTS
                self._rests = False
            self._ctx.at(self._ctx.now.mono_ms + pause_ms, self._look)

    def _look(self) -> None:
        self._running = False
        ctx, groups = self._ctx, self._consensus.groups
        if not groups or ctx.disk_full:
            self.begin()
            return
        self._running = True
        if self._turn not in groups:
            self._turn, self._after, self._sessions = self._next_behind(self._turn), None, False
        group = groups[self._turn]
        place = session_keyspace if self._sessions else data_keyspace
        keyspace = place(group.where[0], group.state.generation)
        scan = ScanRecords(
            keyspace,
            [group.where[1]],
            b"",
            self._after,
            None,
            limits.PAGE_ROWS_MAX,
            limits.PAGE_BYTES_MAX,
            keys_only=not self._sessions,
        )
        ctx.ask(STORE, scan, 0, partial(self._page, group, keyspace, group.state.generation))

    def _next_behind(self, last: Where | None) -> Where:
        """Return the group behind the one whose turn it was, round and round."""
        wheres = sorted(self._consensus.groups)
        behind = [where for where in wheres if last is None or where > last]
        return (behind or wheres)[0]

    def _page(self, group: Group, keyspace: int, generation: int, reply: object) -> None:
        assert isinstance(reply, Page)
        ctx = self._ctx
        time = group.state.time
        gone = _outdated if self._sessions else _expired
        dead = [
            (key, row.checksum)
            for key, row in zip(reply.keys, reply.rows, strict=True)
            if isinstance(row, Record) and gone(row, time)
        ]
        if dead and group.state.generation == generation and not group.broken:
            keys = [key for key, _ in dead]
            checksums = [checksum for _, checksum in dead]
            drop = DropRecords(keyspace, [group.where[1]] * len(keys), keys, checksums)
            for key in keys:
                ctx.cache.forget(keyspace, key)
            ctx.ask(STORE, drop, 0, _ignored)
        self._after = reply.next
        if reply.next is None:
            self._sessions = not self._sessions
            if not self._sessions:
                last, self._turn = self._turn, None
                if self._consensus.groups:
                    self._turn = self._next_behind(last)
                self._rests = last is None or self._turn is None or self._turn <= last
        self._running = False
        self.begin()


def _expired(row: Row, time: int) -> bool:
    return isinstance(row, Record) and expired(row, wall_ms_of(time))


def _outdated(row: Row, time: int) -> bool:
    assert isinstance(row, Record)
    try:
        session = state_machine.session_of(row.value or b"")
    except msgspec.DecodeError:
        return False
    return state_machine.outdated(session, time)


def _ignored(_: object) -> None:
    """What stayed is looked at again in the next round."""
