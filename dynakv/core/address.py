"""Addresses as people write them: `host:port`, with an IPv6 host in brackets."""

import ipaddress

PORT_MAX = 65_535
HOST_CHARACTERS_MAX = 253  # of a DNS name, RFC 1035 section 2.3.4


def parsed(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`; brackets around an IPv6 host are taken off.

    Port 0 is let through: whether it has a meaning is the caller's rule. Raises ValueError with a
    sentence that begins with what the address must be.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError("must be host:port, such as 127.0.0.1:50051")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("must have its IPv6 host in brackets, such as [::1]:50051")
    if not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise ValueError(f"must have a port between 0 and {PORT_MAX}, not {port!r}")
    if not host or len(host) > HOST_CHARACTERS_MAX or any(c.isspace() or c in "/,=" for c in host):
        raise ValueError(f"must have a host name or IP address, not {host!r}")
    return host, int(port)


def joined(host: str, port: int) -> str:
    """Return the text of which `parsed` makes this host and port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether a bind to this host is reachable from this machine only.

    A name other than `localhost` counts as reachable: what it resolves to may change.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
