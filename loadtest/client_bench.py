"""`python -m loadtest.client_bench`: gets and puts a second of plain AsyncClient calls.

`--callers` tasks call get, then put, one key at a time in a closed loop, for `--seconds` seconds
each: with coalescing, without, and beside them a gRPC handler that does nothing (in a process of
its own), which is what a call costs at least. Without `--endpoints` it runs a demo cluster of three
nodes. The client shares the machine with the cluster: the figures are of the whole machine.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio

from dynakv import AsyncClient
from dynakv.errors import DynaKVError
from loadtest.cluster import cluster

EMPTY = "/empty.Empty/Nothing"


async def _measured(
    name: str, call: Callable[[], Awaitable[object]], options: argparse.Namespace
) -> None:
    """Print how many calls a second so many callers get through, and how long one takes."""
    end = time.monotonic() + options.seconds
    latencies: list[float] = []
    failed = 0

    async def caller() -> None:
        nonlocal failed
        while (began := time.monotonic()) < end:
            try:
                await call()
            except DynaKVError as error:
                failed += 1
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
            else:
                latencies.append(time.monotonic() - began)

    cpu = time.process_time()
    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(options.callers)))
    seconds = time.monotonic() - began
    latencies.sort()
    figures = {
        "what": name,
        "callers": options.callers,
        "per_second": round(len(latencies) / seconds),
        "failed": failed,
        "p50_ms": round(1000 * latencies[len(latencies) // 2], 2),
        "p99_ms": round(1000 * latencies[len(latencies) * 99 // 100], 2),
        "client_cpu_us": round(1e6 * (time.process_time() - cpu) / len(latencies), 1),
    }
    print(json.dumps(figures), flush=True)


async def _with_client(endpoints: list[str], options: argparse.Namespace, coalesce: bool) -> None:
    rng = random.Random(1)
    keys = [b"bench:%012d" % i for i in range(options.keys)]
    value = rng.randbytes(options.value_bytes)
    word = "coalesced" if coalesce else "one by one"
    async with AsyncClient(endpoints, coalesce=coalesce) as client:
        if coalesce:
            await client.put_many([(key, value) for key in keys])
        if "get" in options.kinds:
            await _measured(f"get, {word}", lambda: client.get(rng.choice(keys)), options)
        if "put" in options.kinds:
            await _measured(f"put, {word}", lambda: client.put(rng.choice(keys), value), options)


async def _serve_nothing() -> None:
    """Serve the empty handler until stdin ends; the first line says where."""
    server = grpc.aio.server()

    async def nothing(_request: bytes, _context: object) -> bytes:
        return b""

    handlers = {"Nothing": grpc.unary_unary_rpc_method_handler(nothing)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("empty.Empty", handlers),)
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(1)


async def _with_nothing(options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "loadtest.client_bench", "--serve-nothing"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as server:  # noqa: ASYNC220
        assert server.stdout is not None
        port = int(server.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(EMPTY)
            await _measured("empty gRPC handler", lambda: call(b"x" * 20), options)
        assert server.stdin is not None
        server.stdin.close()


async def _all(endpoints: list[str], options: argparse.Namespace) -> None:
    await _with_client(endpoints, options, coalesce=True)
    if not options.coalesced_only:
        await _with_client(endpoints, options, coalesce=False)
        await _with_nothing(options)


def main() -> None:
    """Measure and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", help="host:port,... (default: a demo cluster of three)")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--kinds", default="get,put")
    parser.add_argument("--coalesced-only", action="store_true")
    parser.add_argument("--serve-nothing", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_nothing:
        asyncio.run(_serve_nothing())
    elif options.endpoints:
        asyncio.run(_all(options.endpoints.split(","), options))
    else:
        with cluster() as endpoints:
            asyncio.run(_all(endpoints, options))


if __name__ == "__main__":
    main()
