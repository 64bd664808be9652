"""`python -m loadtest.latency`: what a lone request waits for, against what it cannot do without.

One connection, one request at a time. A durable put cannot be faster than one fsync (a write of
4 KiB and fdatasync) and one empty gRPC round trip (Handshake); a get not faster than the round
trip. All four are measured in turn within each round, so that a machine that others use as well
slows all of them alike. The medians of all samples are compared.

The fsync goes to `--directory`, which must be on the file system of the cluster's data: a demo
cluster keeps them where temporary files lie (TMPDIR), and so does this by default.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc

from dynakv.client.endpoints import endpoints as endpoints_of
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc
from loadtest.cluster import cluster
from loadtest.generator import OPTIONS
from loadtest.keys import name

BLOCK_BYTES: Final = 4_096
FILE_BLOCKS: Final = 256  # written once before: then fdatasync has no metadata to write
CALL_S: Final = 10.0
PER_TURN: Final = 10  # samples of one kind before it is the next one's turn
KINDS: Final = ("handshake", "get", "fsync", "put")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    with (
        _endpoint(options.endpoints) as endpoint,
        _fsync(options.directory) as fsync,
        grpc.insecure_channel(endpoint, options=OPTIONS) as channel,
    ):
        samples = measure(_requests(channel, fsync, options), options.rounds)
    report = compared(samples)
    report["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    report["load_average"] = os.getloadavg()
    if options.json:
        print(json.dumps(report))
        return
    load = os.getloadavg()[0]
    print(f"{report['date']}, {options.rounds * PER_TURN} samples a kind, load average {load:.1f}")
    for line in as_lines(report):
        print(line)


def measure(
    requests: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each request, the kinds taking turns; the first round counts not."""
    samples: dict[str, list[float]] = {kind: [] for kind in requests}
    for turn in range(rounds + 1):
        for kind, request in requests.items():
            for _ in range(PER_TURN):
                began = clock()
                request()
                if turn:
                    samples[kind].append(clock() - began)
    return samples


def compared(samples: dict[str, list[float]]) -> dict[str, object]:
    """Return medians in us and what get and put are of one fsync plus one round trip."""
    p50 = {kind: statistics.median(some) * 1e6 for kind, some in samples.items()}
    floor = p50["fsync"] + p50["handshake"]
    return {
        "p50_us": {kind: round(us, 1) for kind, us in p50.items()},
        "floor_us": round(floor, 1),
        "get_of_floor": round(p50["get"] / floor, 3),
        "put_of_floor": round(p50["put"] / floor, 3),
    }


def as_lines(report: dict[str, object]) -> Iterator[str]:
    """Yield the report for people."""
    p50 = report["p50_us"]
    assert isinstance(p50, dict)
    yield f"{'fsync of 4 KiB':32} {p50['fsync']:10,.0f} us"
    yield f"{'empty gRPC round trip':32} {p50['handshake']:10,.0f} us"
    yield f"{'both together':32} {report['floor_us']:10,.0f} us"
    for kind in ("get", "put"):
        title = f"p50 of a lone {kind}"
        yield f"{title:32} {p50[kind]:10,.0f} us   {report[f'{kind}_of_floor']:.2f} of both"


def _requests(
    channel: grpc.Channel, fsync: Callable[[], None], options: argparse.Namespace
) -> dict[str, Callable[[], object]]:
    """Return one callable a kind, each sending a request and waiting for its end."""
    stub = kvstore_pb2_grpc.KVStoreStub(channel)  # type: ignore[no-untyped-call]
    value = os.urandom(options.value_bytes)
    for i in range(options.keys):
        stub.Put(pb.PutRequest(key=name(i), value=value), timeout=CALL_S, wait_for_ready=True)
    count = iter(range(sys.maxsize))

    def key() -> bytes:
        return name(next(count) % options.keys)

    requests = {
        "handshake": lambda: stub.Handshake(pb.HandshakeRequest(), timeout=CALL_S),
        "get": lambda: stub.Get(pb.GetRequest(key=key()), timeout=CALL_S),
        "fsync": fsync,
        "put": lambda: stub.Put(pb.PutRequest(key=key(), value=value), timeout=CALL_S),
    }
    return {kind: requests[kind] for kind in KINDS}


@contextmanager
def _endpoint(given: str | None) -> Iterator[str]:
    if given:
        yield endpoints_of(given)[0]
        return
    with cluster() as endpoints:
        yield endpoints[0]


@contextmanager
def _fsync(directory: Path) -> Iterator[Callable[[], None]]:
    """Yield a call that writes one block of a file and waits until it is on disk."""
    block = os.urandom(BLOCK_BYTES)
    with tempfile.TemporaryFile(prefix="dynakv-latency-", dir=directory) as file:
        descriptor = file.fileno()
        for i in range(FILE_BLOCKS):
            os.pwrite(descriptor, block, i * BLOCK_BYTES)
        os.fsync(descriptor)
        blocks = iter(range(sys.maxsize))

        def call() -> None:
            os.pwrite(descriptor, block, next(blocks) % FILE_BLOCKS * BLOCK_BYTES)
            os.fdatasync(descriptor)

        yield call


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m loadtest.latency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--endpoints", help="host:port; the first one is asked (default: a demo cluster)")
    add("--directory", type=Path, default=Path(tempfile.gettempdir()), help="for the fsync")
    add("--rounds", type=int, default=50, help=f"of {PER_TURN} samples a kind")
    add("--keys", type=int, default=100)
    add("--value-bytes", type=int, default=100)
    add("--json", action="store_true")
    return made


if __name__ == "__main__":
    main()
