"""WATCH, MULTI and EXEC in a Raft keyspace; their replies are compared in `test_plans.py`."""

import pytest

from dynakv.errors import Failure, Kind
from dynakv.node.messages import Expire, Put, Refused
from dynakv.node.raft_messages import Execute
from tests.raft_groups import keys_in_groups
from tests.resp.raft import RaftWorld


@pytest.fixture
def raft() -> RaftWorld:
    return RaftWorld()


def write(raft: RaftWorld, key: bytes, value: bytes | None) -> None:
    """Let somebody else write."""
    raft.raft.groups.answer(Put("default", [key], [value]))


def test_all_of_it_is_one_batch(raft: RaftWorld) -> None:
    client = raft.client()
    client.say("WATCH {t}a")
    raft.asked()
    client.send_all("MULTI", "SET {t}a 1", "INCR {t}n", "DEL {t}x {t}y", "EXEC")
    raft.turns()
    (message,) = raft.asked()
    assert isinstance(message, Execute)
    assert [len(batch) for batch in message.batches] == [5]
    raft.run()
    assert client.replies() == [b"OK", b"QUEUED", b"QUEUED", b"QUEUED", [b"OK", 1, 0]]


def test_keys_of_several_groups_are_refused(raft: RaftWorld) -> None:
    client = raft.client()
    one, other = keys_in_groups(raft.raft.groups, "default", 2)
    client.say("MULTI")
    client.say([b"SET", one, b"1"])
    client.say([b"SET", other, b"1"])
    assert client.error("EXEC").startswith("CROSSSLOT")
    client.say([b"WATCH", one])
    client.say("MULTI")
    client.say([b"SET", other, b"1"])
    assert client.error("EXEC").startswith("CROSSSLOT")
    assert not raft.raft.groups.rows
    client.say("MULTI")
    client.say([b"SET", other, b"1"])
    assert client.say("EXEC") == [b"OK"]  # nothing is watched any more


def test_what_cannot_be_part_of_one_batch_discards_it(raft: RaftWorld) -> None:
    client = raft.client()
    for command in ("KEYS *", "FLUSHDB", "SELECT 0", "RENAME {t}a {t}b", "DYNAKV.CONSISTENCY one"):
        client.say("MULTI")
        client.say("SET {t}a 1")
        assert client.say(command) == b"QUEUED"
        text = client.error("EXEC")
        assert text.startswith("EXECABORT Transaction discarded: in a Raft keyspace"), text
        assert client.say("GET {t}a") is None
    client.say("MULTI")
    client.error("NOPE")
    assert client.error("EXEC").startswith("EXECABORT")


def test_a_pipelined_watch_is_in_force_at_its_exec(raft: RaftWorld) -> None:
    client = raft.client()
    write(raft, b"{t}a", b"1")
    client.send_all("SET {t}a 2", "WATCH {t}a", "MULTI", "INCR {t}a", "EXEC", "GET {t}a")
    raft.run()
    assert client.replies() == [b"OK", b"OK", b"OK", b"QUEUED", [3], b"3"]


@pytest.mark.parametrize(("value", "reply"), [(b"2", None), (None, None), (b"1", None)])
def test_a_write_of_somebody_else_is_seen(
    raft: RaftWorld, value: bytes | None, reply: object
) -> None:
    client = raft.client()
    write(raft, b"{t}a", b"1")
    client.say("WATCH {t}a {t}none")
    write(raft, b"{t}a", value)
    client.say("MULTI")
    client.say("SET {t}b 1")
    assert client.say("EXEC") is reply
    assert client.say("GET {t}b") is None


def test_a_key_that_came_is_seen_and_an_expired_one_too(raft: RaftWorld) -> None:
    client = raft.client()
    client.say("SET {t}a 1 PX 500")
    for change in (lambda: write(raft, b"{t}none", b"1"), lambda: raft.sleep(600)):
        client.say("WATCH {t}a {t}none")
        change()
        client.say("MULTI")
        client.say("SET {t}b 1")
        assert client.say("EXEC") is None


def test_what_is_only_watched_is_left_as_it_is(raft: RaftWorld) -> None:
    client, other = raft.client(), raft.client()
    write(raft, b"{t}a", b"1")
    before = dict(raft.raft.groups.rows)
    for one in (client, other):
        one.say("WATCH {t}a")
        one.say("MULTI")
        one.say("SET {t}b 1")
    assert client.say("EXEC") == [b"OK"]
    assert other.say("EXEC") == [b"OK"]  # the first one did not touch what both watch
    assert raft.raft.groups.rows["default", b"{t}a"] == before["default", b"{t}a"]


def test_a_change_of_expiry_is_not_seen(raft: RaftWorld) -> None:
    client = raft.client()
    write(raft, b"{t}a", b"1")
    client.say("WATCH {t}a")
    raft.raft.groups.answer(Expire("default", [b"{t}a"], [1_000]))
    client.say("MULTI")
    client.say("SET {t}b 1")
    assert client.say("EXEC") == [b"OK"]


def test_a_read_that_fails_watches_nothing(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("WATCH {t}a")
    raft.turns()
    _, answer = raft.node.waiting.popleft()
    answer(Refused([0], Failure(Kind.UNAVAILABLE, "as told")))
    (reply,) = client.replies()
    assert str(reply) == "UNAVAILABLE as told"
    assert not client.connection.watched.conditions


def test_an_unknown_outcome_is_said_to_be(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("MULTI", "INCR {t}a", "EXEC")
    raft.turns()
    _, answer = raft.node.waiting.popleft()
    answer(Refused([0], Failure(Kind.UNKNOWN, "as told")))
    assert str(client.replies()[-1]) == "UNKNOWNOUTCOME as told"


def test_what_failed_by_its_condition_is_held_to_it_when_sent_again(raft: RaftWorld) -> None:
    """A value that was in the way of SET NX and goes meanwhile is no reason to leave it out."""
    client = raft.client()
    write(raft, b"{t}a", b"1")
    client.send_all("MULTI", "SET {t}a 2 NX", "INCR {t}n", "EXEC")
    raft.turns()
    raft.node.answer()
    write(raft, b"{t}a", None)
    raft.run()
    assert client.replies()[-1] == [b"OK", 1]
    assert (raft.raft.value(b"{t}a"), raft.raft.value(b"{t}n")) == (b"2", b"1")


def test_it_gives_up_where_keys_never_stand_still(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("MULTI", "SET {t}a 2 NX", "INCR {t}n", "EXEC")
    raft.turns()
    rounds = 0
    while raft.node.waiting:
        write(raft, b"{t}a", b"1" if rounds % 2 == 0 else None)
        raft.node.answer()
        raft.turns()
        rounds += 1
    assert rounds == 8
    assert str(client.replies()[-1]).startswith("OVERLOADED the keys changed 8 times")
    assert raft.raft.value(b"{t}n") is None


def test_a_transaction_has_no_more_operations_than_a_batch(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("MULTI", *["INCR {t}n"] * 1001, "EXEC")
    raft.run()
    assert "at most 1000 are allowed" in str(client.replies()[-1])


def test_later_commands_wait_for_it(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("SET {t}a 1", "MULTI", "INCR {t}a", "EXEC", "GET {t}a", "GET other")
    first = raft.asked()
    assert {key for message in first for key in message.keys} == {b"{t}a", b"other"}
    raft.run()
    assert client.replies() == [b"OK", b"OK", b"QUEUED", [2], b"2", None]
