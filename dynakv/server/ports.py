"""Free ports of this machine, for nodes that are started beside each other for a while."""

import random
import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"

# Below the ports that a kernel gives to outgoing connections (Linux from 32768, others from 49152).
# A port that the kernel chose itself, by binding port 0, can be given away again between the look
# and the use, or while its node is down: to a peer that knocks at the dead node's own port, too.
PORTS: Final = range(18_000, 32_000)
TRIES_MAX: Final = 1_000  # far more than a machine with free ports needs


def free_ports(count: int) -> list[int]:
    """Return distinct ports of 127.0.0.1 that nobody listens on now.

    Raises:
        OSError: no free port was found.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(TRIES_MAX):
            if len(ports) == count:
                return ports
            probe = held.enter_context(socket.socket())
            # As a server does: a port that was served a minute ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.choice(PORTS)  # noqa: S311 - no secret
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            if port not in ports:
                ports.append(port)
    raise OSError(f"no {count} free ports between {PORTS.start} and {PORTS.stop - 1}")
