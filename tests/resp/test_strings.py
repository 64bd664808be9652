import pytest

from dynakv import limits
from dynakv.errors import Failure, Kind
from dynakv.node.messages import KEEP_EXPIRY
from tests.resp.harness import WALL_MS, Client, World

SECOND = WALL_MS // 1000


def test_what_was_set_is_got(client: Client) -> None:
    assert client.say("GET a") is None
    assert client.say("SET a 1") == b"OK"
    assert client.say("get a") == b"1"
    assert client.say([b"SET", b"a", b""]) == b"OK"
    assert client.say("GeT a") == b""


@pytest.mark.parametrize(
    ("options", "ttl_ms", "expiry_ms"),
    [
        ("EX 10", 10_000, 0),
        ("px 10", 10, 0),
        (f"EXAT {SECOND + 5}", 0, (SECOND + 5) * 1000),
        (f"PXAT {WALL_MS + 5}", 0, WALL_MS + 5),
        ("KEEPTTL", 0, KEEP_EXPIRY),
    ],
)
def test_expiries_of_set_reach_the_node(
    world: World, client: Client, options: str, ttl_ms: int, expiry_ms: int
) -> None:
    assert client.say(f"SET a 1 {options}") == b"OK"
    (put,) = world.asked()
    assert (put.ttls_ms, put.expiries_ms) == ([ttl_ms], [expiry_ms])


def test_setex_and_psetex_are_sets_with_an_expiry(client: Client) -> None:
    assert client.say("SETEX a 10 v") == b"OK"
    assert client.say("PTTL a") == 10_000
    assert client.say("psetex a 500 w") == b"OK"
    assert (client.say("GET a"), client.say("PTTL a")) == (b"w", 500)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("SET a", "ERR wrong number of arguments for 'set' command"),
        ("GET a b", "ERR wrong number of arguments for 'get' command"),
        ("MSET a", "ERR wrong number of arguments for 'mset' command"),
        ("MSET a 1 b", "ERR wrong number of arguments for 'mset' command"),
        ("SET a 1 EX", "ERR syntax error"),
        ("SET a 1 FOO", "ERR syntax error"),
        ("SET a 1 EX 1 PX 1", "ERR syntax error"),
        ("SET a 1 EX 1 KEEPTTL", "ERR syntax error"),
        ("SET a 1 NX XX", "ERR syntax error"),
        ("SET a 1 EX x", "ERR value is not an integer or out of range"),
        ("SET a 1 EX 0", "ERR invalid expire time in 'set' command"),
        ("SET a 1 PX -1", "ERR invalid expire time in 'set' command"),
        ("SET a 1 EX 9223372036854775807", "ERR invalid expire time in 'set' command"),
        ("SETEX a 0 v", "ERR invalid expire time in 'setex' command"),
        ("PSETEX a -5 v", "ERR invalid expire time in 'psetex' command"),
        ("GETEX a EX 0", "ERR invalid expire time in 'getex' command"),
        ("GETEX a EX", "ERR syntax error"),
        ("GETEX a EX 1 PERSIST", "ERR syntax error"),
        ("GETRANGE a x 1", "ERR value is not an integer or out of range"),
    ],
)
def test_mistakes_are_named_in_the_words_of_redis(
    world: World, client: Client, command: str, text: str
) -> None:
    assert client.error(command) == text
    assert world.asked() == []


@pytest.mark.parametrize(
    "command",
    [
        "SETNX a 1",
        "GETSET a 1",
        "GETDEL a",
        "APPEND a 1",
        "SETRANGE a 0 x",
        "INCR a",
        "DECR a",
        "INCRBY a 2",
        "DECRBY a 2",
        "INCRBYFLOAT a 2",
        "MSETNX a 1",
        "SET a 1 NX",
        "SET a 1 XX EX 10",
        "SET a 1 GET",
        "EXPIRE a 10 NX",
        "PEXPIREAT a 10 GT",
        "RENAME a b",
        "RENAMENX a b",
        "COPY a b",
        "WATCH a",
    ],
)
def test_what_reads_and_writes_in_one_step_is_refused_and_says_why(
    world: World, client: Client, command: str
) -> None:
    text = client.error(command)
    assert text.startswith(f"ERR {command.split(maxsplit=1)[0]}")
    assert "leaderless keyspace 'default'" in text
    assert text.endswith("it needs a Raft keyspace")
    assert world.asked() == []


def test_getex_changes_the_expiry_of_a_key_that_is_there(world: World, client: Client) -> None:
    assert client.say("GETEX a EX 10") is None
    client.say("SET a 1")
    assert client.say("GETEX a") == b"1"
    assert client.say("TTL a") == -1
    assert client.say("GETEX a EX 10") == b"1"
    assert client.say("TTL a") == 10
    assert client.say("GETEX a PERSIST") == b"1"
    assert client.say("TTL a") == -1
    assert client.say("GETEX a PXAT 1") == b"1"
    assert client.say("GET a") is None


def test_many_keys_at_once(client: Client) -> None:
    assert client.say("MSET a 1 b 2 a 3") == b"OK"
    assert client.say("MGET a b c a") == [b"3", b"2", None, b"3"]


def test_more_keys_than_a_message_holds_become_several(world: World, client: Client) -> None:
    keys = [b"k%d" % i for i in range(2_500)]
    pairs = [word for key in keys for word in (key, key)]
    assert client.say([b"MSET", *pairs]) == b"OK"
    assert client.say([b"MGET", *keys]) == keys
    assert [len(m.keys) for m in world.asked()] == [1_000, 1_000, 500] * 2
    assert client.say([b"DEL", *keys]) == 2_500


def test_lengths_and_parts(client: Client) -> None:
    client.say("SET a Hello")
    assert client.say("STRLEN a") == 5
    assert client.say("STRLEN b") == 0
    for bounds, part in {
        "0 -1": b"Hello",
        "1 3": b"ell",
        "-3 -2": b"ll",
        "3 1": b"",
        "-1 -3": b"",
        "0 -100": b"H",
        "-100 1": b"He",
        "5 10": b"",
        "2 100": b"llo",
    }.items():
        assert client.say(f"GETRANGE a {bounds}") == part, bounds
    assert client.say("SUBSTR a 0 0") == b"H"
    assert client.say("GETRANGE b 0 -1") == b""


@pytest.mark.parametrize("command", [[b"GET"], [b"DEL"], [b"TTL"], [b"EXISTS", b"a"], [b"MGET"]])
def test_keys_outside_their_bounds_harm_nobody_else(
    world: World, client: Client, command: list[bytes]
) -> None:
    world.client().send_all("GET fine")
    for key, what in ((b"", "is empty"), (b"x" * 4_097, "has 4097 bytes")):
        text = client.error([*command, key])
        assert text == f"ERR key {what}: 1 to 4096 bytes are allowed"
    assert client.say([b"EXISTS", b"x" * 4_096]) == 0


def test_a_value_above_the_limit_is_refused_alone(world: World) -> None:
    world = World(value_bytes_max=10)
    client = world.client()
    client.send_all([b"SET", b"a", b"x" * 10], [b"SET", b"b", b"x" * 11], [b"SET", b"c", b""])
    world.run()
    good, bad, fine = client.replies()
    assert (good, fine) == (b"OK", b"OK")
    text = "value has 11 bytes: at most 10 are allowed (limits.value_bytes_max)"
    assert str(bad) == f"ERR {text}"
    assert client.error([b"MSET", b"a", b"x" * 11]) == f"ERR {text}"
    assert client.error([b"SETEX", b"a", b"1", b"x" * 11]) == f"ERR {text}"


def test_one_unknown_outcome_makes_that_of_all_unknown(world: World, client: Client) -> None:
    kinds = [Kind.UNAVAILABLE, Kind.UNKNOWN, Kind.UNAVAILABLE]
    world.node.failing = lambda message, i: Failure(kinds[i], kinds[i].value)
    assert client.error("MSET a 1 b 2 c 3") == "UNKNOWNOUTCOME unknown"


def test_an_mset_says_how_much_of_it_failed(world: World, client: Client) -> None:
    world.node.failing = lambda message, i: Failure(Kind.UNKNOWN, "who knows") if i else None
    assert client.error("MSET a 1 b 2 c 3") == (
        "UNKNOWNOUTCOME 2 of 3 keys failed, the others did not: who knows"
    )
    assert limits.REQUEST_KEYS_MAX == 1_000
