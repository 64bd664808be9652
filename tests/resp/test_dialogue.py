import pytest

from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, changed
from dynakv.core.layout import KeyspaceId, KeyspaceSettings, Level
from tests.resp.harness import Client, World


def test_hello_tells_what_clients_look_for(client: Client) -> None:
    flat = client.say("HELLO")
    greeting = dict(zip(flat[::2], flat[1::2], strict=True))
    assert greeting[b"server"] == b"redis"
    assert greeting[b"proto"] == 2
    assert (greeting[b"mode"], greeting[b"role"]) == (b"standalone", b"master")
    assert greeting[b"modules"] == []
    greeting = client.say("HELLO 3 AUTH default x SETNAME me")
    assert (greeting[b"proto"], greeting[b"id"]) == (3, 1)
    assert client.say("CLIENT GETNAME") == b"me"


def test_a_greeting_changes_the_replies_behind_it_only(world: World, client: Client) -> None:
    client.send_all("GET a", "HELLO 3", "GET a", "HELLO 2", "GET a")
    world.run()
    data = client.taken()
    assert data.startswith(b"$-1\r\n%7\r\n")
    assert b"\r\n*0\r\n_\r\n*14\r\n" in data
    assert data.endswith(b"*0\r\n$-1\r\n")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        ("HELLO x", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 FOO", "ERR Syntax error in HELLO option 'FOO'"),
        (
            "HELLO 3 AUTH root x",
            "WRONGPASS invalid username-password pair or user is disabled.",
        ),
        ("AUTH root x", "WRONGPASS invalid username-password pair or user is disabled."),
        (
            "AUTH x",
            (
                "ERR AUTH <password> called without any password configured for the default user."
                " Are you sure your configuration is correct?"
            ),
        ),
        ("AUTH a b c", "ERR syntax error"),
        ("PING a b", "ERR wrong number of arguments for 'ping' command"),
        ("SELECT 2", "ERR DB index is out of range"),
        ("SELECT -1", "ERR DB index is out of range"),
        ("SELECT x", "ERR value is not an integer or out of range"),
        ("CLIENT", "ERR wrong number of arguments for 'client' command"),
        ("CLIENT FOO", "ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
        ("CLIENT SETNAME", "ERR wrong number of arguments for 'client|setname' command"),
        (
            "CLIENT MAINT_NOTIFICATIONS ON",
            "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
        ),
        ("CLIENT SETINFO foo bar", "ERR Unrecognized option 'foo'"),
        ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("LPUSH a b", "ERR unknown command 'LPUSH', with args beginning with: 'a' 'b' "),
        (
            "DYNAKV.CONSISTENCY two",
            "ERR consistency is 'two': one, quorum, all or default",
        ),
    ],
)
def test_mistakes_are_named_in_the_words_of_redis(client: Client, command: str, text: str) -> None:
    assert client.error(command) == text


def test_names_that_would_forge_a_client_list_are_refused(client: Client) -> None:
    expected = "ERR Client names cannot contain spaces, newlines or special characters."
    assert client.error([b"CLIENT", b"SETNAME", b"a\nid=7"]) == expected
    assert client.error([b"HELLO", b"3", b"SETNAME", b"a b"]) == expected
    assert client.say("CLIENT GETNAME") is None


def test_an_unknown_command_of_any_bytes_is_quoted_within_bounds(client: Client) -> None:
    text = client.error([b"\xff\r\n" * 100, b"x" * 1_000, b"y"])
    assert text.startswith("ERR unknown command '\\xff")
    assert len(text) < 1_000


def test_ping_and_echo(client: Client) -> None:
    assert client.say("PING") == b"PONG"
    assert client.say("ping hello") == b"hello"
    assert client.say("ECHO hello") == b"hello"


def test_select_changes_the_keyspace_of_later_commands(world: World, client: Client) -> None:
    client.say("SET a 1")
    assert client.say("SELECT 1") == b"OK"
    assert client.say("GET a") is None
    assert [m.keyspace for m in world.asked()] == ["default", "cache"]


def test_a_number_that_no_keyspace_has_is_refused(client: Client) -> None:
    assert client.error("SELECT 2") == "ERR DB index is out of range"
    assert client.error("SELECT 64") == "ERR DB index is out of range"
    assert client.error("SELECT -1") == "ERR DB index is out of range"


def test_a_keyspace_that_gets_a_number_can_be_selected_at_once(
    world: World, client: Client
) -> None:
    layout = world.node.layout()
    later = changed(layout, CreateKeyspace(KeyspaceSettings("new", redis_number=2)), KeyspaceId(7))
    world.node.the_layout = later
    assert client.say("SELECT 2") == b"OK"
    client.say("GET a")
    assert [m.keyspace for m in world.asked()] == ["new"]
    world.node.the_layout = changed(later, AlterKeyspace("new", redis_number=None), KeyspaceId(0))
    assert client.error("SELECT 2").startswith("ERR DB index is out of range")
    client.say("GET a")  # who selected it before stays there
    assert [m.keyspace for m in world.asked()][-1] == "new"


def test_commands_of_the_whole_database_act_on_the_selected_one(
    world: World, client: Client
) -> None:
    client.say("SELECT 1")
    for command in ("DBSIZE", "KEYS *", "SCAN 0", "RANDOMKEY", "FLUSHDB"):
        client.say(command)
    assert {m.keyspace for m in world.asked()} == {"cache"}
    client.say("FLUSHALL")
    assert {m.keyspace for m in world.asked()} == {"cache", "default"}


def test_the_level_is_chosen_per_connection(world: World, client: Client) -> None:
    assert client.say("DYNAKV.CONSISTENCY") == b"default"
    for word, level in (("one", Level.ONE), ("QUORUM", Level.QUORUM), ("all", Level.ALL)):
        assert client.say(f"DYNAKV.CONSISTENCY {word}") == b"OK"
        client.say("SELECT 1")
        client.send_all("GET a", "SET b 1", "MGET a b", "DEL a", "EXPIRE a 5")
        world.run()
        assert len(client.replies()) == 5
        assert {m.level for m in world.asked()} == {level}
        assert client.say("DYNAKV.CONSISTENCY") == word.lower().encode()
    world.client().say("GET a")
    assert [m.level for m in world.asked()] == [None]
    assert client.say("DYNAKV.CONSISTENCY default") == b"OK"
    client.say("GET a")
    assert [m.level for m in world.asked()] == [None]


def test_reset_brings_back_what_a_new_connection_has(world: World, client: Client) -> None:
    for command in ("HELLO 3 SETNAME me", "SELECT 1", "DYNAKV.CONSISTENCY one", "MULTI"):
        client.say(command)
    client.send_all("RESET", "GET a")
    world.run()
    assert client.taken() == b"+RESET\r\n$-1\r\n"
    assert world.asked()[-1].keyspace == "default"
    assert client.say("CLIENT GETNAME") is None
    assert client.say("DYNAKV.CONSISTENCY") == b"default"


def test_clients_see_themselves_and_each_other(world: World, client: Client) -> None:
    other = world.client()
    assert client.say("CLIENT ID") == 1
    assert other.say("CLIENT ID") == 2
    assert other.say("CLIENT SETNAME me") == b"OK"
    assert other.say("CLIENT SETINFO lib-name redis-py") == b"OK"
    world.now_ms += 3_000
    mine, others = client.say("CLIENT LIST").decode().splitlines()
    assert mine.startswith("id=1 addr=127.0.0.1:5 ")
    assert "name=me age=3 flags=N db=0 " in others
    assert "lib-name=redis-py" in others
    assert other.say("CLIENT INFO").decode().startswith("id=2 addr=127.0.0.1:5 laddr= name=me ")


def test_harmless_switches_are_accepted(client: Client) -> None:
    for command in ("NO-EVICT ON", "NO-TOUCH off", "REPLY ON", "TRACKING OFF"):
        assert client.say(f"CLIENT {command}") == b"OK"
    assert "client-side caching" in client.error("CLIENT TRACKING ON")
    assert client.say("CLIENT GETREDIR") == -1
    assert isinstance(client.say("CLIENT HELP"), list)
