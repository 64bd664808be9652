"""`python -m loadtest.grpc_bench`: puts and gets a second over gRPC, closed loop.

Each of `--workers` asyncio workers, spread over `--processes` processes and all nodes, sends one
Pipeline message of `--batch` requests after the other, for `--seconds` seconds of puts and as many
of gets over `--keys` uniform keys. Without `--endpoints` it runs a demo cluster of three nodes. The
generator shares the machine with the cluster: the figures are of the whole machine.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import sys
import time

import grpc

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc as rpc
from loadtest.cluster import cluster


def _request(kind: str, options: argparse.Namespace, rng: random.Random) -> pb.PipelineRequest:
    keys = [b"bench:%012d" % rng.randrange(options.keys) for _ in range(options.batch)]
    if kind == "put":
        values = [rng.randbytes(options.value_bytes) for _ in keys]
        step = pb.Step(put=pb.PutStep(keys=keys, values=values))
    else:
        step = pb.Step(get=pb.GetStep(keys=keys))
    return pb.PipelineRequest(steps=[step])


async def _worker(
    stub: rpc.KVStoreStub, kind: str, options: argparse.Namespace, rng: random.Random
) -> tuple[int, int, list[float]]:
    done = failed = 0
    latencies: list[float] = []
    requests = [_request(kind, options, rng) for _ in range(20)]
    end = time.monotonic() + options.seconds
    while True:
        began = time.monotonic()
        if began >= end:
            return done, failed, latencies
        try:
            reply = await stub.Pipeline(rng.choice(requests), timeout=10)
        except grpc.aio.AioRpcError as error:
            failed += options.batch
            print(error.details(), file=sys.stderr)
            continue
        bad = sum(len(e.entries) for result in reply.results for e in result.errors)
        done += options.batch - bad
        failed += bad
        latencies.append(time.monotonic() - began)


async def _run(
    kind: str, endpoints: list[str], workers: int, options: argparse.Namespace, seed: int
):
    rng = random.Random(seed)
    channels = [grpc.aio.insecure_channel(endpoint) for endpoint in endpoints]
    stubs = [rpc.KVStoreStub(channel) for channel in channels]
    for stub in stubs:
        await stub.Handshake(pb.HandshakeRequest(), wait_for_ready=True, timeout=10)
    results = await asyncio.gather(
        *(
            _worker(stubs[i % len(stubs)], kind, options, random.Random(rng.random()))
            for i in range(workers)
        )
    )
    for channel in channels:
        await channel.close()
    return results


def _process(kind, endpoints, workers, options, seed, results) -> None:
    results.put(asyncio.run(_run(kind, endpoints, workers, options, seed)))


def measure(kind: str, endpoints: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Run one kind of request and return what came of it."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    share = max(options.workers // options.processes, 1)
    processes = [
        context.Process(target=_process, args=(kind, endpoints, share, options, seed, queue))
        for seed in range(options.processes)
    ]
    for process in processes:
        process.start()
    parts = [part for _ in processes for part in queue.get(timeout=options.seconds + 60)]
    for process in processes:
        process.join()
    latencies = sorted(latency for _, _, some in parts for latency in some)
    return {
        "kind": kind,
        "batch": options.batch,
        "workers": share * options.processes,
        "per_second": round(sum(done for done, _, _ in parts) / options.seconds),
        "failed": sum(failed for _, failed, _ in parts),
        "p50_ms": round(1000 * latencies[len(latencies) // 2], 2),
        "p99_ms": round(1000 * latencies[len(latencies) * 99 // 100], 2),
    }


def main() -> None:
    """Measure puts, then gets, and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", help="host:port,... (default: a demo cluster of three)")
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="requests per message")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--kinds", default="put,get")
    options = parser.parse_args()
    if options.endpoints:
        for kind in options.kinds.split(","):
            print(json.dumps(measure(kind, options.endpoints.split(","), options)), flush=True)
        return
    with cluster() as endpoints:
        for kind in options.kinds.split(","):
            print(json.dumps(measure(kind, endpoints, options)), flush=True)


if __name__ == "__main__":
    main()
