"""Locust users of a DynaKV cluster, over gRPC.

    DYNAKV_ENDPOINTS=127.0.0.1:50051,127.0.0.1:50052,127.0.0.1:50053 \\
        locust -f loadtest/locustfile.py --headless -u 20 -r 20 -t 20s --distribution zipfian

Without --headless Locust serves its page on port 8089. `--host host:port,...` overrides
DYNAKV_ENDPOINTS. Before the users start all keys are written once (`--no-fill` leaves that out); a
get that then finds nothing is a failure, for it is lost data.

Locust simulates users; it is no meter of capacity. One Python process with gevent does about a
thousand calls a second; `python -m loadtest.bench` is for what a cluster can do.

Every operation fires one event named put or get, so that figures and percentiles are by operation.
Failures are counted by operation and by what they mean for the caller: refused (nothing was done),
unknown (the write may have happened), usage (the request was wrong), lost. After a failure a user
turns to the next endpoint, as a client library would.
"""

import itertools
import random
import sys
import time
from argparse import ArgumentParser
from typing import Any, Final

import grpc
import grpc.experimental.gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.runners import WorkerRunner

from dynakv import limits
from dynakv.client.endpoints import endpoints as endpoints_of
from dynakv.errors import UsageError
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2
from loadtest import failures
from loadtest.keys import Distribution, Keys, Sizes, Values, name

grpc.experimental.gevent.init_gevent()

LEVELS: Final = {
    "default": ring_pb2.LEVEL_UNSPECIFIED,
    "one": ring_pb2.LEVEL_ONE,
    "quorum": ring_pb2.LEVEL_QUORUM,
    "all": ring_pb2.LEVEL_ALL,
}
CALL_S: Final = 5.0
FILL_BYTES: Final = 1 << 20  # of one message while filling
FILL_S: Final = 10.0  # for one message to get through, however often it is sent
FILL_PAUSE_S: Final = 0.1
CHANNEL: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", limits.RECONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", limits.RECONNECT_MS_MAX),
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: ArgumentParser) -> None:
    """Add our options to Locust's own, on the command line and on its page."""
    group = parser.add_argument_group("DynaKV")
    group.add_argument(
        "--distribution",
        choices=[d.value for d in Distribution],
        default="uniform",
        help="popularity of keys; zipfian has theta 0.99",
    )
    group.add_argument("--read-share", type=float, default=0.9, help="gets of all operations, 0-1")
    group.add_argument(
        "--value-bytes", default="1k", help="size of values, or a range such as 1k-1m"
    )
    group.add_argument("--keys", type=int, default=1_000, help="how many keys there are")
    group.add_argument("--level", choices=[*LEVELS], default="default", help="of every operation")
    group.add_argument(
        "--no-fill", action="store_true", default=False, help="do not write all keys first"
    )


class FailedError(Exception):
    """An operation failed. Locust counts failures by their repr: it is the class, nothing else."""

    def __repr__(self) -> str:
        """Return the class of the failure."""
        return str(self)


class Target:
    """The cluster and the load, as the options say; shared by the users of one process."""

    def __init__(self, options: Any, host: str | None) -> None:
        """Open a channel per endpoint. Raises ValueError and UsageError where options are wrong."""
        if not 0 <= options.read_share <= 1:
            raise ValueError(f"--read-share {options.read_share}: must be between 0 and 1")
        self.endpoints = endpoints_of(host or None)
        self.stubs = [
            kvstore_pb2_grpc.KVStoreStub(grpc.insecure_channel(endpoint, options=CHANNEL))  # type: ignore[no-untyped-call]
            for endpoint in self.endpoints
        ]
        self.read_share: float = options.read_share
        self.level: Any = LEVELS[options.level]
        self.filled = not options.no_fill
        self.keys_count: int = options.keys
        seed = random.randrange(1 << 32)  # processes of a distributed run must differ
        self.keys = Keys(Distribution(options.distribution), options.keys, seed)
        self.sizes = Sizes.parsed(options.value_bytes)
        self.values = Values(self.sizes, seed)
        self.turns = itertools.count()

    def fill(self) -> None:
        """Write every key once."""
        batch = max(min(FILL_BYTES // max(self.sizes.most, 1), 500), 1)
        for first in range(0, self.keys_count, batch):
            keys = [name(i) for i in range(first, min(first + batch, self.keys_count))]
            step = pb.Step(put=pb.PutStep(keys=keys, values=[self.values.next() for _ in keys]))
            self._written(pb.PipelineRequest(steps=[step]))

    def _written(self, request: pb.PipelineRequest) -> None:
        """Send until nothing of it failed: nodes that have just started refuse for a moment.

        Raises FailedError with what failed last, after FILL_S.
        """
        end = time.monotonic() + FILL_S
        while True:
            stub = self.stubs[next(self.turns) % len(self.stubs)]
            try:
                reply = stub.Pipeline(request, timeout=CALL_S)
                why = "; ".join(errors.message for errors in reply.results[0].errors)
            except grpc.RpcError as error:
                why = failures.of_call(error, writes=True)
            if not why:
                return
            if time.monotonic() > end:
                raise FailedError(f"the keys could not be written: {why}")
            time.sleep(FILL_PAUSE_S)


_targets: dict[int, Target] = {}  # by environment: one in a process, several in tests


def target_of(environment: Environment) -> Target:
    """Return the target of this run, made on first use."""
    key = id(environment)
    if key not in _targets:
        _targets[key] = Target(environment.parsed_options, environment.host)
    return _targets[key]


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def on_start(environment: Environment, **_: object) -> None:
    """Read the options of this run and fill the cluster, before there are any users."""
    _targets.pop(id(environment), None)
    try:
        target = target_of(environment)
        # In a distributed run the master does it: its event comes before its workers start users.
        if target.filled and not isinstance(environment.runner, WorkerRunner):
            target.fill()
    except (FailedError, UsageError, ValueError) as error:
        message = f"cannot begin: {error}"
        if environment.web_ui is None:
            sys.exit(message)
        print(message, file=sys.stderr)  # the page shows the failures that follow


class KeyValueUser(User):
    """Sends one put or get after the other, without a pause."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Begin with an endpoint of its own: users are spread over all of them."""
        self.target = target_of(self.environment)
        self.place = next(self.target.turns)

    @task
    def operate(self) -> None:
        """Do one operation and report it."""
        key = self.target.keys.next()
        if random.random() < self.target.read_share:
            self.get(key)
        else:
            self.put(key, self.target.values.next())

    def put(self, key: bytes, value: bytes) -> None:
        """Write one key."""
        request = pb.PutRequest(key=key, value=value, level=self.target.level)
        self._call("put", request, len(value))

    def get(self, key: bytes) -> None:
        """Read one key."""
        self._call("get", pb.GetRequest(key=key, level=self.target.level), 0)

    def _call(self, operation: str, request: Any, sent_bytes: int) -> None:
        """Send to this user's endpoint and fire the event. The length is that of the value."""
        stubs = self.target.stubs
        stub = stubs[self.place % len(stubs)]
        failed: FailedError | None = None
        length = sent_bytes
        began = time.perf_counter()
        try:
            if operation == "put":
                stub.Put(request, timeout=CALL_S)
            else:
                reply = stub.Get(request, timeout=CALL_S)
                length = len(reply.value)
                if self.target.filled and not reply.found:
                    failed = FailedError("lost: a key that was written is not found")
        except grpc.RpcError as error:
            failed = FailedError(failures.of_call(error, writes=operation == "put"))
            self.place += 1
        self.environment.events.request.fire(
            request_type="grpc",
            name=operation,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=length,
            exception=failed,
            context={},
        )
