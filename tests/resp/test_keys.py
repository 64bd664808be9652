import pytest

from tests.resp.harness import WALL_MS, Client, World


def test_del_counts_what_it_observed(client: Client) -> None:
    client.say("MSET a 1 b 2")
    assert client.say("DEL a") == 1
    assert client.say("DEL a") == 0
    assert client.say("UNLINK a b b c") == 1


def test_exists_counts_a_key_as_often_as_it_is_named(client: Client) -> None:
    client.say("MSET a 1 b 2")
    assert client.say("EXISTS a a b c") == 3
    assert client.say("TOUCH a c") == 1
    assert client.say("TYPE a") == b"string"
    assert client.say("TYPE c") == b"none"


def test_times_to_live(world: World, client: Client) -> None:
    assert client.say("TTL a") == client.say("PTTL a") == client.say("EXPIRETIME a") == -2
    client.say("SET a 1")
    assert client.say("TTL a") == client.say("PTTL a") == client.say("PEXPIRETIME a") == -1
    assert client.say("EXPIRE a 100") == 1
    world.now_ms += 600
    assert client.say("PTTL a") == 99_400
    assert client.say("TTL a") == 99
    assert client.say("PEXPIRETIME a") == WALL_MS + 100_000
    assert client.say("EXPIRETIME a") == WALL_MS // 1000 + 100
    assert client.say("PERSIST a") == 1
    assert client.say("PERSIST a") == 0
    assert client.say("PERSIST b") == 0
    assert client.say("TTL a") == -1


@pytest.mark.parametrize(
    ("command", "left_ms"),
    [
        ("EXPIRE a 10", 10_000),
        ("PEXPIRE a 10", 10),
        (f"EXPIREAT a {WALL_MS // 1000 + 7}", 7_000),
        (f"PEXPIREAT a {WALL_MS + 7}", 7),
    ],
)
def test_each_way_to_say_when(client: Client, command: str, left_ms: int) -> None:
    assert client.say(command) == 0
    client.say("SET a 1")
    assert client.say(command.lower()) == 1
    assert client.say("PTTL a") == left_ms


@pytest.mark.parametrize("command", ["EXPIRE a 0", "EXPIRE a -1", "PEXPIREAT a -5", "EXPIREAT a 1"])
def test_an_expiry_in_the_past_deletes(client: Client, command: str) -> None:
    client.say("SET a 1")
    assert client.say(command) == 1
    assert client.say("EXISTS a") == 0


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("EXPIRE a x", "ERR value is not an integer or out of range"),
        ("EXPIRE a 9223372036854775807", "ERR invalid expire time in 'expire' command"),
        ("EXPIRE a 10 FOO", "ERR Unsupported option FOO"),
        (
            "EXPIRE a 10 NX XX",
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        ("EXPIRE a 10 GT LT", "ERR GT and LT options at the same time are not compatible"),
        ("OBJECT FOO a", "ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
        ("OBJECT ENCODING", "ERR wrong number of arguments for 'object|encoding' command"),
        ("MEMORY DOCTOR", "ERR unknown subcommand 'DOCTOR'. Try MEMORY HELP."),
        ("MEMORY USAGE a SAMPLES", "ERR wrong number of arguments for 'memory|usage' command"),
        ("MEMORY USAGE a FOO 1", "ERR syntax error"),
    ],
)
def test_mistakes_are_named_in_the_words_of_redis(client: Client, command: str, text: str) -> None:
    assert client.error(command) == text


def test_a_value_from_outside(world: World, client: Client) -> None:
    assert client.say("OBJECT ENCODING a") is None
    assert client.say("MEMORY USAGE a") is None
    for value, encoding in ((b"12", b"int"), (b"x" * 44, b"embstr"), (b"x" * 45, b"raw")):
        client.say([b"SET", b"a", value])
        assert client.say("OBJECT ENCODING a") == encoding
    assert client.say("MEMORY USAGE a SAMPLES 0") == 72 + 1 + 45
    assert client.say("OBJECT REFCOUNT a") == 1
    world.now_ms += 5_000
    assert client.say("OBJECT IDLETIME a") == 5
    assert isinstance(client.say("OBJECT HELP"), list)
    assert "not tracked" in client.error("OBJECT FREQ a")
