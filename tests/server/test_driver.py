"""Claims about `dynakv.server.driver`: its turns, its bounds, group commit, and when it halts."""

import asyncio
from random import Random
from typing import Any

from dynakv import limits
from dynakv.core import table
from dynakv.core.layout import KeyspaceSettings, Member, NodeId, encode, first_layout
from dynakv.core.record import Record, written
from dynakv.errors import Kind, StorageError
from dynakv.node.messages import (
    Answer,
    Ask,
    Beat,
    Failed,
    Found,
    Get,
    Halt,
    Header,
    Load,
    Loaded,
    Note,
    Put,
    Reason,
    Refused,
    Save,
    Saved,
    Stored,
)
from dynakv.node.node import Config, Node
from dynakv.server.driver import read_clocks
from tests.server.shell import HEADER, FastLoop, Shell, clocks, get, ignore, merge, read, run, turns

BEAT, SAVE, LOAD = Beat(1, 2, 3), Save(1, 1, []), Load(1, 1, [b"k"])
SAVED = Saved(None, None)


# --- bounds ----------------------------------------------------------------------------------


def test_clients_are_refused_while_too_many_of_their_keys_wait() -> None:
    async def test() -> None:
        shell = Shell()
        driver = shell.driver
        for _ in range(limits.INBOX_CLIENT_KEYS_MAX // 1000):
            assert driver.client(get(1000), ignore)
        assert not driver.client(get(), ignore)
        assert driver.unanswered() == limits.INBOX_CLIENT_KEYS_MAX
        await turns()  # the node has taken them all, but answered none
        assert not driver.client(get(), ignore)
        await shell.wants(Answer(1, Found(list(range(1000)), [])))
        assert driver.client(get(1000), ignore)
        assert not driver.client(get(), ignore)

    run(test)


def test_a_client_is_refused_whose_keys_would_wait_too_long_but_not_reads_for_slow_writes() -> None:
    async def test() -> None:
        shell = Shell()
        driver, loop = shell.driver, asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        put = Put("default", [b"k"] * 1000, [b"v"] * 1000)
        for call in range(1, 51):  # a message is answered every 500 ms, two are asked for
            driver.client(put, ignore)
            driver.client(put, ignore)
            loop.seconds += 0.5
            await shell.wants(Answer(call, Stored(list(range(1000)), [], [], None)))
        driver.client(put, ignore)
        assert driver.unanswered() == 1_000  # at 2,000 a second and 500 ms
        assert not driver.client(put, ignore)
        assert driver.client(get(1000), ignore)

    run(test)


def test_large_values_count_as_more_keys_until_they_are_answered() -> None:
    async def test() -> None:
        shell = Shell()
        shell.driver.client(Put("default", [b"a", b"b"], [b"", bytes(8192)]), ignore)
        assert shell.driver.unanswered() == 4
        await shell.wants(Answer(1, Stored([0], [], [], None)))
        assert shell.driver.unanswered() == 3
        await shell.wants(Answer(1, Stored([1], [], [], None)))
        assert shell.driver.unanswered() == 0

    run(test)


def test_peers_are_refused_while_too_much_of_their_work_waits() -> None:
    async def test() -> None:
        shell = Shell()
        record = written(b"k", b"v", 0, 1, 1)
        save, load = Save(1, 1, [record] * 1000), Load(1, 1, [b"k"] * 1000)
        for i in range(limits.INBOX_PEER_KEYS_MAX // 1000):
            assert shell.driver.peer("n2", load if i % 2 else save, ignore)
        assert not shell.driver.peer("n2", LOAD, ignore)
        assert shell.driver.peer("n2", BEAT, ignore)  # a busy node is not a dead one
        assert shell.driver.client(get(), ignore)  # has a bound of its own
        await shell.wants(Answer(1, SAVED))
        assert shell.driver.peer("n2", save, ignore)
        assert not shell.driver.peer("n2", LOAD, ignore)
        assert shell.driver.peer("n2", BEAT, ignore)  # a busy node is not a dead one

    run(test)


def test_answers_in_parts_release_what_they_answer() -> None:
    async def test() -> None:
        shell = Shell()
        got: list[object] = []
        shell.driver.client(get(5), got.append)
        first, second = Found([1, 3], []), Found([0, 2, 4], [])
        await shell.wants(Answer(1, first))
        assert shell.driver.unanswered() == 3
        await shell.wants(Answer(1, second))
        assert shell.driver.unanswered() == 0
        assert got == [first, second]
        assert shell.driver._clients._callers == {}

    run(test)


def test_a_message_without_keys_counts_as_one() -> None:
    async def test() -> None:
        shell = Shell()
        shell.driver.client(Get("default", []), ignore)
        assert shell.driver.unanswered() == 1
        await shell.wants(Answer(1, Found([0], [])))
        assert shell.driver.unanswered() == 0

    run(test)


def test_a_turn_takes_a_bounded_number_of_messages_and_the_rest_in_the_next() -> None:
    async def test() -> None:
        shell = Shell()
        await turns(1)
        for _ in range(3 * limits.TURN_MESSAGES_MAX):
            shell.driver.client(get(), ignore)
        await asyncio.sleep(0)
        taken = len(shell.fake.told)
        assert limits.TURN_MESSAGES_MAX // 8 <= taken <= limits.TURN_MESSAGES_MAX
        await turns(200)
        assert len(shell.fake.told) == 3 * limits.TURN_MESSAGES_MAX

    run(test)


# --- the order of a turn ---------------------------------------------------------------------


def test_a_turn_takes_disk_then_peer_replies_then_beats_peers_and_clients() -> None:
    async def test() -> None:
        shell = Shell()
        driver, client = shell.driver, get()
        await shell.wants(merge(41))
        shell.fake.told.clear()
        driver.client(client, ignore)
        driver.peer("n2", SAVE, ignore)
        driver.peer("n2", BEAT, ignore)
        driver.peer("n3", LOAD, ignore)
        driver.replied(42, SAVED)
        shell.disk.commit()
        before = shell.fake.turns
        await turns(1)
        assert shell.fake.turns == before + 1
        told = shell.fake.told
        assert [what for what, _ in told[:3]] == ["committed", "reply to 41", "reply to 42"]
        assert told[3:] == [("n2", BEAT), ("n2", SAVE), ("n3", LOAD), ("client", client)]

    run(test)


def test_beats_are_taken_in_the_next_turn_behind_any_flood_of_work() -> None:
    async def test() -> None:
        shell = Shell()
        await turns(1)
        for _ in range(2_000):
            shell.driver.peer("n2", LOAD, ignore)
            shell.driver.client(get(), ignore)
        shell.driver.peer("n3", BEAT, ignore)
        await asyncio.sleep(0)
        assert shell.fake.told[0] == ("n3", BEAT)
        kinds = {what for what, _ in shell.fake.told}
        assert kinds == {"n3", "n2", "client"}  # each has its share

    run(test)


def test_a_frame_is_heard_at_once() -> None:
    async def test() -> None:
        shell = Shell()
        assert shell.driver.heard(HEADER)
        assert not shell.driver.heard(Header(1, "n9", 1, 2, 3, 4, 5))

    run(test)


def test_an_answer_to_a_peer_goes_to_its_callback_once_and_is_forgotten() -> None:
    async def test() -> None:
        shell = Shell()
        got: list[tuple[str, object]] = []
        shell.driver.peer("n2", SAVE, lambda reply: got.append(("save", reply)))
        shell.driver.peer("n3", LOAD, lambda reply: got.append(("load", reply)))
        loaded = Loaded(None, [None])
        await shell.wants(Answer(2, loaded), Answer(1, SAVED))
        assert got == [("load", loaded), ("save", SAVED)]
        assert (shell.driver._answers, shell.driver._peer_call_keys) == ({}, {})
        assert shell.driver._peer_keys == 0

    run(test)


def test_asks_go_to_the_links_and_notes_to_the_log() -> None:
    async def test() -> None:
        shell = Shell()
        ask = Ask(7, "n2", LOAD, 1234)
        await shell.wants(ask, Note("peer_down", {"peer": "n2"}))
        assert shell.links.sent == [ask]

    run(test)


# --- STORE -----------------------------------------------------------------------------------


def test_one_transaction_is_in_flight_and_what_comes_meanwhile_is_the_next() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(merge(1))
        for call in (2, 3, 4):
            await shell.wants(merge(call))
        assert len(shell.disk.commits) == 1
        assert len(shell.disk.commit()) == 1
        assert len(shell.disk.commits) == 1  # begun at once, without waiting for a turn
        assert len(shell.disk.commit()) == 3
        await turns(2)
        replies = [what for what, _ in shell.fake.told if what.startswith("reply")]
        assert replies == ["reply to 1", "reply to 2", "reply to 3", "reply to 4"]
        assert not shell.disk.commits

    run(test)


def test_all_writes_of_a_turn_are_one_transaction() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(*(merge(call) for call in range(50)))
        assert [len(operations) for operations, _ in shell.disk.commits] == [50]

    run(test)


def test_a_transaction_is_bounded_in_rows_and_bytes() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(merge(1, 600), merge(2, 400), merge(3, 1))
        assert [len(shell.disk.commit()) for _ in range(2)] == [2, 1]
        mib = b"x" * (1 << 20)
        await shell.wants(merge(4, 3, mib), merge(5, 1, mib[:-99]), merge(6, 1, mib))
        assert [len(shell.disk.commit()) for _ in range(2)] == [2, 1]

    run(test)


def test_an_operation_larger_than_a_transaction_goes_alone() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(merge(1, 1001), merge(2))
        assert [len(shell.disk.commit()) for _ in range(2)] == [1, 1]

    run(test)


def test_reads_go_beside_a_write_grouped_and_two_at_a_time() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(merge(1), *(read(call, 100) for call in range(2, 12)))
        assert [len(requests) for requests, _ in shell.disk.reads] == [3, 3]
        shell.disk.read()
        assert [len(requests) for requests, _ in shell.disk.reads] == [3, 3]
        while shell.disk.reads:
            shell.disk.read()
        await turns(2)
        replies = [what for what, _ in shell.fake.told if what.startswith("reply")]
        assert replies == [f"reply to {call}" for call in range(2, 12)]
        assert len(shell.disk.commits) == 1

    run(test)


# --- halting ---------------------------------------------------------------------------------


def test_a_disk_that_fails_a_write_halts_and_nothing_is_answered_any_more() -> None:
    async def test() -> None:
        shell = Shell()
        got: list[object] = []
        shell.driver.client(get(), got.append)
        await shell.wants(merge(1))
        shell.fake.told.clear()
        _, done = shell.disk.commits.popleft()
        done(StorageError("the disk is gone"))
        assert shell.driver.halted.result() == "the disk is gone"
        shell.driver.replied(9, SAVED)
        await shell.wants(Answer(1, Found([0], [])))
        assert (shell.fake.told, got) == ([], [])
        assert not shell.driver.client(get(), ignore)
        assert not shell.driver.peer("n2", SAVE, ignore)

    run(test)


def test_a_disk_that_fails_a_read_halts() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(read(1, 1))
        shell.disk.reads.popleft()[1](StorageError("no"))
        assert shell.driver.halted.done()

    run(test)


def test_a_node_that_wants_to_halt_halts_and_the_first_reason_stays() -> None:
    async def test() -> None:
        shell = Shell()
        await shell.wants(Halt("first"), Halt("second"))
        assert shell.driver.halted.result() == "first"

    run(test)


# --- with a real node ------------------------------------------------------------------------


def real_node(members: int) -> Node:
    names = [NodeId(f"n{i + 1}") for i in range(members)]
    keyspace = KeyspaceSettings("default", groups=8)
    layout = first_layout([Member(name, "127.0.0.1:1") for name in names], [keyspace])
    remembered = table.Remembered("n1", 1000, 1, 0, 0, encode(layout), True)
    return Node(remembered, Config(NodeId("n1")), Random(1), clocks())


def test_a_put_is_answered_after_its_transaction_and_read_back() -> None:
    async def test() -> None:
        shell = Shell(real_node(1))
        got: list[Any] = []
        shell.driver.client(Put("default", [b"k"], [b"v"]), got.append)
        await turns(3)
        shell.disk.commit()  # the clock's ceiling
        await turns(3)
        assert got == []
        shell.disk.commit()
        await turns(3)
        assert isinstance(got[0], Stored)
        assert shell.driver.header().commit_sequence == 2
        shell.driver.client(Get("default", [b"k"]), got.append)
        await turns(3)
        assert isinstance(got[1], Found)
        record = got[1].records[0]
        assert isinstance(record, Record)
        assert record.value == b"v"
        assert shell.driver.unanswered() == 0

    run(test)


def test_the_nodes_timers_fire_without_any_message() -> None:
    async def test() -> None:
        shell = Shell(real_node(3))

        def beaten() -> list[str]:
            return [ask.to for ask in shell.links.sent if isinstance(ask.message, Beat)]

        await asyncio.sleep(0.05)
        assert beaten() == ["n2", "n3"]
        await asyncio.sleep(2.1)
        assert beaten() == ["n2", "n3"] * 3
        views = shell.driver.member_views()
        assert {n: view.up for n, view in views.items()} == {"n1": True, "n2": False, "n3": False}

    run(test)


def test_an_operation_ends_at_its_deadline_without_any_message() -> None:
    async def test() -> None:
        shell = Shell(real_node(1))
        got: list[object] = []
        shell.driver.client(Get("default", [b"k"], timeout_ms=300), got.append)
        await asyncio.sleep(0.25)
        assert got == []
        await asyncio.sleep(0.12)
        assert len(got) == 1
        assert shell.driver.unanswered() == 0

    run(test)


def test_both_clocks_are_read_as_one_moment() -> None:
    first, second = read_clocks(), read_clocks()
    assert second.mono_ms >= first.mono_ms
    moved = (second.wall_ms - second.mono_ms) - (first.wall_ms - first.mono_ms)
    assert abs(moved) <= limits.CLOCK_LEAP_MS


# --- deadlines and the disk's reserve --------------------------------------------------------


def test_what_waited_past_its_deadline_is_refused_unserved() -> None:
    async def test() -> None:
        shell = Shell()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        got: list[object] = []
        shell.driver.client(Get("default", [b"k"], timeout_ms=100), got.append)
        shell.driver.peer("n2", LOAD, got.append, timeout_ms=100)
        shell.driver.peer("n2", SAVE, ignore)  # without a bound it is served
        loop.seconds += 1
        await turns()
        refused, failed = got[::-1]
        assert isinstance(refused, Refused)
        assert refused.failure.kind is Kind.EXHAUSTED
        assert failed == Failed(Reason.OVERLOADED)
        assert [told for told in shell.fake.told if told[0] in {"client", "n2"}] == [("n2", SAVE)]
        assert shell.driver.unanswered() == 0

    run(test)


def test_node_hears_that_the_disk_is_below_its_reserve() -> None:
    async def test() -> None:
        shell = Shell()
        shell.disk.free = limits.DISK_RESERVE_SHARE / 2
        shell.fake.wake_ms = 0
        shell.driver.client(get(), ignore)
        await turns()
        assert ("disk full", True) in shell.fake.told

    run(test)


# --- what nobody foresaw ---------------------------------------------------------------------


def test_turn_that_fails_halts_the_node() -> None:
    async def test() -> None:
        shell = Shell()
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: errors.append(what))

        def broken(_: object) -> None:
            raise KeyError("a callback of a door")

        shell.driver.client(get(), broken)
        await shell.wants(Answer(1, Found([0], [])))
        assert shell.driver.halted.done()
        assert errors

    run(test)


def test_large_values_weigh_as_much_as_many_keys() -> None:
    async def test() -> None:
        shell = Shell()
        megabyte = Put("default", [b"k"], [b"v" * (1 << 20)])
        taken = 0
        while shell.driver.client(megabyte, ignore):
            taken += 1
        assert 50 < taken < 100
        await shell.wants(Answer(1, Stored([0], [1], [1], None)))
        assert shell.driver.client(megabyte, ignore)
        assert not shell.driver.client(megabyte, ignore)

    run(test)


def test_draining_driver_refuses_new_clients_and_serves_the_others() -> None:
    async def test() -> None:
        shell = Shell()
        first: list[object] = []
        second: list[object] = []
        shell.driver.client(get(), first.append)
        await turns()
        shell.driver.drain()
        assert shell.driver.client(get(2), second.append)
        await shell.wants(Answer(1, Found([0], [])))
        assert first == [Found([0], [])]
        (refused,) = second
        assert isinstance(refused, Refused)
        assert refused.entries == [0, 1]
        assert refused.failure.kind is Kind.UNAVAILABLE

    run(test)


# --- waves -----------------------------------------------------------------------------------


def test_clients_leave_together_once_those_before_them_are_answered() -> None:
    async def test() -> None:
        shell = Shell()
        await turns(1)
        shell.driver.client(get(), ignore)
        await asyncio.sleep(0)
        shell.fake.told.clear()
        shell.driver.client(get(), ignore)
        await asyncio.sleep(0)
        shell.driver.client(get(), ignore)
        await asyncio.sleep(0)
        assert shell.fake.told == []
        await shell.wants(Answer(1, Found([0], [])))
        assert [what for what, _ in shell.fake.told] == ["client", "client"]

    run(test)


def test_clients_leave_when_nothing_is_answered_and_reads_not_behind_writes() -> None:
    async def test() -> None:
        shell = Shell()
        await turns(1)
        shell.driver.client(Put("default", [b"k"], [b"v"]), ignore)
        shell.driver.client(get(), ignore)
        await asyncio.sleep(0)
        assert [what for what, _ in shell.fake.told] == ["client", "client"]
        shell.fake.told.clear()
        shell.driver.client(get(), ignore)
        await asyncio.sleep(limits.WAVE_HOLD_MS_MIN / 1000 - 0.0005)
        assert shell.fake.told == []
        await asyncio.sleep(0.001)
        assert [what for what, _ in shell.fake.told] == ["client"]

    run(test)
