import pytest

from dynakv import limits
from dynakv.errors import Failure, Kind
from dynakv.node.messages import List, Put
from dynakv.resp.cursors import cursor_of
from tests.resp.harness import Client, World


def fill(client: Client, count: int, prefix: str = "k") -> list[bytes]:
    keys = [f"{prefix}{i:04}".encode() for i in range(count)]
    for start in range(0, count, 500):
        pairs = [word for key in keys[start : start + 500] for word in (key, b"v")]
        assert client.say([b"MSET", *pairs]) == b"OK"
    return keys


def scan_all(client: Client, *options: str) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    cursor, steps = b"0", 0
    while True:
        cursor, keys = client.say(" ".join(("SCAN", cursor.decode(), *options)))
        found += keys
        steps += 1
        if cursor == b"0":
            return found, steps


def test_keys_lists_what_matches_and_looks_no_further_than_the_prefix(
    world: World, client: Client
) -> None:
    keys = fill(client, 600)
    fill(client, 300, "other")
    world.asked()
    assert client.say("KEYS k*") == keys
    assert [(m.start, m.end) for m in world.asked()] == [(b"k", b"l")] * 3
    assert client.say("KEYS *01") == [k for k in client.say("KEYS *") if k.endswith(b"01")]
    assert client.say("KEYS nothing") == []


def test_scan_sees_every_key_once_in_steps_of_count(client: Client) -> None:
    keys = fill(client, 95)
    assert scan_all(client) == (keys, 10)
    assert scan_all(client, "COUNT", "50") == (keys, 2)
    assert scan_all(client, "COUNT", "100000") == (keys, 1)
    assert scan_all(client, "MATCH", "*7") == ([k for k in keys if k.endswith(b"7")], 10)
    assert scan_all(client, "TYPE", "string", "COUNT", "99") == (keys, 1)
    assert scan_all(client, "TYPE", "hash", "COUNT", "99") == ([], 1)


def test_a_count_above_a_page_takes_several_pages(world: World, client: Client) -> None:
    fill(client, 1_000)
    cursor, keys = client.say("SCAN 0 COUNT 700")
    assert len(keys) >= 700
    assert cursor != b"0"


def test_a_cursor_can_be_used_again_and_on_another_connection(world: World, client: Client) -> None:
    fill(client, 30)
    cursor, _ = client.say("SCAN 0")
    second = client.say(f"SCAN {cursor.decode()}")
    assert client.say(f"SCAN {cursor.decode()}") == second
    assert world.client().say(f"SCAN {cursor.decode()}") == second


def test_a_cursor_of_another_node_or_a_former_life_is_found_again(
    world: World, client: Client
) -> None:
    keys = fill(client, 700)
    cursor, _ = client.say("SCAN 0 COUNT 300")
    world.door.cursors._keys.clear()
    found = client.say(f"SCAN {cursor.decode()} COUNT 5000")
    assert found == [b"0", keys[keys.index(found[1][0]) :]]
    assert cursor_of("default", keys[keys.index(found[1][0]) - 1]) == int(cursor)


def test_cursors_fit_a_signed_number_of_64_bits() -> None:
    assert all(0 < cursor_of("default", b"%d" % i) < 1 << 63 for i in range(10_000))


@pytest.mark.parametrize("cursor", ["x", "-1", "18446744073709551616", "1" * 40, "1.0"])
def test_what_is_no_cursor_is_refused(world: World, client: Client, cursor: str) -> None:
    assert client.error(f"SCAN {cursor}") == "ERR invalid cursor"
    assert world.asked() == []


def test_a_cursor_that_nobody_gave_is_an_error_and_not_a_silent_end(client: Client) -> None:
    fill(client, 3)
    assert client.error("SCAN 12345").startswith("ERR invalid cursor: this node did not give it")


@pytest.mark.parametrize(
    "options", ["COUNT", "COUNT 0", "COUNT -1", "MATCH", "FOO 1", "TYPE string COUNT"]
)
def test_scan_options_that_are_none(client: Client, options: str) -> None:
    assert client.error(f"SCAN 0 {options}") == "ERR syntax error"


def test_scan_walks_over_deleted_keys_to_the_next_that_exists(client: Client) -> None:
    keys = fill(client, 600)
    assert client.say([b"DEL", *keys[10:590]]) == 580
    assert scan_all(client, "COUNT", "10")[0] == keys[:10] + keys[590:]


def test_one_step_of_a_scan_is_bounded_also_among_deleted_keys(
    world: World, client: Client
) -> None:
    keys = fill(client, 200)
    client.say([b"DEL", *keys[:199]])
    world.node.page_keys = 10
    world.asked()
    cursor, found = client.say("SCAN 0")
    assert found == []
    assert len(world.asked()) == 16
    assert client.say(f"SCAN {cursor.decode()}") == [b"0", [keys[-1]]]


def test_dbsize_counts_by_looking(client: Client) -> None:
    keys = fill(client, 700)
    assert client.say("DBSIZE") == 700
    client.say([b"DEL", *keys[:500]])
    assert client.say("DBSIZE") == 200


def test_randomkey_draws_from_all_of_a_small_keyspace(client: Client) -> None:
    assert client.say("RANDOMKEY") is None
    keys = fill(client, 4)
    assert {client.say("RANDOMKEY") for _ in range(60)} == set(keys)


def test_randomkey_looks_at_a_bounded_part(world: World, client: Client) -> None:
    fill(client, 300)
    world.node.page_keys = 2
    world.asked()
    client.say("RANDOMKEY")
    assert len(world.asked()) == limits.RESP_SAMPLE_PAGES_MAX


def test_flushdb_empties_one_keyspace_page_by_page(world: World, client: Client) -> None:
    fill(client, 600)
    client.say("SELECT 1")
    fill(client, 3)
    client.say("SELECT 0")
    world.asked()
    assert client.say("FLUSHDB") == b"OK"
    assert [type(m) for m in world.asked()] == [List, Put] * 3
    assert client.say("DBSIZE") == 0
    client.say("SELECT 1")
    assert client.say("DBSIZE") == 3
    assert client.say("FLUSHDB ASYNC") == b"OK"
    assert client.say("DBSIZE") == 0
    assert client.error("FLUSHDB FOO") == "ERR syntax error"


def test_flushall_empties_all_that_have_a_number(client: Client) -> None:
    fill(client, 3)
    client.say("SELECT 1")
    fill(client, 3)
    assert client.say("FLUSHALL") == b"OK"
    assert client.say("DBSIZE") == 0
    client.say("SELECT 0")
    assert client.say("DBSIZE") == 0


def test_a_flush_that_fails_says_how_far_it_came(world: World, client: Client) -> None:
    fill(client, 300)
    lists = 0

    def failing(message: object, entry: int) -> Failure | None:
        nonlocal lists
        lists += isinstance(message, List)
        return Failure(Kind.UNAVAILABLE, "too few replicas") if lists == 2 else None

    world.node.failing = failing
    text = client.error("FLUSHDB")
    assert text == "UNAVAILABLE stopped after 256 deleted keys: too few replicas"


@pytest.mark.parametrize("command", ["KEYS *", "SCAN 0", "SCAN 77", "DBSIZE", "RANDOMKEY"])
def test_a_list_that_fails_is_an_error(world: World, client: Client, command: str) -> None:
    world.node.failing = lambda message, i: Failure(Kind.TIMEOUT, "too slow")
    assert client.error(command) == "TIMEOUT too slow"


def test_long_work_for_a_client_that_is_gone_stops(world: World, client: Client) -> None:
    fill(client, 600)
    client.send_all("KEYS *")
    world.turns()
    client.connection.connection_lost(None)
    world.asked()
    world.run()
    assert world.asked() == []


def test_a_cursor_stands_at_a_key_that_exists_where_the_page_ends_in_deleted_ones(
    client: Client,
) -> None:
    keys = fill(client, 30)
    client.say([b"DEL", *keys[4:10]])
    cursor, found = client.say("SCAN 0 COUNT 4")
    assert found == keys[:4]
    client.say([b"DEL", *keys[10:20]])
    cursor, found = client.say("SCAN 0 COUNT 5")
    assert found == [*keys[:4], keys[20]]
    assert int(cursor) == cursor_of("default", keys[20])
