"""What the tests of bad input share: a cluster for a module, and that nothing in it changed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.harness import ALL, Clients, Cluster, eventually, planned

Contents = list[tuple[bytes, bytes, int, int, int]]

_PLANTED = {b"known": b"value", b"other": b"x" * 1000, b"\x00nul": b""}


def served(directory: Path) -> Iterator[Cluster]:
    """Yield a serving cluster with a few records; the body of a fixture."""

    async def begin(cluster: Cluster) -> None:
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving()
            await clients.until_writable()
            for place in range(len(clients)):
                # Larger than a frame of the data lane: the bulk lanes are open now, too.
                large = pb.PutRequest(key=b"warm", value=bytes(1 << 19), level=ALL)
                await eventually(lambda place=place, large=large: clients[place].Put(large))  # type: ignore[misc]
            for key, value in _PLANTED.items():
                await clients[0].Put(pb.PutRequest(key=key, value=value, level=ALL))

    with planned(directory) as cluster:
        asyncio.run(begin(cluster))
        yield cluster


async def contents(clients: Clients) -> list[Contents]:
    """Return what a list shows through each node: everything, with versions and deadlines."""
    return [await _listed(clients, place) for place in range(len(clients))]


async def _listed(clients: Clients, place: int) -> Contents:
    rows: Contents = []
    cursor = b""
    while True:
        page = await clients[place].List(pb.ListRequest(cursor=cursor), timeout=10)
        for e in page.entries:
            rows.append((e.key, e.value, e.stamp.time, e.stamp.writer, e.expires_at_ms))
        cursor = page.next_cursor
        if not cursor:
            return rows


async def assert_untouched(clients: Clients, before: list[Contents]) -> None:
    """Fail unless every node serves writes and reads, and shows what it showed before."""
    assert await contents(clients) == before
    for place in range(len(clients)):
        probe = b"probe/%d" % place
        await clients[place].Put(pb.PutRequest(key=probe, value=probe, level=ALL), timeout=10)
        found = await clients[place].Get(pb.GetRequest(key=probe, level=ALL), timeout=10)
        assert found.value == probe
        await clients[place].Delete(pb.DeleteRequest(key=probe, level=ALL), timeout=10)
    assert await contents(clients) == before
