"""The errands of a Raft group: commands to run, keys to read, a range to scan."""

from collections.abc import Callable
from functools import partial

from dynakv.core.commands import Command, Result
from dynakv.core.record import Record
from dynakv.errors import Failure, Kind
from dynakv.node.context import Placement
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import (
    Forward,
    Forwarded,
    ForwardRead,
    ForwardScan,
    ReadForwarded,
    ScanForwarded,
    Verdict,
)
from dynakv.node.raft_reads import RaftReads, ScanRange
from dynakv.node.raft_router import Ended, Errand

Ran = Callable[[list[int], list[tuple[Result, ...]]], None]  # entries, their results
Failed = Callable[[list[int], Failure, str], None]  # entries, why, and who leads


def _why(errand: Errand) -> str:
    placement, group = errand.placement, errand.where[1]
    return f"shard group {group} of keyspace {placement.name}"


def _no_leader(errand: Errand, what: str) -> str:
    return (
        f"nothing was {what}: no leader of {_why(errand)} answered in time; a majority of its"
        f" {errand.placement.keyspace.n} replicas is needed"
    )


class CommandErrand(Errand):
    """Commands for one group; entries are the caller's names for them."""

    __slots__ = ("_asked", "_done", "_failed", "_left", "_open", "_ran", "_worst")

    def __init__(
        self,
        placement: Placement,
        group: int,
        deadline_ms: int,
        commands: dict[int, Command],
        ran: Ran,
        failed: Failed,
    ) -> None:
        """Prepare commands by entry, each with a request id; every entry is answered once."""
        super().__init__(placement, group, deadline_ms)
        self._open = commands
        self._ran = ran
        self._failed = failed
        self._asked: list[int] = []
        self._done: list[tuple[int, tuple[Result, ...]]] = []
        self._left = 0
        self._worst = Verdict.DONE

    def run_here(self, group: Group, ended: Ended) -> None:
        """Propose what is open."""
        self._left = len(self._open)
        self._worst = Verdict.DONE
        for entry, command in list(self._open.items()):
            group.propose(command, partial(self._decided, entry, ended))

    def _decided(self, entry: int, ended: Ended, outcome: tuple[Result, ...] | Verdict) -> None:
        if isinstance(outcome, Verdict):
            self._worst = max(self._worst, outcome)
        else:
            self._done.append((entry, outcome))
        self._left -= 1
        if not self._left:
            self._answer()
            ended(self._worst)

    def _answer(self) -> None:
        done, self._done = self._done, []
        if done and not self.over:
            for entry, _ in done:
                del self._open[entry]
            self._ran([entry for entry, _ in done], [results for _, results in done])

    def message(self) -> Forward:
        """Ask for what is open."""
        keyspace, group = self.where
        self._asked = list(self._open)
        return Forward(keyspace, self.placement.epoch, group, list(self._open.values()))

    def took(self, reply: object) -> tuple[Verdict, str]:
        """Take one verdict a command."""
        assert isinstance(reply, Forwarded)
        worst = Verdict.DONE
        for entry, verdict, results in zip(self._asked, reply.verdicts, reply.results, strict=True):
            if verdict is Verdict.DONE:
                self._done.append((entry, results))
            worst = max(worst, verdict)
        self._answer()
        return worst, reply.leader

    def fail(self, leader: str) -> None:
        """Say whether anything may have been done."""
        entries = list(self._open)
        if self.perhaps:
            failure = Failure(
                Kind.UNKNOWN,
                f"the outcome is unknown: {_why(self)} did not answer in time; retry only under"
                " the same request id",
            )
        elif self.last_verdict is Verdict.BUSY:
            failure = Failure(
                Kind.EXHAUSTED, f"nothing was done: too much is waiting in {_why(self)}"
            )
        else:
            failure = Failure(Kind.UNAVAILABLE, _no_leader(self, "done"))
        self._failed(entries, failure, leader)


class ReadErrand(Errand):
    """Keys of one group to read; linearizable."""

    __slots__ = ("_entries", "_failed", "_found", "_keys", "_reads")

    def __init__(
        self,
        placement: Placement,
        group: int,
        deadline_ms: int,
        reads: RaftReads,
        keys: dict[int, bytes],
        found: Callable[[list[int], list[Record | None]], None],
        failed: Failed,
    ) -> None:
        """Prepare to read keys by entry."""
        super().__init__(placement, group, deadline_ms)
        self._reads = reads
        self._entries = list(keys)
        self._keys = list(keys.values())
        self._found = found
        self._failed = failed

    def run_here(self, group: Group, ended: Ended) -> None:
        """Read as leader."""
        self._reads.read(group, self._keys, partial(self._done, ended))

    def _done(self, ended: Ended, verdict: Verdict, records: list[Record | None]) -> None:
        if verdict is Verdict.DONE and not self.over:
            self._found(self._entries, records)
        ended(verdict)

    def message(self) -> ForwardRead:
        """Ask for the keys."""
        keyspace, group = self.where
        return ForwardRead(keyspace, self.placement.epoch, group, self._keys)

    def took(self, reply: object) -> tuple[Verdict, str]:
        """Take the records."""
        assert isinstance(reply, ReadForwarded)
        if reply.verdict is Verdict.DONE and not self.over:
            self._found(self._entries, reply.records)
        return reply.verdict, reply.leader

    def fail(self, leader: str) -> None:
        """Say that nobody could tell in time."""
        kind = Kind.EXHAUSTED if self.last_verdict is Verdict.BUSY else Kind.TIMEOUT
        self._failed(self._entries, Failure(kind, _no_leader(self, "read")), leader)


class ScanErrand(Errand):
    """One page of a range of one group; linearizable as of some moment of the scan."""

    __slots__ = ("_failed", "_listed", "_range", "_reads")

    def __init__(
        self,
        placement: Placement,
        group: int,
        deadline_ms: int,
        reads: RaftReads,
        scan: ScanRange,
        listed: Callable[[list[Record], bytes | None], None],
        failed: Failed,
    ) -> None:
        """Prepare to scan."""
        super().__init__(placement, group, deadline_ms)
        self._reads = reads
        self._range = scan
        self._listed = listed
        self._failed = failed

    def run_here(self, group: Group, ended: Ended) -> None:
        """Scan as leader."""
        self._reads.scan(group, self._range, partial(self._done, ended))

    def _done(
        self, ended: Ended, verdict: Verdict, records: list[Record], further: bytes | None
    ) -> None:
        if verdict is Verdict.DONE and not self.over:
            self._listed(records, further)
        ended(verdict)

    def message(self) -> ForwardScan:
        """Ask for the range."""
        keyspace, group = self.where
        scan = self._range
        return ForwardScan(
            keyspace,
            self.placement.epoch,
            group,
            scan.start,
            scan.after,
            scan.end,
            scan.rows_max,
            scan.keys_only,
        )

    def took(self, reply: object) -> tuple[Verdict, str]:
        """Take the page."""
        assert isinstance(reply, ScanForwarded)
        if reply.verdict is Verdict.DONE and not self.over:
            self._listed(reply.records, reply.next)
        return reply.verdict, reply.leader

    def fail(self, leader: str) -> None:
        """Say that nobody could tell in time."""
        self._failed([0], Failure(Kind.TIMEOUT, _no_leader(self, "read")), leader)
