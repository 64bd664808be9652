"""Real clients against a real cluster, and the same commands against a real Redis."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import redis.asyncio

from dynakv.server.ports import HOST, free_ports
from tests.process.harness import Clients, Cluster, planned
from tests.resp.harness import World, encoded

pytestmark = pytest.mark.slow

WITHIN_S = 60


def needs(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def run(*command: object, stdin: str = "") -> str:
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """The Redis ports of three nodes that serve."""
    with planned(tmp_path_factory.mktemp("cluster")) as cluster:
        found = free_ports(3)
        for node, port in zip(cluster.nodes, found, strict=True):
            node.words = [*node.words, "--listen-redis", f"{HOST}:{port}"]
        asyncio.run(serve(cluster))
        yield found


async def serve(cluster: Cluster) -> None:
    async with asyncio.timeout(WITHIN_S):
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving()
            await clients.until_writable()


@contextmanager
def connected(port: int, protocol: int = 3) -> Iterator[Any]:
    client = redis.Redis(host=HOST, port=port, protocol=protocol, decode_responses=True)
    client.flushdb()
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_works_as_its_users_know_it(ports: list[int], protocol: int) -> None:
    with connected(ports[0], protocol) as client:
        assert client.ping()
        assert client.set("a", "1")
        assert client.set("b", "2", ex=100)
        assert client.get("a") == "1"
        assert client.mget(["a", "b", "c"]) == ["1", "2", None]
        assert 0 < client.ttl("b") <= 100
        assert client.persist("b")
        assert client.expire("b", 10)
        assert client.exists("a", "b", "c") == 2
        assert client.delete("a", "c") == 1
        assert client.type("b") == "string"
        assert client.getrange("b", 0, -1) == "2"
        assert client.getex("b", ex=50) == "2"
        assert client.mset({f"k{i}": str(i) for i in range(300)})
        assert sorted(client.scan_iter("k*", count=50)) == sorted(f"k{i}" for i in range(300))
        assert len(client.keys("k?")) == 10
        assert client.dbsize() == 301
        assert client.randomkey()
        assert client.info()["loading"] == 0
        assert client.config_get("save") == {"save": ""}
        assert client.object("encoding", "k1") == "int"
        assert client.memory_usage("k1") > 0
        assert client.client_id() > 0
        assert client.client_list()
        assert client.time()
        assert client.command_count() > 50
        with pytest.raises(redis.ResponseError, match="needs a Raft keyspace"):
            client.incr("k1")
        assert client.execute_command("DYNAKV.CONSISTENCY", "all") in (True, "OK", b"OK")
        assert client.flushdb()
        assert client.dbsize() == 0


def test_redis_py_pipelines_with_and_without_transactions(ports: list[int]) -> None:
    with connected(ports[0]) as client:
        for transaction in (True, False):
            pipeline = client.pipeline(transaction=transaction)
            for i in range(500):
                pipeline.set(f"k{i}", i).get(f"k{i}")
            pipeline.incr("k1")
            results = pipeline.execute(raise_on_error=False)
            assert results[:-1] == [x for i in range(500) for x in (True, str(i))]
            assert "needs a Raft keyspace" in str(results[-1])


def test_what_one_node_took_another_one_shows(ports: list[int]) -> None:
    with connected(ports[0]) as one, connected(ports[2]) as other:
        assert one.set("a", "x" * 500_000)
        assert other.get("a") == "x" * 500_000
        cursor, _ = one.scan(0)
        while cursor:
            cursor, _ = other.scan(cursor)
        one.mset({f"k{i:03}": "v" for i in range(100)})
        cursor, first = one.scan(0, count=20)
        assert 20 <= len(first) < 101
        while cursor:  # deleted keys may lie behind the last one
            cursor, more = other.scan(cursor, count=100)
            first += more
        assert len(first) == len(set(first)) == 101


def test_redis_py_asyncio_with_many_tasks(ports: list[int]) -> None:
    async def scenario() -> None:
        client = redis.asyncio.Redis(host=HOST, port=ports[1], decode_responses=True)
        await asyncio.gather(*(client.set(f"t{i}", i) for i in range(80)))
        values = await asyncio.gather(*(client.get(f"t{i}") for i in range(80)))
        assert values == [str(i) for i in range(80)]
        await client.aclose()

    asyncio.run(scenario())


def test_redis_cli_works_interactively_and_in_bulk(ports: list[int]) -> None:
    cli = needs("redis-cli")
    assert run(cli, "-p", ports[0], "SET", "cli", "1").strip() == "OK"
    assert run(cli, "-3", "-p", ports[1], "GET", "cli").strip() == "1"
    script = "".join(f"SET bulk{i} {i}\n" for i in range(1_000))
    assert run(cli, "-p", ports[0], stdin=script).count("OK") == 1_000
    stream = b"".join(encoded(f"SET pipe{i} {i}") for i in range(5_000)).decode()
    said = run(cli, "-p", ports[0], "--pipe", stdin=stream)
    assert "errors: 0, replies: 5000" in said
    listed = run(cli, "-p", ports[2], "--scan", "--pattern", "pipe*")
    assert len(set(listed.split())) == 5_000


@pytest.mark.parametrize("pipeline", [1, 16])
def test_redis_benchmark_runs_without_an_error(ports: list[int], pipeline: int) -> None:
    tool = needs("redis-benchmark")
    said = run(
        tool,
        *("-p", ports[0], "-t", "ping_inline,ping_mbulk,set,get,mset", "-c", 20),
        *("-n", 2_000, "-r", 1_000, "-P", pipeline, "--csv"),
    )
    lines = said.splitlines()
    assert [line.split('"')[1].split()[0] for line in lines[1:]] == [
        "PING_INLINE",
        "PING_MBULK",
        "SET",
        "GET",
        "MSET",
    ]


# --- the same to a real Redis ----------------------------------------------------------------

# Commands whose replies, errors included, must be the same bytes in both protocol versions.
SAME = """
SET a Hello|GET a|get a|GET nope|GET|GET a b|SET a|SET a 1 FOO|SET a 1 EX|SET a 1 EX x
SET a 1 EX 0|SET a 1 PX -5|SET a 1 EX 10 PX 10|SET a 1 NX XX|SET a 1 EX 10 KEEPTTL|SET a 1 EX 01
SETEX a 0 v|SETEX a x v|PSETEX a -5 v|SETEX a 10 v|TTL a|SET a 12 KEEPTTL|TTL a|PERSIST a|PERSIST a
PERSIST nope|TTL a|PTTL a|EXPIRETIME a|PEXPIRETIME a|TTL nope|PTTL nope|EXPIRETIME nope
EXPIRE a x|EXPIRE a 10 FOO|EXPIRE a 10 NX XX|EXPIRE a 10 GT LT|EXPIRE nope 10|EXPIRE a 100|TTL a
EXPIRE a 9223372036854775807|GETEX a|GETEX a EX 0|GETEX a EX|GETEX a FOO|GETEX a PERSIST|TTL a
EXPIRE a -1|EXISTS a|SET a Hello|PEXPIREAT a 1|EXISTS a|SET a Hello|SET a Hello PXAT 1|GET a
MSET a 1 b 2 a 3|MGET a b c a|MSET a|MSET a 1 b|MGET|EXISTS a a b c|TOUCH a b c|DEL a a b c|DEL
UNLINK a|TYPE a|SET a Hello|TYPE a|STRLEN a|STRLEN nope|GETRANGE a 0 -1|GETRANGE a 1 3
GETRANGE a -3 -2|GETRANGE a 3 1|GETRANGE a -1 -3|GETRANGE a 0 -100|GETRANGE a x 1|GETRANGE nope 0 1
SUBSTR a 0 1|OBJECT ENCODING a|OBJECT ENCODING nope|SET n 12|OBJECT ENCODING n|OBJECT FOO a
OBJECT ENCODING|OBJECT REFCOUNT a|MEMORY USAGE nope|MEMORY USAGE a FOO 1
PING|PING a|PING a b|ECHO a|ECHO|SELECT 99999|SELECT x|SELECT -1|SELECT 0|AUTH a b|AUTH a|AUTH a b c
HELLO 9|HELLO x|CLIENT|CLIENT FOO|CLIENT SETNAME|CLIENT SETNAME me|CLIENT GETNAME|CLIENT GETREDIR
CLIENT NO-EVICT on|CLIENT NO-EVICT x|foo|foo a b|EXEC|DISCARD|MULTI|MULTI|PING|DISCARD|UNWATCH
MULTI|SET a 1|GET a|EXEC|MULTI|GET|EXEC|MULTI|nope|GET a|EXEC|MULTI|WATCH a|DISCARD|MULTI|EXEC
SCAN x|SCAN 0 COUNT 0|SCAN 0 FOO 1|SCAN 0 COUNT|SCAN 0 COUNT x|SCAN 0 MATCH n COUNT 100|KEYS|KEYS n
FLUSHDB FOO|FLUSHDB|DBSIZE|RANDOMKEY|KEYS *|SCAN 0|CONFIG GET save|CONFIG GET|CONFIG GET nope*
CONFIG FOO|COMMAND FOO|COMMAND GETKEYS GET a|COMMAND GETKEYS MSET a 1 b 2|COMMAND GETKEYS PING
COMMAND GETKEYS nope|COMMAND INFO nope|INFO nope|TIME a|DBSIZE a|RESET|GET nope
"""

PROTOCOL_ERRORS = [
    b"*x\r\n",
    b"*4000000000\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$9999999999\r\n",
    b"*1\r\n:5\r\n",
    b'GET "a\r\n',
    b"a" * (65 * 1024),
    b"PING\r\n*1\r\n$4\r\nPING\r\n*0\r\n*-1\r\n\r\n*1\r\nX\r\n",
]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = needs("redis-server")
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [server, "--port", str(port), "--bind", HOST, "--save", ""],
        cwd=tmp_path_factory.mktemp("redis"),
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(host=HOST, port=port)
    end = time.monotonic() + WITHIN_S
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < end
    client.close()
    yield port
    process.kill()
    process.wait()


def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, end the sending, return all that comes back."""

    async def talk() -> bytes:
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(data)
            answer = await reader.read()
            writer.close()
            return answer

    return asyncio.run(talk())


@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_are_the_same_bytes_as_those_of_redis(redis_port: int, protocol: int) -> None:
    client = World().client()
    hello = encoded(f"HELLO {protocol}")
    client.say(hello)
    differing = []
    commands = [command for line in SAME.split("\n") if line for command in line.split("|")]
    theirs = stepwise(redis_port, hello, commands)
    for command, reply in zip(commands, theirs, strict=True):
        client.send_all(command)
        client._world.run()
        mine = client.taken()
        if mine != reply:
            differing.append((command, mine, reply))
    assert not differing, "\n".join(f"{c}: {m!r} here, {t!r} there" for c, m, t in differing)


def stepwise(port: int, hello: bytes, commands: list[str]) -> list[bytes]:
    """Return Redis's reply to each command."""

    async def talk() -> list[bytes]:
        reader, writer = await asyncio.open_connection(HOST, port)
        replies = []
        for request in (encoded("FLUSHALL"), hello, *map(encoded, commands)):
            writer.write(request)
            # Redis writes a reply with one call, and none is larger than what one read takes.
            replies.append(await reader.read(1 << 20))
        writer.close()
        return replies[2:]

    return asyncio.run(asyncio.wait_for(talk(), WITHIN_S))


@pytest.mark.parametrize("data", PROTOCOL_ERRORS)
def test_protocol_errors_are_those_of_redis(redis_port: int, data: bytes) -> None:
    client = World().client()
    client.send(data)
    mine = client.taken()
    assert mine == exchange(redis_port, data)
    assert client.transport.closed


def test_a_node_survives_every_protocol_error(ports: list[int]) -> None:
    for data in PROTOCOL_ERRORS:
        assert b"-ERR Protocol error: " in exchange(ports[0], data)
    assert exchange(ports[0], encoded("PING") + encoded("QUIT")) == b"+PONG\r\n+OK\r\n"
