"""Where a client finds the cluster: a list of `host:port`, from a flag or DYNAKV_ENDPOINTS."""

import os
from typing import Final

from dynakv.core import address
from dynakv.errors import UsageError

VARIABLE: Final = "DYNAKV_ENDPOINTS"
DEFAULT: Final = "127.0.0.1:50051"


def endpoints(given: str | None) -> list[str]:
    """Return the endpoints of a comma-separated list, else of the environment, else the default.

    Each once, in the order in which they are to be tried. Raises UsageError.
    """
    text, origin = (
        (given, "--endpoints") if given is not None else (os.environ.get(VARIABLE), VARIABLE)
    )
    if text is None:
        return [DEFAULT]
    found: dict[str, None] = {}
    for part in (p.strip() for p in text.split(",")):
        if part:
            found[_checked(part, origin)] = None
    if not found:
        raise UsageError(f"{origin} = {text!r}: must name at least one host:port")
    return list(found)


def _checked(text: str, origin: str) -> str:
    try:
        host, port = address.parsed(text)
    except ValueError as error:
        raise UsageError(f"{origin}: {text!r} {error}") from None
    if port == 0:
        raise UsageError(f"{origin}: {text!r} must have a port between 1 and 65535")
    return address.joined(host, port)
