"""The synchronous client: threads, its background loop, and what `import dynakv` costs."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import dynakv
from dynakv import Client
from dynakv.client.results import BatchError
from dynakv.errors import RefusedError, UsageError
from tests.client.fakes import World


def test_all_methods_do_what_those_of_the_asynchronous_client_do(world: World) -> None:
    with Client(world.endpoints) as client:
        written = client.put("k", "v", ttl=timedelta(days=1))
        assert client.get("k") == b"v"
        assert client.get_entry("k").stamp == written.stamp
        assert client.expire("k", timedelta(seconds=1))
        assert client.persist("k")
        assert client.delete("k").stamp > written.stamp
        client.put_many([("a", "1"), ("b", "2"), ("c", "3")])
        assert client.get_many(["a", "b"]) == [b"1", b"2"]
        client.delete_many(["b"])
        with client.pipeline() as pipe:
            pipe.put("p", "1")
            read = pipe.get("p")
        assert read.result() == b"1"
        assert client.pipeline().execute() == []
        world.values.pop(b"k")
        world.values.pop(b"b")
        assert [entry.key for entry in client.list()] == [b"a", b"c", b"p"]
        assert client.count(prefix="a") == 1
        assert len(client.ring().members) == 3


def test_threads_share_a_client(world: World) -> None:
    with Client(world.endpoints) as client, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: client.put(f"k{i}", str(i)), range(200)))
        found = list(pool.map(lambda i: client.get(f"k{i}"), range(200)))
    assert found == [str(i).encode() for i in range(200)]


CALLS: list[Callable[[Client], object]] = [
    lambda c: c.get("k"),
    lambda c: c.put("k", "v"),
    lambda c: c.get_many(["k"]),
    lambda c: list(c.list()),
    lambda c: c.ring(),
    lambda c: c.pipeline().execute(),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("is_used", [True, False])
def test_a_closed_client_refuses_calls(
    world: World, call: Callable[[Client], object], is_used: bool
) -> None:
    client = Client(world.endpoints)
    if is_used:
        client.get("k")
    client.close()
    client.close()
    with pytest.raises(RefusedError, match="this client is closed; nothing was sent"):
        call(client)


def test_errors_come_through_and_no_thread_stays_behind() -> None:
    before = threading.active_count()
    with Client("127.0.0.1:1", timeout=0.05) as client:
        with pytest.raises(UsageError, match="key has 0 bytes"):
            client.get("")
        with pytest.raises(RefusedError, match=r"tried 127\.0\.0\.1:1;"):
            client.get("k")
        with pytest.raises(RefusedError, match="no endpoint answered"), client.pipeline() as pipe:
            later = pipe.get("k")
        with pytest.raises(RefusedError, match="no endpoint answered"):
            later.result()
    assert threading.active_count() == before


def test_a_batch_error_names_its_first_entry() -> None:
    error = BatchError(["fine", UsageError("no")])
    assert str(error) == "1 of 2 entries failed; entry 1: UsageError: no"


def test_importing_the_package_imports_no_client() -> None:
    script = "import dynakv, sys; print([m for m in ('grpc', 'asyncio') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'dynakv' has no attribute 'Klient'"):
        dynakv.Klient  # noqa: B018
