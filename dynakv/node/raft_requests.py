"""Clients' messages to Raft keyspaces: each becomes errands, one for each of its shard groups."""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core import commands
from dynakv.core.commands import Command, Done, Operation, Result
from dynakv.core.record import Record
from dynakv.errors import Failure, Kind
from dynakv.node.context import Context, Placement
from dynakv.node.messages import (
    Answer,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Put,
    RecordsMessage,
    Refused,
    Stored,
)
from dynakv.node.raft_errands import CommandErrand, ReadErrand
from dynakv.node.raft_listing import RaftList
from dynakv.node.raft_messages import Execute, Executed, Verdict
from dynakv.node.raft_reads import RaftReads
from dynakv.node.raft_router import Router
from dynakv.node.request_ids import RequestIds

# Makes the answer to entries of what their commands came to, and who leads.
Part = Callable[[list[int], list[tuple[Result, ...]], str], object]


class RaftRequests:
    """Serves clients; every entry of a message is answered exactly once."""

    def __init__(self, ctx: Context, router: Router, reads: RaftReads) -> None:
        """Serve for the node of this context."""
        self._ctx = ctx
        self._router = router
        self._reads = reads
        self._ids = RequestIds(ctx.remembered.incarnation, ctx.remembered.starts)

    def serve(
        self, call: int, message: RecordsMessage, placement: Placement, deadline_ms: int
    ) -> None:
        """Begin to serve a valid message."""
        match message:
            case Get():
                self._get(call, message, placement, deadline_ms)
            case List():
                RaftList(
                    self._ctx, self._router, self._reads, call, message, placement, deadline_ms
                ).start()
            case Put():
                batches = _puts(message, placement.keyspace.settings.default_ttl_ms)
                self._ctx.counters.puts += len(batches)
                stored = partial(_stored, previous=message.previous)
                self._run(call, placement, deadline_ms, batches, stored, previous=message.previous)
            case Expire():
                self._run(call, placement, deadline_ms, _expires(message), _expired)
            case Execute():
                self._execute(call, message, placement, deadline_ms)

    # --- commands ----------------------------------------------------------------------------

    def _execute(self, call: int, message: Execute, placement: Placement, deadline_ms: int) -> None:
        self._ctx.counters.puts += len(message.batches)
        ids: list[tuple[int, int, int, int]] | None = None
        if message.clients is not None:
            assert message.sequences is not None
            assert message.issued_ms is not None
            failure = self._too_new(message.issued_ms)
            if failure is not None:
                self._refuse(call, list(range(len(message.batches))), failure, "")
                return
            settled = message.settled_below or [0] * len(message.clients)
            ids = list(
                zip(message.clients, message.sequences, settled, message.issued_ms, strict=True)
            )
        previous, batches = message.previous, message.batches
        self._run(call, placement, deadline_ms, batches, _executed, ids, previous=previous)

    def _run(
        self,
        call: int,
        placement: Placement,
        deadline_ms: int,
        batches: list[tuple[Operation, ...]],
        part: Part,
        ids: list[tuple[int, int, int, int]] | None = None,
        *,
        previous: bool = False,
    ) -> None:
        failure = self._refusal()
        if failure is not None:
            self._refuse(call, list(range(len(batches))), failure, "")
            return
        by_group: dict[int, dict[int, Command]] = {}
        groups = placement.groups_of([batch[0].key for batch in batches])
        for entry, (group, batch) in enumerate(zip(groups, batches, strict=True)):
            client, sequence, settled, issued_ms = (0, 0, 0, 0) if ids is None else ids[entry]
            if not client:
                client, sequence, settled = self._ids.take()
                issued_ms = self._ctx.believed_ms()
            command = Command(0, 0, batch, client, sequence, settled, issued_ms, previous)
            by_group.setdefault(group, {})[entry] = command
        for group, some in by_group.items():
            names = {entry: (c.client, c.sequence) for entry, c in some.items()}
            where = (placement.keyspace_id, group)

            def ran(
                entries: list[int],
                results: list[tuple[Result, ...]],
                names: dict[int, tuple[int, int]] = names,
                where: tuple[int, int] = where,
            ) -> None:
                self._settle(entries, names)
                reply = part(entries, results, self._router.leader(where))
                self._ctx.effects.append(Answer(call, reply))

            def failed(
                entries: list[int],
                failure: Failure,
                leader: str,
                names: dict[int, tuple[int, int]] = names,
            ) -> None:
                self._settle(entries, names)
                self._refuse(call, entries, failure, leader)

            errand = CommandErrand(placement, group, deadline_ms, some, ran, failed)
            self._router.go(errand)

    def _settle(self, entries: list[int], names: dict[int, tuple[int, int]]) -> None:
        for entry in entries:
            self._ids.settle(*names[entry])

    def _too_new(self, issued_ms: list[int]) -> Failure | None:
        """Refuse ids from the future: they would be remembered until then."""
        ctx = self._ctx
        ahead_ms = max(issued_ms) - ctx.believed_ms()
        if ahead_ms <= limits.REQUEST_WINDOW_MS or not ctx.guard.trusted:
            return None
        return Failure(
            Kind.INVALID,
            f"request id: issued_ms {max(issued_ms)} is {ahead_ms} ms ahead of node {ctx.node_id},"
            f" at most {limits.REQUEST_WINDOW_MS} are allowed",
        )

    def _refusal(self) -> Failure | None:
        """Say why this node gives no command an id now: it carries the clock's time."""
        ctx = self._ctx
        if not ctx.guard.trusted:
            ctx.counters.clock_refusals += 1
            reason = f"nothing was done: node {ctx.node_id} does not trust its clock"
            return Failure(Kind.UNAVAILABLE, reason)
        if ctx.disk_full:
            reason = f"nothing was done: the disk of node {ctx.node_id} is nearly full"
            return Failure(Kind.EXHAUSTED, reason)
        return None

    def _refuse(self, call: int, entries: list[int], failure: Failure, leader: str) -> None:
        self._ctx.counters.failed_entries += len(entries)
        self._ctx.effects.append(Answer(call, Refused(entries, failure, leader)))

    # --- reads -------------------------------------------------------------------------------

    def _get(self, call: int, get: Get, placement: Placement, deadline_ms: int) -> None:
        self._ctx.counters.gets += len(get.keys)
        by_group: dict[int, dict[int, bytes]] = {}
        for entry, (group, key) in enumerate(
            zip(placement.groups_of(get.keys), get.keys, strict=True)
        ):
            by_group.setdefault(group, {})[entry] = key
        for group, keys in by_group.items():
            where = (placement.keyspace_id, group)
            found = partial(self._found, call, where)
            failed = partial(self._refuse, call)
            errand = ReadErrand(placement, group, deadline_ms, self._reads, keys, found, failed)
            own = self._router.member(where)
            stale = get.max_age_ms
            if stale and own is not None and self._reads.fresh_enough(own, stale):
                then = partial(self._found_stale, errand, found, list(keys))
                self._reads.read_stale(own, list(keys.values()), then)
            else:
                self._router.go(errand)

    def _found(
        self,
        call: int,
        where: tuple[int, int],
        entries: list[int],
        records: list[Record | None],
    ) -> None:
        reply = Found(entries, records, self._router.leader(where))
        self._ctx.effects.append(Answer(call, reply))

    def _found_stale(
        self,
        errand: ReadErrand,
        found: Callable[[list[int], list[Record | None]], None],
        entries: list[int],
        verdict: Verdict,
        records: list[Record | None],
    ) -> None:
        """Answer with what this replica holds; what it cannot read the leader is asked for."""
        if verdict is Verdict.DONE:
            found(entries, records)
        else:
            self._router.go(errand)


def _puts(put: Put, default_ttl_ms: int) -> list[tuple[Operation, ...]]:
    count = len(put.keys)
    ttls_ms = put.ttls_ms or [0] * count
    expiries_ms = put.expiries_ms or [0] * count
    batches: list[tuple[Operation, ...]] = []
    for key, value, ttl_ms, expires_ms in zip(
        put.keys, put.values, ttls_ms, expiries_ms, strict=True
    ):
        if value is None:
            batches.append((commands.Delete(key),))
        else:
            ttl = 0 if expires_ms else ttl_ms or default_ttl_ms
            batches.append((commands.Put(key, value, ttl, expires_ms),))
    return batches


def _expires(expire: Expire) -> list[tuple[Operation, ...]]:
    count = len(expire.keys)
    ttls_ms = expire.ttls_ms or [0] * count
    expiries_ms = expire.expiries_ms or [0] * count
    return [
        (commands.Expire(key, 0 if expires_ms else ttl_ms, expires_ms),)
        for key, ttl_ms, expires_ms in zip(expire.keys, ttls_ms, expiries_ms, strict=True)
    ]


def _executed(entries: list[int], results: list[tuple[Result, ...]], leader: str) -> Executed:
    return Executed(entries, results, leader)


def _stored(
    entries: list[int], results: list[tuple[Result, ...]], leader: str, *, previous: bool
) -> Stored | Refused:
    """Return the answer to puts: each a command of one operation without a condition."""
    done = [result[0] for result in results if isinstance(result[0], Done)]
    if len(done) < len(results):
        return _forgotten(entries, leader)
    before = [one.before for one in done] if previous else None
    return Stored(entries, [one.time for one in done], [one.writer for one in done], before)


def _expired(
    entries: list[int], results: list[tuple[Result, ...]], leader: str
) -> Expired | Refused:
    applied = [result[0].applied for result in results if isinstance(result[0], Done)]
    if len(applied) < len(results):
        return _forgotten(entries, leader)
    return Expired(entries, applied)


def _forgotten(entries: list[int], leader: str) -> Refused:
    minutes = limits.REQUEST_WINDOW_MS // 60_000
    reason = (
        f"the outcome is unknown: the request took longer than the {minutes} minutes or the"
        f" {limits.REQUEST_OUTCOMES_MAX} requests for which outcomes are remembered"
    )
    return Refused(entries, Failure(Kind.UNKNOWN, reason), leader)
