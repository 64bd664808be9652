"""Which nodes a demo cluster has, on which ports and in which directory.

Node i listens on base + i for clients and base + 100 + i for peers, so that base 50050 gives the
default ports of a node, and on 6400 + i for Redis clients, with another base on base + 50 + i. Base
0 takes free ports. A directory that is kept remembers its plan in
`demo.json`: its nodes know each other by address, so a restart must use the same ports.
"""

import errno
import json
import socket
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dynakv.errors import RefusedError, UsageError
from dynakv.server.ports import HOST, free_ports

NODES: Final = 3
NODES_MAX: Final = 16  # processes of one machine; a cluster may have more
BASE_PORT: Final = 50_050
PEER_PORTS_ABOVE: Final = 100
REDIS_BASE_PORT: Final = 6_400  # beside BASE_PORT
REDIS_PORTS_ABOVE: Final = 50  # any other base
BASE_PORT_MAX: Final = 65_535 - PEER_PORTS_ABOVE - NODES_MAX
PLAN: Final = "demo.json"


class DemoNode(Struct, frozen=True):
    """One process of the demo."""

    node_id: str
    client_port: int
    peer_port: int
    redis_port: int = 0  # 0: a plan of a demo that was kept before there was this door

    @property
    def client(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.client_port}"

    @property
    def peer(self) -> str:
        """Where its peers reach it."""
        return f"{HOST}:{self.peer_port}"

    @property
    def redis(self) -> str | None:
        """Where Redis clients reach it."""
        return f"{HOST}:{self.redis_port}" if self.redis_port else None


class Plan(Struct, frozen=True):
    """All of them; `base_port` as it was asked for."""

    base_port: int
    nodes: list[DemoNode]

    @property
    def name(self) -> str:
        """What tells demos that run at the same time apart: the base port, of free ports too."""
        return str(self.nodes[0].client_port - 1)

    def endpoints(self) -> str:
        """Return what DYNAKV_ENDPOINTS is to be."""
        return ",".join(node.client for node in self.nodes)

    def members(self) -> str:
        """Return the member list in the form of `--cluster`."""
        return ",".join(f"{node.node_id}={node.peer}" for node in self.nodes)


def plan(nodes: int | None, base_port: int | None, persist: Path | None) -> Plan:
    """Return the plan for these flags, None standing for a flag that was not given.

    A plan that `persist` remembers decides where a flag is not given. Raises UsageError, also
    where a flag contradicts it.
    """
    if nodes is not None and not 1 <= nodes <= NODES_MAX:
        raise UsageError(f"--nodes = {nodes}: must be between 1 and {NODES_MAX}")
    if base_port is not None and base_port != 0 and not 1024 <= base_port <= BASE_PORT_MAX:
        raise UsageError(
            f"--base-port = {base_port}: must be between 1024 and {BASE_PORT_MAX}, or 0"
        )
    known = remembered(persist) if persist is not None else None
    if known is not None:
        assert persist is not None
        _refuse_change(known, nodes, base_port, persist)
        return known
    count = NODES if nodes is None else nodes
    base = BASE_PORT if base_port is None else base_port
    if base == 0:
        ports = free_ports(3 * count)
        return Plan(0, [DemoNode(f"n{i + 1}", *ports[3 * i : 3 * i + 3]) for i in range(count)])
    redis = REDIS_BASE_PORT if base == BASE_PORT else base + REDIS_PORTS_ABOVE
    return Plan(
        base,
        [
            DemoNode(f"n{i}", base + i, base + PEER_PORTS_ABOVE + i, redis + i)
            for i in range(1, count + 1)
        ],
    )


def remember(plan: Plan, persist: Path) -> None:
    """Write the plan beside the data that depends on it."""
    try:
        persist.mkdir(parents=True, exist_ok=True)
        text = json.dumps(msgspec.to_builtins(plan), indent=2)
        (persist / PLAN).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"--persist {persist}: {error.strerror}") from None


def refuse_taken_ports(plan: Plan) -> None:
    """Raise RefusedError where somebody listens on one of the ports already."""
    for node in plan.nodes:
        for port, purpose in (
            (node.client_port, "clients"),
            (node.peer_port, "peers"),
            (node.redis_port, "Redis clients"),
        ):
            with socket.socket() as probe:
                # What TIME_WAIT keeps is free for a listener; a second listener is refused.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise RefusedError(_taken(node, port, purpose, error)) from None


def _taken(node: DemoNode, port: int, purpose: str, error: OSError) -> str:
    why = "is already in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
    return (
        f"port {port} ({node.node_id}, {purpose}) {why}; stop what listens there, or choose other "
        "ports with --base-port (0 takes free ones)"
    )


def remembered(persist: Path) -> Plan | None:
    """Return the plan that a directory keeps, None for a new or empty one. Raises UsageError."""
    file = persist / PLAN
    try:
        return msgspec.json.decode(file.read_bytes(), type=Plan)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UsageError(f"--persist {persist}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{file} is not the plan of a demo: {error}") from None
    if persist.is_dir() and any(persist.iterdir()):
        raise UsageError(f"--persist {persist}: has files in it, but no {PLAN} of a demo")
    return None


def _refuse_change(known: Plan, nodes: int | None, base_port: int | None, persist: Path) -> None:
    """A node's data belongs to the member list it was made with, addresses included."""
    if nodes not in (None, len(known.nodes)):
        raise UsageError(
            f"--nodes = {nodes}: {persist} is a demo of {len(known.nodes)} nodes; "
            "leave the flag out, or choose another directory"
        )
    if base_port not in (None, known.base_port):
        raise UsageError(
            f"--base-port = {base_port}: the nodes in {persist} know each other by the ports of "
            f"--base-port {known.base_port}; leave the flag out, or choose another directory"
        )
