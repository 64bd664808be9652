"""DynaKV: a leaderless, Dynamo-style key-value store with durable quorum writes.

    from dynakv import Client

    with Client("127.0.0.1:50051,127.0.0.1:50052,127.0.0.1:50053") as client:
        client.put("greeting", "hello")
        print(client.get("greeting"))

`Client` is for threads, `AsyncClient` for asyncio. They are imported on first use, so that commands
that need no client start fast.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynakv.client.aio import AsyncClient
    from dynakv.client.sync import Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]

_LAZY = {"AsyncClient": "dynakv.client.aio", "Client": "dynakv.client.sync"}


def __getattr__(name: str) -> object:
    """Import a client when it is asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
