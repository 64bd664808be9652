"""Commands in a Raft keyspace: the replies of Redis, one by one, and what only DynaKV says."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest

from dynakv.core import commands
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Put, Refused
from dynakv.node.raft_messages import Execute
from tests.raft_groups import keys_in_groups
from tests.resp.harness import Client, encoded
from tests.resp.raft import RaftWorld
from tests.resp.redis_replies import STORIES, Err, Story


@pytest.fixture
def raft() -> RaftWorld:
    return RaftWorld()


def plain(reply: Any) -> Any:
    """Return a reply with its errors as comparable texts."""
    if isinstance(reply, list):
        return [plain(one) for one in reply]
    return Err(reply) if isinstance(reply, Exception) else reply


@pytest.mark.parametrize("name", [*STORIES])
@pytest.mark.parametrize("protocol", [2, 3])
def test_the_replies_are_those_of_redis(raft: RaftWorld, name: str, protocol: int) -> None:
    client = raft.client()
    client.say(f"HELLO {protocol}")
    for command, reply in STORIES[name]:
        found = plain(client.say(command))
        assert found == reply, command
        assert isinstance(found, Err) is isinstance(reply, Err), command


def test_the_same_commands_are_refused_in_leaderless_keyspaces(client: Client) -> None:
    for command in (
        "SETNX a 1",
        "INCR a",
        "SET a 1 NX",
        "WATCH a",
        "RENAME a b",
        "INCRBYFLOAT a 1",
    ):
        assert client.error(command).endswith("it needs a Raft keyspace")


def test_what_one_step_cannot_do_says_so(raft: RaftWorld) -> None:
    client = raft.client()
    one, other = keys_in_groups(raft.raft.groups, "default", 2)
    pair = [one, b"1", other, b"2"]
    for words in ([b"MSETNX", *pair], [b"RENAME", one, other], [b"COPY", one, other]):
        text = client.error(words)
        assert text.startswith("CROSSSLOT Keys in request don't hash to the same slot")
        assert "a {hash tag} brings them together" in text
    assert client.say([b"MSET", *pair]) == b"OK"  # each on its own
    text = RaftWorld(hash_tags=False).client().error("MSETNX {t}a 1 {t}b 2 {t}c 3 {t}d 4")
    assert "a keyspace with hash tags lets them share one" in text
    assert client.error("INCRBYFLOAT a 1").startswith("ERR INCRBYFLOAT is not offered")
    assert client.error("EXPIRE a 1 XX LT").startswith("ERR XX and LT together are not offered")
    assert client.error("COPY a b DB 1").startswith("ERR COPY to another database")
    assert client.error("INCRBY a -9223372036854775808").endswith("would overflow")


def test_levels_are_refused_there(raft: RaftWorld) -> None:
    client = raft.client()
    client.say("DYNAKV.CONSISTENCY one")
    assert client.error("INCR a").startswith("ERR the Raft keyspace 'default' knows no levels")
    client.say("DYNAKV.CONSISTENCY default")
    assert client.say("INCR a") == 1


def test_values_without_an_expiry_take_that_of_the_keyspace() -> None:
    world = RaftWorld(default_ttl_ms=60_000)
    client = world.client()
    for command in ("SETNX {t}a 1", "GETSET {t}a 1", "SET {t}a 1 XX", "MSETNX {t}b 1"):
        client.say(command)
        assert client.say("PTTL {t}" + command.split("}")[1][0]) == 60_000, command
    client.say("PERSIST {t}a")
    client.say("SET {t}a 2 XX KEEPTTL")
    assert client.say("PTTL {t}a") == -1


def test_commands_of_one_turn_share_messages(raft: RaftWorld) -> None:
    clients = [raft.client() for _ in range(5)]
    for client in clients:
        client.send_all("INCR n", "GETSET {k}a 1", "APPEND b x")
    brief, shown = raft.asked()
    assert (type(brief), len(brief.batches), brief.previous) == (Execute, 10, False)
    assert (type(shown), len(shown.batches), shown.previous) == (Execute, 5, True)
    raft.run()
    assert sorted(client.replies()[0] for client in clients) == [1, 2, 3, 4, 5]


def test_large_batches_do_not_share_a_message(raft: RaftWorld) -> None:
    client = raft.client()
    keys = [b"{t}%d" % i for i in range(600)]
    client.send_all([b"MSETNX", *(word for key in keys for word in (key, b"1"))], "INCR n")
    client.send_all([b"MSETNX", *(word for key in keys for word in (key, b"2"))])
    raft.run()
    assert [sum(map(len, message.batches)) for message in raft.asked()] == [601, 600]
    assert client.replies() == [1, 1, 0]


def test_a_refusal_says_what_may_be_done_next(raft: RaftWorld) -> None:
    client = raft.client()
    for kind, code in ((Kind.UNAVAILABLE, "UNAVAILABLE"), (Kind.UNKNOWN, "UNKNOWNOUTCOME")):
        client.send_all("INCR a")
        raft.turns()
        _, answer = raft.node.waiting.popleft()
        answer(Refused([0], Failure(kind, "as told")))
        (reply,) = client.replies()
        assert str(reply) == f"{code} as told"
    raft.node.full = True
    assert client.error("INCR a").startswith("OVERLOADED")


def test_a_command_waits_for_earlier_ones_of_its_key(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("SET a 5", "INCR a", "GET a", "INCR b")
    put, execute = raft.asked()
    assert [batch[0].key for batch in execute.batches] == [b"b"]
    assert put.keys == [b"a"]
    raft.run()
    assert client.replies() == [b"OK", 6, b"6", 1]


def test_renaming_is_tried_again_where_the_value_changed(raft: RaftWorld) -> None:
    client = raft.client()
    client.say("SET {t}a 1")
    client.send_all("RENAME {t}a {t}b")
    raft.turns()
    raft.node.answer()
    raft.raft.groups.answer(Put("default", [b"{t}a"], [b"2"]))
    raft.run()
    assert client.replies() == [b"OK"]
    assert (raft.raft.value(b"{t}a"), raft.raft.value(b"{t}b")) == (None, b"2")


def test_renaming_gives_up_where_the_value_never_stands_still(raft: RaftWorld) -> None:
    client = raft.client()
    client.say("SET {t}a 0")
    client.send_all("RENAME {t}a {t}b")
    raft.turns()
    while raft.node.waiting:
        raft.node.answer()
        raft.raft.groups.answer(Put("default", [b"{t}a"], [b"1"]))
        raft.turns()
    (reply,) = client.replies()
    assert str(reply).startswith("OVERLOADED the keys changed 8 times")
    assert raft.raft.value(b"{t}b") is None


def test_conditions_are_checked_by_the_group_and_not_here(raft: RaftWorld) -> None:
    client = raft.client()
    client.send_all("SETNX a 1")
    (message,) = raft.asked()
    assert message.batches == [(commands.Put(b"a", b"1", condition=commands.IfAbsent()),)]


# --- against a real one ----------------------------------------------------------------------


class Redis:
    """A redis-server of its own."""

    def __init__(self, port: int, folder: Path) -> None:
        program = shutil.which("redis-server")
        assert program is not None
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                break
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._reader = hiredis.Reader()

    def say(self, command: str) -> Any:
        self._socket.sendall(encoded(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65536))
        return reply

    def stop(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Redis(port, tmp_path)
    yield server
    server.stop()


def told(server: Redis, story: Story) -> list[tuple[str, Any]]:
    server.say("FLUSHALL")
    return [(command, plain(server.say(command))) for command, _ in story]


@pytest.mark.slow
def test_redis_itself_says_the_same(redis: Redis) -> None:
    for name, story in STORIES.items():
        assert told(redis, story) == story, name
