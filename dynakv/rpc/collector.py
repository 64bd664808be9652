"""Collects the parts of the node's answer to one message."""

import asyncio

from dynakv.errors import Failure, Kind
from dynakv.node.messages import ClientMessage, ClientReply
from dynakv.rpc.ports import Inbox

FULL = Failure(Kind.EXHAUSTED, "this node has too many unfinished requests; come back later")


class Collector:
    """Waits until every entry of a message is answered: one future a message, none a key.

    A caller that goes away leaves nothing behind but this object, which the node lets go of with
    the last part.
    """

    __slots__ = ("_missing", "_parts", "_whole")

    def __init__(self, entries: int) -> None:
        """Wait for so many entries; at least one."""
        assert entries > 0
        self._missing = entries
        self._parts: list[ClientReply] = []
        self._whole: asyncio.Future[list[ClientReply]] = asyncio.get_running_loop().create_future()

    def take(self, part: ClientReply) -> None:
        """Add a part; called by the node."""
        self._parts.append(part)
        self._missing -= len(part.entries)
        if self._missing <= 0 and not self._whole.done():  # done: the caller has gone away
            self._whole.set_result(self._parts)

    async def parts(self) -> list[ClientReply]:
        """Return the answer once it is complete."""
        return await self._whole


def submit(inbox: Inbox, message: ClientMessage, entries: int = 1) -> Collector | None:
    """Hand a message of so many entries to the node; None where its queue is full."""
    collector = Collector(entries)
    return collector if inbox.client(message, collector.take) else None
