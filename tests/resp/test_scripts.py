"""The scripts of redis-py's Lock, and no others."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest
import redis.asyncio.lock
import redis.exceptions
import redis.lock

from dynakv.node.messages import ClientMessage, ClientReply
from dynakv.resp import door, scripts
from tests.resp.harness import Client
from tests.resp.raft import RaftNode, RaftWorld

RELEASE = scripts.RELEASE.decode()
EXTEND = scripts.EXTEND.decode()
REACQUIRE = scripts.REACQUIRE.decode()


@pytest.fixture
def raft() -> RaftWorld:
    return RaftWorld()


@pytest.fixture
def holder(raft: RaftWorld) -> Client:
    """A client that holds a lock for 10 s, with the token `me`."""
    client = raft.client()
    assert client.say("SET lock me NX PX 10000") == b"OK"
    return client


@pytest.mark.parametrize("lock", [redis.lock.Lock, redis.asyncio.lock.Lock])
def test_they_are_those_of_the_redis_py_installed_here(lock: type) -> None:
    texts = {
        RELEASE: "LUA_RELEASE_SCRIPT",
        EXTEND: "LUA_EXTEND_SCRIPT",
        REACQUIRE: "LUA_REACQUIRE_SCRIPT",
    }
    for sha, name in texts.items():
        assert hashlib.sha1(getattr(lock, name).encode()).hexdigest() == sha, name


def test_only_the_holder_releases_a_lock(raft: RaftWorld, holder: Client) -> None:
    assert holder.say("SET lock other NX PX 10000") is None
    assert holder.say(f"EVALSHA {RELEASE} 1 lock other") == 0
    assert raft.raft.value(b"lock") == b"me"
    assert holder.say(f"evalsha {RELEASE.upper()} 1 lock me") == 1
    assert raft.raft.value(b"lock") is None
    assert holder.say(f"EVALSHA {RELEASE} 1 lock me") == 0


def test_only_the_holder_reacquires_a_lock(raft: RaftWorld, holder: Client) -> None:
    raft.sleep(9_000)
    assert holder.say(f"EVALSHA {REACQUIRE} 1 lock other 10000") == 0
    assert holder.say(f"EVALSHA {REACQUIRE} 1 lock me 10000") == 1
    assert holder.say("PTTL lock") == 10_000
    raft.sleep(10_001)
    assert holder.say(f"EVALSHA {REACQUIRE} 1 lock me 10000") == 0


def test_a_lock_is_extended_from_now_or_from_its_deadline(raft: RaftWorld, holder: Client) -> None:
    raft.sleep(1_000)
    assert holder.say(f"EVALSHA {EXTEND} 1 lock me 5000 0") == 1
    assert holder.say("PTTL lock") == 14_000
    assert holder.say(f"EVALSHA {EXTEND} 1 lock me 5000 1") == 1
    assert holder.say("PTTL lock") == 5_000
    for replaces in (0, 1):
        assert holder.say(f"EVALSHA {EXTEND} 1 lock other 5000 {replaces}") == 0
        assert holder.say(f"EVALSHA {EXTEND} 1 none me 5000 {replaces}") == 0
    holder.say("PERSIST lock")
    for replaces in (0, 1):
        assert holder.say(f"EVALSHA {EXTEND} 1 lock me 5000 {replaces}") == 0
    assert holder.say("PTTL lock") == -1


def test_a_lock_that_changed_hands_is_not_extended(raft: RaftWorld, holder: Client) -> None:
    other = raft.client()
    holder.send_all(f"EVALSHA {EXTEND} 1 lock me 5000 0")
    raft.turns()
    raft.node.answer()
    other.send_all("SET lock other PX 10000")
    raft.node.asked.clear()
    while raft.node.waiting or raft.asked():
        raft.node.answer(len(raft.node.waiting) - 1)  # the other one's write overtakes
    assert holder.replies() == [0]
    assert raft.raft.value(b"lock") == b"other"


def test_scripts_come_by_text_as_well(holder: Client) -> None:
    text = redis.lock.Lock.LUA_RELEASE_SCRIPT.encode()
    assert holder.say([b"SCRIPT", b"LOAD", text]) == scripts.RELEASE
    assert holder.say([b"EVAL", text, b"1", b"lock", b"other"]) == 0
    assert holder.say([b"EVAL", text, b"1", b"lock", b"me"]) == 1
    assert holder.say([b"SCRIPT", b"EXISTS", scripts.EXTEND, b"x"]) == [1, 0]
    assert holder.say("SCRIPT FLUSH") == b"OK"
    assert holder.say([b"SCRIPT", b"EXISTS", scripts.EXTEND]) == [1]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("EVAL return", "ERR wrong number of arguments for 'eval' command"),
        ("EVAL return 0", "ERR scripts do not run here"),
        ("EVALSHA abc 0", "NOSCRIPT No matching script. Please use EVAL."),
        ("SCRIPT LOAD return", "ERR scripts do not run here"),
        ("SCRIPT LOAD", "ERR wrong number of arguments for 'script|load' command"),
        ("SCRIPT EXISTS", "ERR wrong number of arguments for 'script|exists' command"),
        ("SCRIPT KILL", "ERR unknown subcommand 'KILL'"),
        (f"EVALSHA {RELEASE} x lock me", "ERR value is not an integer or out of range"),
        (f"EVALSHA {RELEASE} -1 lock", "ERR Number of keys can't be negative"),
        (f"EVALSHA {RELEASE} 3 lock me", "ERR Number of keys can't be greater than"),
        (f"EVALSHA {RELEASE} 0 lock", "ERR this script takes 1 key"),
        (f"EVALSHA {RELEASE} 1 lock", "ERR this script takes 1 arguments, not 0"),
        (f"EVALSHA {REACQUIRE} 1 lock me x", "ERR value is not an integer or out of range"),
    ],
)
def test_what_is_no_such_script_is_refused(holder: Client, command: str, text: str) -> None:
    assert holder.error(command).startswith(text)


def test_leaderless_keyspaces_have_no_locks(client: Client) -> None:
    assert client.error(f"EVALSHA {RELEASE} 1 lock me").endswith("it needs a Raft keyspace")
    assert client.error("EVALSHA abc 1 lock me").startswith("NOSCRIPT")


# --- redis-py itself -------------------------------------------------------------------------


class AtOnce(RaftNode):
    """A node that answers in the next turn of the loop."""

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        asyncio.get_running_loop().call_soon(self._answer, message, answer)
        return True

    def _answer(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> None:
        for part in self.groups.answer(message):
            answer(part)


def test_redis_py_locks_and_transacts() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(10):
            server = await door.serve(AtOnce(), "127.0.0.1:0")  # type: ignore[arg-type]
            async with redis.asyncio.Redis(port=server.port) as one:
                await locks(one)
                await transacts(one)
            await server.stop(1)

    async def locks(client: redis.asyncio.Redis) -> None:
        lock, other = client.lock("lock", timeout=5), client.lock("lock", timeout=5)
        assert await lock.acquire(blocking=False)
        assert not await other.acquire(blocking=False)
        assert await lock.extend(5)
        assert await lock.reacquire()
        assert await lock.owned()
        with pytest.raises(redis.exceptions.LockNotOwnedError):
            await other.do_release(b"no such token")
        await lock.release()
        async with other:
            assert await other.locked()
        assert not await other.locked()

    async def transacts(client: redis.asyncio.Redis) -> None:
        async def add(pipe: redis.asyncio.client.Pipeline) -> None:
            count = int(await pipe.get("{n}a") or 0)
            pipe.multi()
            pipe.set("{n}a", count + 1)
            pipe.incr("{n}b")

        await asyncio.gather(*(client.transaction(add, "{n}a") for _ in range(4)))
        assert await client.mget("{n}a", "{n}b") == [b"4", b"4"]

    asyncio.run(scenario())
