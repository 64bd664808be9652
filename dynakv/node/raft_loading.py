"""Loads the Raft groups of a node: states first, then the log of each, page by page.

A group takes part only once it is loaded; what others say to it meanwhile counts as lost. A group
without a state row begins: behind a first entry that all its members take for granted, with the
membership that the layout names. A member whose state or log is damaged, or of another incarnation
of the data directory, does not know any more what it has voted or acknowledged, and takes part in
nothing.
"""

from collections.abc import Callable
from functools import partial

from xxhash import xxh3_64_intdigest

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.core.raft.config import Config
from dynakv.core.raft.messages import Entry, MemberId, Membership
from dynakv.core.raft_rows import (
    STATE_KEY,
    GroupState,
    blank_state,
    entry_of,
    log_keyspace,
    number_key,
    state_keyspace,
    state_of,
)
from dynakv.core.record import Record
from dynakv.core.table import Page, ReadRecords, Row, Rows, ScanRecords
from dynakv.node.context import Context, Placement
from dynakv.node.messages import STORE
from dynakv.node.raft_group import Group, Where

FIRST_INDEX = 1  # of the entry behind which every group begins, ...
FIRST_TERM = 1  # ... and its term


def member_id(keyspace: int, node_id: str) -> MemberId:
    """Return the id under which a node is a founding member of a keyspace's groups."""
    drawn = xxh3_64_intdigest(b"raft member\0%016x\0%b" % (keyspace, node_id.encode()))
    return MemberId(1 + drawn % ((1 << 64) - 3))  # neither nobody nor one of the storage threads


class RaftLoading:
    """Makes groups of what the disk says."""

    def __init__(
        self,
        ctx: Context,
        loaded: Callable[[Group], None],
        stopped: Callable[[Where, str], None],
    ) -> None:
        """Give each group to `loaded` once it is whole, or tell `stopped` why it is not."""
        self._ctx = ctx
        self._stopped = stopped
        self._loaded = loaded
        self._begun: dict[int, None] = {}  # keyspaces

    def load(self, placement: Placement) -> None:
        """Load this node's groups of a keyspace, once."""
        keyspace = placement.keyspace_id
        groups = placement.raft_groups
        if keyspace in self._begun or not groups:
            return
        self._begun[keyspace] = None
        read = ReadRecords(state_keyspace(keyspace), groups, [STATE_KEY] * len(groups))
        self._ctx.ask(STORE, read, 0, partial(self._states, placement, groups))

    def _states(self, placement: Placement, groups: list[int], reply: object) -> None:
        assert isinstance(reply, Rows)
        for group, row in zip(groups, reply.rows, strict=True):
            where = (placement.keyspace_id, group)
            if row is None:
                self._make(placement, where, self._first_state(placement, group), [])
            elif not isinstance(row, Record):
                self._stopped(where, "its state is damaged")
            else:
                state = state_of(row)
                if state.incarnation != self._ctx.remembered.incarnation:
                    # Restored from a snapshot: what it has acknowledged since is forgotten here.
                    self._stopped(where, "its directory was restored from a snapshot")
                elif state.blank:
                    self._stopped(where, "it had not caught up yet when its node ended")
                else:
                    self._load_log(placement, where, state, [], None)

    def _first_state(self, placement: Placement, group: int) -> GroupState:
        keyspace = placement.keyspace_id
        voters = sorted(member_id(keyspace, node) for node in placement.replicas[group])
        own = member_id(keyspace, self._ctx.node_id)
        return GroupState(
            incarnation=self._ctx.remembered.incarnation,
            member_id=own,
            term=FIRST_TERM,
            vote=MemberId(0),
            commit=FIRST_INDEX,
            applied=FIRST_INDEX,
            time=0,
            offset=FIRST_INDEX,
            offset_term=FIRST_TERM,
            last=FIRST_INDEX,
            membership=Membership(tuple(voters)),
            generation=0,
        )

    def begin_blank(self, where: Where, member: MemberId) -> None:
        """Begin a group as a member that knows nothing; its state row says so already."""
        placement = self._ctx.by_id.get(where[0])
        if placement is not None:
            state = blank_state(self._ctx.remembered.incarnation, member)
            self._make(placement, where, state, [])

    def _load_log(
        self,
        placement: Placement,
        where: Where,
        state: GroupState,
        rows: list[Row],
        after: bytes | None,
    ) -> None:
        scan = ScanRecords(
            log_keyspace(where[0]),
            [where[1]],
            number_key(state.offset + 1),
            after,
            number_key(state.last + 1),
            limits.PAGE_ROWS_MAX,
            limits.LOAD_BYTES_MAX,
        )

        def page(reply: object) -> None:
            assert isinstance(reply, Page)
            rows.extend(reply.rows)
            if reply.next is not None:
                self._load_log(placement, where, state, rows, reply.next)
                return
            entries = [entry_of(row) for row in rows if isinstance(row, Record)]
            wanted = list(range(state.offset + 1, state.last + 1))
            if [entry.index for entry in entries] != wanted:
                self._stopped(where, "its log is damaged")
            else:
                self._make(placement, where, state, entries)

        self._ctx.ask(STORE, scan, 0, page)

    def _make(
        self, placement: Placement, where: Where, state: GroupState, entries: list[Entry]
    ) -> None:
        if where[0] not in self._ctx.by_id:
            return  # dropped meanwhile
        founders: dict[MemberId, NodeId] = {
            member_id(where[0], node): node for node in placement.replicas[where[1]]
        }
        config = Config(state.member_id, forward_proposals=False)
        ctx = self._ctx
        group = Group(where, state, entries, founders, config, ctx.random, lambda: ctx.now.mono_ms)
        self._loaded(group)
