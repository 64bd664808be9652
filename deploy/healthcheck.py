# ruff: noqa: INP001 - a script of its own, copied into the image
"""Exit 0 if the node of this machine or container serves clients, else say why not and exit 1.

Asks the node by the gRPC health checking protocol: a node that drains, or whose event loop hangs,
is not healthy. The port is that of the argument HOST:PORT, else of DYNAKV__LISTEN__CLIENT, else the
default; an address that stands for every interface is asked on loopback.

A node that serves is not yet a cluster with a quorum; `dynakv-admin ring` shows that.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 2.0
DEFAULT = "127.0.0.1:50051"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, not bound
SERVICE = "dynakv.v1.KVStore"


def main() -> int:
    """Return the exit code."""
    listening = os.environ.get("DYNAKV__LISTEN__CLIENT", DEFAULT)
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else listening).rpartition(":")
    target = f"{LOOPBACK.get(host, host)}:{port}"
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            print(f"{target}: {error.code().name}: {error.details()}")
            return 1
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    print(f"{target}: {state}")
    return 0 if reply.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main())
