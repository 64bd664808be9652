"""Reads of Raft groups from the own disk, once the group has said that they may be served.

A linearizable read waits until the leader knows that it still leads and that what was committed
before is applied (`core/raft/readindex.py`); then any row that STORE shows will do. The reads of a
turn are one round of heartbeats and one ask of STORE.

Group time alone decides expiry. A key whose deadline has passed by the clock but not by group time
(nothing was written since) is not judged by the clock, which another leader may not share: a
command that does nothing carries group time past the deadline, and the row is read again.

A stale read is served by any replica that can tell how old its state is at most: everything that
was committed before the leader proposed the newest command applied here is in it. Group time runs
at most the clock bound ahead of a trusted clock.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from dynakv import limits
from dynakv.core.cache import MISS
from dynakv.core.hlc import reading, wall_ms_of
from dynakv.core.raft_rows import data_keyspace
from dynakv.core.record import Record, expired
from dynakv.core.table import Page, ReadRecords, Row, Rows, ScanRecords
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import Verdict

Found = Callable[[Verdict, list[Record | None]], None]
Listed = Callable[[Verdict, list[Record], bytes | None], None]


class ScanRange(Struct, frozen=True, gc=False):
    """From `start` or behind `after`, below `end`."""

    start: bytes
    after: bytes | None
    end: bytes | None
    rows_max: int
    keys_only: bool


class _Wanted(Struct, frozen=True, gc=False):
    group: Group
    keys: list[bytes]
    found: Found
    lags: bool  # a stale read: group time is not moved for it


class RaftReads:
    """Reads rows for groups of this node; gathers those of a turn."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Read for the node of this context."""
        self._ctx = ctx
        self._consensus = consensus
        self._wanted: list[_Wanted] = []

    def read(self, group: Group, keys: list[bytes], found: Found) -> None:
        """Read keys as the leader of their group; live records only, None where there is none."""

        def confirmed(verdict: Verdict) -> None:
            if verdict is Verdict.DONE:
                self._wanted.append(_Wanted(group, keys, found, lags=False))
            else:
                found(verdict, [])

        group.confirm(confirmed)
        self._consensus.busy(group.where)

    def fresh_enough(self, group: Group, max_age_ms: int) -> bool:
        """Say whether what is applied here is at most so old; False where this node cannot tell."""
        ctx = self._ctx
        if not ctx.guard.trusted or group.broken:
            return False
        applied_ms = wall_ms_of(group.state.time)
        return ctx.believed_ms() + ctx.config.clock_bound_ms - applied_ms <= max_age_ms

    def read_stale(self, group: Group, keys: list[bytes], found: Found) -> None:
        """Read keys as they are applied here."""
        self._wanted.append(_Wanted(group, keys, found, lags=True))

    def flush(self) -> None:
        """Ask STORE for what the turn gathered."""
        if not self._wanted:
            return
        wanted, self._wanted = self._wanted, []
        by_place: dict[int, list[_Wanted]] = {}
        for one in wanted:
            place = data_keyspace(one.group.where[0], one.group.state.generation)
            cached = None if one.group.uncached else self._cached(place, one.keys)
            if cached is not None:
                self._judge(one, cached)
            else:
                by_place.setdefault(place, []).append(one)
        for place, many in by_place.items():
            keys = [key for one in many for key in one.keys]
            groups = [one.group.where[1] for one in many for _ in one.keys]
            ticket = self._ctx.cache.begin_read()
            then = partial(self._read, place, many, ticket)
            self._ctx.ask(STORE, ReadRecords(place, groups, keys), 0, then)

    def _cached(self, place: int, keys: list[bytes]) -> list[Row] | None:
        rows: list[Row] = []
        for key in keys:
            row = self._ctx.cache.get(place, key)
            if row is MISS:
                return None
            rows.append(row)
        return rows

    def _read(self, place: int, many: list[_Wanted], ticket: int, reply: object) -> None:
        assert isinstance(reply, Rows)
        cache = self._ctx.cache
        start = 0
        for one in many:
            rows = reply.rows[start : start + len(one.keys)]
            start += len(one.keys)
            if data_keyspace(one.group.where[0], one.group.state.generation) != place:
                self._wanted.append(one)  # a snapshot has replaced the rows meanwhile
                continue
            if not one.group.uncached:
                for key, row in zip(one.keys, rows, strict=True):
                    cache.fill(ticket, place, key, row)
            self._judge(one, rows)
        cache.end_read(ticket)

    def _judge(self, one: _Wanted, rows: list[Row]) -> None:
        """Answer with what is live by group time, or let that pass a deadline first."""
        due_ms = 0 if one.lags else self._due_ms(one.group, rows)
        if due_ms:

            def passed(verdict: Verdict) -> None:
                if verdict is Verdict.DONE:
                    self._wanted.append(one)
                else:
                    one.found(verdict, [])

            one.group.pass_time(reading(due_ms), passed)
            self._consensus.busy(one.group.where)
            return
        now_ms = wall_ms_of(one.group.state.time)
        records: list[Record | None] = []
        for row in rows:
            if row is None or isinstance(row, Record):
                records.append(None if row is None or expired(row, now_ms) else row)
            else:
                one.found(Verdict.DAMAGED, [])
                return
        one.found(Verdict.DONE, records)

    def _due_ms(self, group: Group, rows: list[Row]) -> int:
        """Return the latest deadline that the clock has passed and group time has not, else 0."""
        ctx = self._ctx
        if not ctx.guard.trusted:
            return 0
        clock_ms, group_ms = ctx.believed_ms(), wall_ms_of(group.state.time)
        due_ms = 0
        for row in rows:
            if not isinstance(row, Record) or not row.expiry_ms:
                continue
            if expired(row, clock_ms) and not expired(row, group_ms):
                due_ms = max(due_ms, row.expiry_ms)
        return due_ms

    # --- ranges ------------------------------------------------------------------------------

    def scan(self, group: Group, scan: ScanRange, listed: Listed) -> None:
        """Read a page as the leader of a group; live records only."""

        def confirmed(verdict: Verdict) -> None:
            if verdict is Verdict.DONE:
                self._scan(group, scan, listed)
            else:
                listed(verdict, [], None)

        group.confirm(confirmed)
        self._consensus.busy(group.where)

    def _scan(self, group: Group, scan: ScanRange, listed: Listed) -> None:
        request = ScanRecords(
            data_keyspace(group.where[0], group.state.generation),
            [group.where[1]],
            scan.start,
            scan.after,
            scan.end,
            min(scan.rows_max, limits.PAGE_ROWS_MAX),
            limits.PAGE_BYTES_MAX,
            scan.keys_only,
        )
        generation = group.state.generation
        self._ctx.ask(STORE, request, 0, partial(self._page, group, generation, scan, listed))

    def _page(
        self, group: Group, generation: int, scan: ScanRange, listed: Listed, reply: object
    ) -> None:
        assert isinstance(reply, Page)
        if group.state.generation != generation:
            self._scan(group, scan, listed)  # a snapshot has replaced the rows meanwhile
            return
        due_ms = self._due_ms(group, reply.rows)
        if due_ms:

            def passed(verdict: Verdict) -> None:
                if verdict is Verdict.DONE:
                    self._scan(group, scan, listed)
                else:
                    listed(verdict, [], None)

            group.pass_time(reading(due_ms), passed)
            self._consensus.busy(group.where)
            return
        now_ms = wall_ms_of(group.state.time)
        records = [row for row in reply.rows if isinstance(row, Record)]
        if len(records) < len(reply.rows):
            listed(Verdict.DAMAGED, [], None)
            return
        listed(Verdict.DONE, [row for row in records if not expired(row, now_ms)], reply.next)
