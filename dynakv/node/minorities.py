"""An alarm: repair met a newest version that is old, and that hardly any replica holds.

What was acknowledged lies on wq replicas from the start, and repair brings it to all long before
the horizon. A version older than that which fewer than wq replicas hold is one of two things: a
write that was never acknowledged and now comes to light, or what is left of an acknowledged one
that other replicas have lost. Repair spreads it either way, as the rule of the newest stamp wants;
an operator should know.

What is seen: a session compares two replicas, so one that lacks a version is certain. Of the
first keys of a page that are that old the remaining replicas are asked what they hold. The alarm is
raised when so many are known to lack the version that fewer than wq can hold it; who does not
answer, recovers, or has a damaged row may hold it. Others ship meanwhile, so that one is missed now
and then; none is made up. Not for groups that recover: they say themselves that they forgot.
"""

from dynakv import limits
from dynakv.core.floors import holds
from dynakv.core.hlc import reading, wall_ms_of
from dynakv.core.record import Record, covers
from dynakv.node.context import Context, Differing, Placement
from dynakv.node.messages import Load, Loaded, Outcome


class Minorities:
    """Looks at what the sessions of one node find to differ."""

    def __init__(self, ctx: Context) -> None:
        """Hear of it through `Context.differing`."""
        self._ctx = ctx
        self._told_ms: int | None = None  # when the last alarm was raised
        self._untold = 0  # found since then
        ctx.differing = self.look

    def look(self, found: Differing) -> None:
        """Ask the other replicas about versions of a page that are older than the horizon."""
        ctx = self._ctx
        cut = reading(max(0, ctx.believed_ms() - ctx.config.horizon_ms))
        old: list[Record] = []
        for newer, older in ((found.here, found.there), (found.there, found.here)):
            for key, record in newer.items():
                beside = older.get(key)  # the other side has the newer of one register
                alike = beside is not None and covers(beside, record)  # one of them is damaged
                if max(record.value_time, record.expiry_time) <= cut and not alike:
                    old.append(record)
        if old:
            _Count(self, ctx, found, old[: limits.MINORITY_KEYS_MAX]).start()

    def alarm(self, placement: Placement, group: int, record: Record, holders: int) -> None:
        """Count a version that at most `holders` replicas hold; tell now and then of it."""
        ctx = self._ctx
        ctx.counters.old_minorities += 1
        self._untold += 1
        now_ms = ctx.now.mono_ms
        if self._told_ms is not None and now_ms - self._told_ms < limits.ALARM_MS:
            return
        ctx.note(
            "old_version_on_minority",
            keyspace=placement.name,
            group=group,
            key=repr(record.key[: limits.ALARM_KEY_BYTES_MAX]),
            age_ms=ctx.believed_ms() - wall_ms_of(max(record.value_time, record.expiry_time)),
            holders_max=holders,
            replicas=len(placement.replicas[group]),
            found=self._untold,
        )
        self._told_ms, self._untold = now_ms, 0


class _Count:
    """How many replicas lack each of some versions of one group."""

    def __init__(
        self, minorities: Minorities, ctx: Context, found: Differing, records: list[Record]
    ) -> None:
        self._minorities = minorities
        self._ctx = ctx
        self._placement = found.placement
        self._group = found.group
        self._peer = found.peer
        self._records = records
        self._lacking = [1] * len(records)  # the other side of the session
        self._out = 0

    def start(self) -> None:
        ctx, placement = self._ctx, self._placement
        others = [
            replica
            for replica in placement.replicas[self._group]
            if replica not in (ctx.node_id, self._peer) and ctx.members.up(replica)
        ]
        self._out = len(others)
        if not others:
            self._judge()
            return
        keys = [record.key for record in self._records]
        load = Load(placement.keyspace_id, placement.epoch, keys)
        deadline_ms = ctx.deadline(ctx.config.repair_attempt_ms)
        for replica in others:
            ctx.ask(replica, load, deadline_ms, self._loaded)

    def _loaded(self, reply: object) -> None:
        if isinstance(reply, Loaded):
            count = len(self._records)
            outcomes = reply.outcomes or [Outcome.OK] * count
            floors = reply.floors or [0] * count
            for i, (record, held) in enumerate(zip(self._records, reply.records, strict=True)):
                if outcomes[i] is Outcome.OK and not holds(held, floors[i], record):
                    self._lacking[i] += 1
        self._out -= 1
        if not self._out:
            self._judge()

    def _judge(self) -> None:
        placement = self._placement
        n, wq = len(placement.replicas[self._group]), placement.keyspace.wq
        for record, lacking in zip(self._records, self._lacking, strict=True):
            if n - lacking < wq:
                self._minorities.alarm(placement, self._group, record, n - lacking)
