import pytest
from msgspec.structs import replace

from dynakv import limits
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Expire, Get, List, Put
from tests.resp.harness import Client, World, encoded


def test_commands_of_one_chunk_that_touch_different_keys_run_side_by_side(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "SET b 2", "GET c", "GET d")
    put, get = sorted(world.asked(), key=lambda m: isinstance(m, Get))
    assert (put.keys, get.keys) == ([b"a", b"b"], [b"c", b"d"])


def test_replies_leave_in_the_order_of_the_commands(world: World, client: Client) -> None:
    client.send_all("SET a 1", "GET b", "PING", "GET a")
    world.turns()
    world.node.answer(1)  # the get of b comes back before the put of a
    assert client.replies() == []
    world.run()
    assert client.replies() == [b"OK", None, b"PONG", b"1"]


def test_a_read_waits_for_the_write_of_its_key(world: World, client: Client) -> None:
    client.send_all("SET a 1", "GET a", "GET b")
    assert [(type(m), m.keys) for m in world.asked()] == [(Put, [b"a"]), (Get, [b"b"])]
    world.node.answer()
    assert [m.keys for m in world.asked()] == [[b"a"]]


def test_a_write_waits_for_all_reads_of_its_key(world: World, client: Client) -> None:
    client.send_all("GET a")
    world.turns()
    client.send_all("GET a", "SET a 1")
    world.asked()
    world.node.answer(1)  # the later read first
    assert world.asked() == []
    world.node.answer()
    assert [type(m) for m in world.asked()] == [Put]


def test_a_write_waits_for_the_write_of_its_key_in_an_earlier_message(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1")
    world.asked()
    client.send_all("SET a 2", "SET a 3 EX 10")
    assert world.asked() == []
    world.run()
    assert client.replies() == [b"OK"] * 3
    assert [m.values for m in world.asked()] == [[b"2"], [b"3"]]


def test_writes_of_one_key_in_one_turn_share_a_message_in_their_order(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "SET a 2", "SET a 3", "GET a")
    (put,) = world.asked()
    assert put.values == [b"1", b"2", b"3"]
    world.run()
    assert client.replies() == [b"OK"] * 3 + [b"3"]


def test_a_write_that_goes_into_another_message_waits_for_the_one_before(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "SET a 2 EX 10", "SET a 3", "DEL a")
    assert [m.values for m in world.asked()] == [[b"1"]]
    world.run()
    assert client.replies() == [b"OK", b"OK", b"OK", 1]


def test_writes_of_one_key_do_not_overtake_a_read_between_them(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "GET a", "SET a 2", "GET a")
    assert [m.values for m in world.asked()] == [[b"1"]]
    world.run()
    assert client.replies() == [b"OK", b"1", b"OK", b"2"]


def test_several_keys_wait_for_each_of_theirs(world: World, client: Client) -> None:
    client.send_all("SET a 1", "SET b 2 EX 9", "MGET a b c", "MSET c 1 a 2", "GET c")
    assert len(world.asked()) == 2
    world.node.answer()
    assert world.asked() == []
    world.node.answer()
    assert [m.keys for m in world.asked()] == [[b"a", b"b", b"c"]]
    world.run()
    assert client.replies() == [b"OK", b"OK", [b"1", b"2", None], b"OK", b"1"]


def test_other_connections_and_other_keyspaces_wait_for_nothing(
    world: World, client: Client
) -> None:
    other = world.client()
    client.send_all("SET a 1", "SELECT 1", "GET a")
    other.send_all("GET a")
    assert len(world.asked()) == 3
    world.run()
    assert client.replies() == [b"OK", b"OK", None]


def test_a_waiting_command_stays_in_the_keyspace_it_was_sent_for(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "GET a", "SELECT 1", "GET a")
    world.run()
    assert client.replies() == [b"OK", b"1", b"OK", None]


def test_keyless_commands_wait_for_all_earlier_ones_and_all_later_ones_for_them(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "GET b", "DBSIZE", "SET c 1", "PING", "DBSIZE", "GET c")
    assert [type(m) for m in world.asked()] == [Put, Get]
    world.node.answer()
    assert world.asked() == []
    world.node.answer()
    assert [type(m) for m in world.asked()] == [List]
    assert client.replies() == [b"OK", None]
    world.node.answer()
    assert [type(m) for m in world.asked()] == [Put]
    world.run()
    assert client.replies() == [1, b"OK", b"PONG", 2, b"1"]


def test_requests_of_all_connections_in_one_turn_are_one_message_per_kind(world: World) -> None:
    clients = [world.client() for _ in range(50)]
    for number, client in enumerate(clients):
        client.send_all(f"GET k{number}", f"SET k{number + 100} v")
    assert sorted((type(m).__name__, len(m.keys)) for m in world.asked()) == [
        ("Get", 50),
        ("Put", 50),
    ]
    world.node.answer()
    world.node.answer()
    for client in clients:
        assert client.replies() == [None, b"OK"]
        assert client.transport.writes == 1


def test_a_column_is_cut_where_a_message_is_full(world: World, client: Client) -> None:
    many = [world.client() for _ in range(3)]
    for one in many:
        see_small_replies(world, one)
    for place, one in enumerate(many):
        one.send_all(*(f"GET k{place}:{i}" for i in range(500)))
    assert [len(m.keys) for m in world.asked()] == [1_000, 500]
    del client


def test_a_column_of_large_values_is_cut_in_bytes(world: World) -> None:
    value = bytes(1 << 20)
    for i in range(8):
        world.client().send_all([b"SET", b"k%d" % i, value])
    assert [len(m.keys) for m in world.asked()] == [5, 3]


def test_a_full_inbox_is_said_and_nothing_waits(world: World, client: Client) -> None:
    world.node.full = True
    client.send_all("SET a 1", "GET b", "MGET a b", "DBSIZE", "DEL a", "EXPIRE a 1")
    world.run()
    texts = [str(reply) for reply in client.replies()]
    assert len(texts) == 6
    assert all(text.startswith("OVERLOADED overloaded: this node") for text in texts)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.UNAVAILABLE, "UNAVAILABLE"),
        (Kind.UNKNOWN, "UNKNOWNOUTCOME"),
        (Kind.TIMEOUT, "TIMEOUT"),
        (Kind.INVALID, "ERR"),
    ],
)
def test_a_failed_entry_fails_its_own_command_only(
    world: World, client: Client, kind: Kind, code: str
) -> None:
    world.node.failing = lambda message, i: (
        Failure(kind, "because") if getattr(message, "keys", [b""])[i] == b"bad" else None
    )
    other = world.client()
    client.send_all("SET bad 1", "GET bad", "SET good 1")
    other.send_all("SET fine 1", "DEL bad")
    world.run()
    replies = client.replies()
    assert [str(r) for r in replies[:2]] == [f"{code} because"] * 2
    assert replies[2] == b"OK"
    replies = other.replies()
    assert (replies[0], str(replies[1])) == (b"OK", f"{code} because")


def test_a_command_behind_a_failed_write_runs(world: World, client: Client) -> None:
    world.node.failing = lambda message, i: (
        Failure(Kind.UNKNOWN, "x") if isinstance(message, Put) else None
    )
    client.send_all("SET a 1", "GET a")
    world.run()
    assert [str(r) for r in client.replies()] == ["UNKNOWNOUTCOME x", "None"]


# --- flow ------------------------------------------------------------------------------------


def see_small_replies(world: World, client: Client) -> None:
    """Let the connection learn that its replies are small."""
    for _ in range(4):
        client.send_all("PING")
        assert client.replies() == [b"PONG"]


def test_a_burst_of_gets_of_large_values_does_not_hold_them_all(
    world: World, client: Client
) -> None:
    client.send_all("SET large v")
    world.run()
    assert client.replies() == [b"OK"]
    record = world.node.records["default", b"large"]
    world.node.records["default", b"large"] = replace(record, value=bytes(1 << 20))
    fresh = world.client()
    fresh.send_all(*["GET large"] * 1_024)
    found = 0
    under_way = []
    while found < 1_024:
        world.turns()
        under_way.append(sum(len(message.keys) for message, _ in world.node.waiting))
        world.node.answer()
        found += len(fresh.replies())
    first = limits.RESP_HELD_BYTES_MAX // limits.RESP_REPLY_BYTES_GUESS
    assert under_way[0] == first
    assert max(under_way[1:]) <= limits.RESP_HELD_BYTES_MAX >> 20


def test_beyond_so_many_unanswered_commands_the_socket_is_not_read(
    world: World, client: Client
) -> None:
    see_small_replies(world, client)
    count = limits.RESP_UNANSWERED_MAX + 10
    client.send_all(*(f"GET k{i}" for i in range(count)))
    assert sum(len(m.keys) for m in world.asked()) == limits.RESP_UNANSWERED_MAX
    assert not client.transport.reading
    world.run()
    assert len(client.replies()) == count
    assert client.transport.reading


def test_a_client_that_takes_no_replies_is_not_read_and_loses_nothing(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1")
    world.run()
    assert client.replies() == [b"OK"]
    client.connection.pause_writing()
    assert not client.transport.reading
    client.send_all(*["GET a"] * 5)
    world.run()
    assert client.replies() == []
    client.connection.resume_writing()
    assert client.replies() == [b"1"] * 5
    assert client.transport.reading


def test_what_waits_for_an_answer_runs_although_nobody_takes_replies(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "GET a", "SET a 2")
    client.connection.pause_writing()
    world.run()
    assert world.node.records["default", b"a"].value == b"2"


def test_half_closed_connections_get_their_replies_before_they_close(
    world: World, client: Client
) -> None:
    client.send_all("SET a 1", "GET a", "DBSIZE", "GET a")
    assert client.connection.eof_received()
    world.run()
    assert client.replies() == [b"OK", b"1", 1, b"1"]
    assert client.transport.closed


def test_quit_answers_what_came_before_and_runs_nothing_after(world: World, client: Client) -> None:
    client.send_all("SET a 1", "QUIT", "SET b 1")
    world.run()
    assert client.replies() == [b"OK", b"OK"]
    assert client.transport.closed
    assert ("default", b"b") not in world.node.records


def test_a_protocol_error_is_said_last_and_closes(world: World, client: Client) -> None:
    client.send(encoded("SET a 1") + b"*1\r\n$-5\r\n" + encoded("SET b 1"))
    client.send(encoded("SET c 1"))
    world.run()
    ok, error = client.replies()
    assert (ok, str(error)) == (b"OK", "ERR Protocol error: invalid bulk length")
    assert client.transport.closed
    assert world.client().say("MGET a b c") == [b"1", None, None]


def test_a_lost_connection_leaves_nothing_behind(world: World, client: Client) -> None:
    client.send_all("SET a 1", "GET a", "GET b", "DBSIZE")
    world.turns()
    client.connection.connection_lost(None)
    world.run()
    assert client.replies() == []
    assert world.door.connected == 0
    assert client.connection.unanswered == 0


def test_the_books_of_a_busy_connection_stay_bounded(world: World, client: Client) -> None:
    keys = 0
    client.send_all("GET k0")
    for _ in range(20):
        client.send_all(*(f"GET k{keys + i}" for i in range(500)))
        keys += 500
        world.turns()
        while len(world.node.waiting) > 1:  # never everything: something stays unanswered
            world.node.answer()
            world.turns()
    order = client.connection._order
    assert len(order._reads) <= 5 * limits.RESP_UNANSWERED_MAX


# --- transactions ----------------------------------------------------------------------------


def test_exec_answers_one_array_with_a_reply_per_command(world: World, client: Client) -> None:
    client.send_all("MULTI", "SET a 1", "GET a", "DBSIZE", "LPUSH", "EXEC")
    world.run()
    replies = client.replies()
    assert replies[:4] == [b"OK", b"QUEUED", b"QUEUED", b"QUEUED"]
    assert str(replies[5]) == "EXECABORT Transaction discarded because of previous errors."
    client.send_all("MULTI", "SET a 1", "GET a", "INCR a", "DBSIZE", "GET a", "EXEC", "GET a")
    world.run()
    replies = client.replies()
    assert replies[:6] == [b"OK"] + [b"QUEUED"] * 5
    assert replies[6][:2] == [b"OK", b"1"]
    assert "needs a Raft keyspace" in str(replies[6][2])
    assert replies[6][3:] == [1, b"1"]
    assert replies[7] == b"1"


def test_what_follows_exec_waits_for_its_keys(world: World, client: Client) -> None:
    client.send_all("MULTI", "SET a 1", "SET b 1", "EXEC", "GET b", "GET c")
    assert [m.keys for m in world.asked()] == [[b"a", b"b"], [b"c"]]


def test_a_transaction_is_bounded(world: World, client: Client) -> None:
    value = bytes(1 << 20)
    client.send_all("MULTI", *([b"SET", b"a", value] for _ in range(17)), "EXEC")
    world.run()
    replies = client.replies()
    assert "a transaction holds at most" in str(replies[17])
    assert str(replies[18]).startswith("EXECABORT")


def test_transactions_end_as_redis_ends_them(client: Client) -> None:
    assert client.error("EXEC") == "ERR EXEC without MULTI"
    assert client.error("DISCARD") == "ERR DISCARD without MULTI"
    assert client.say("MULTI") == b"OK"
    assert client.error("MULTI") == "ERR MULTI calls can not be nested"
    assert client.error("WATCH a") == "ERR WATCH inside MULTI is not allowed"
    assert client.say("DISCARD") == b"OK"
    assert client.say("MULTI") == b"OK"
    assert client.say("EXEC") == []
    assert "needs a Raft keyspace" in client.error("WATCH a")
    assert client.say("UNWATCH") == b"OK"


def test_an_expiry_waits_like_any_write(world: World, client: Client) -> None:
    client.send_all("SET a 1", "EXPIRE a 10", "TTL a")
    assert [type(m) for m in world.asked()] == [Put]
    world.node.answer()
    assert [type(m) for m in world.asked()] == [Expire]
    world.run()
    assert client.replies() == [b"OK", 1, 10]
