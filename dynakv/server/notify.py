"""Tells a service manager how far this process is: systemd's notification protocol.

A manager that wants to know sets NOTIFY_SOCKET to a Unix datagram socket and takes lines there; see
sd_notify(3). Ten lines instead of a library. Without the variable nothing is sent. A message that
cannot be delivered is logged and no reason to stop: a manager that waits for it decides by itself.
"""

import os
import socket
from typing import Final

import structlog

VARIABLE: Final = "NOTIFY_SOCKET"
SEND_S: Final = 1.0  # a manager that does not read must not hold the event loop for longer

log = structlog.get_logger()


def ready() -> None:
    """Say that clients are served."""
    _send(b"READY=1")


def stopping() -> None:
    """Say that this process is about to end."""
    _send(b"STOPPING=1")


def _send(message: bytes) -> None:
    address = os.environ.get(VARIABLE)
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract names, which have no file
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(SEND_S)
            manager.sendto(message, address)
    except OSError as error:
        log.warning("notify_failed", message=message.decode(), socket=address, why=str(error))
