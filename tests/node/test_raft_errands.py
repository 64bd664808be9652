"""Claims about `dynakv.node.raft_errands`: what is decided is answered, what is left goes on."""

from dynakv.core.commands import Command, Put, Result
from dynakv.errors import Failure, Kind
from dynakv.node.raft_errands import CommandErrand
from dynakv.node.raft_messages import Forward, Forwarded, Verdict
from tests.node.raft_nodes import RaftNodes

PLACEMENT = RaftNodes().nodes["n1"].context.by_name["default"]


class Caller:
    def __init__(self) -> None:
        self.ran: list[int] = []
        self.failures: list[tuple[list[int], Kind]] = []

    def done(self, entries: list[int], results: list[tuple[Result, ...]]) -> None:
        assert len(results) == len(entries)
        self.ran += entries

    def failed(self, entries: list[int], failure: Failure, leader: str) -> None:
        assert leader == "n3"
        self.failures.append((entries, failure.kind))


def errand(caller: Caller) -> CommandErrand:
    commands = {entry: Command(0, 0, (Put(b"k", b"v"),), 1, entry) for entry in (3, 5, 8)}
    return CommandErrand(PLACEMENT, 4, 1_000, commands, caller.done, caller.failed)


def test_only_what_was_not_decided_is_asked_again() -> None:
    caller = Caller()
    mine = errand(caller)
    assert len(mine.message().commands) == 3
    verdicts = [Verdict.DONE, Verdict.BUSY, Verdict.LOST]
    assert mine.took(Forwarded(verdicts, [(), (), ()], "n2")) == (Verdict.LOST, "n2")
    assert caller.ran == [3]
    again = mine.message()
    assert isinstance(again, Forward)
    assert [command.sequence for command in again.commands] == [5, 8]
    assert mine.took(Forwarded([Verdict.DONE] * 2, [(), ()], "n2"))[0] is Verdict.DONE
    assert caller.ran == [3, 5, 8]


def test_the_failure_says_whether_anything_may_have_been_done() -> None:
    for perhaps, last, kind in (
        (True, Verdict.BUSY, Kind.UNKNOWN),
        (False, Verdict.BUSY, Kind.EXHAUSTED),
        (False, Verdict.NOT_LEADER, Kind.UNAVAILABLE),
        (False, None, Kind.UNAVAILABLE),
    ):
        caller = Caller()
        mine = errand(caller)
        mine.perhaps, mine.last_verdict = perhaps, last
        mine.fail("n3")
        assert caller.failures == [([3, 5, 8], kind)]


def test_what_is_decided_after_the_deadline_is_told_to_nobody() -> None:
    caller = Caller()
    mine = errand(caller)
    mine.message()
    mine.over = True
    mine.took(Forwarded([Verdict.DONE] * 3, [(), (), ()], ""))
    assert caller.ran == []
