"""What the doors and links need of the node's driver, as one interface.

Everything here is called and calls back in the event loop that runs the driver; nothing blocks, and
nothing but `store_figures` waits.
`server/driver.py` implements it; tests use a fake.
"""

from collections.abc import Callable
from typing import Protocol

from dynakv.core.layout import Layout
from dynakv.node.figures import Figures, SnapshotFigures, StoreFigures
from dynakv.node.messages import (
    ClientMessage,
    ClientReply,
    Header,
    MemberView,
    PeerMessage,
    PeerReply,
)
from dynakv.node.raft_figures import RaftFigures
from dynakv.node.tasks import TaskFigures


class Inbox(Protocol):
    """Where messages enter the node."""

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        """Queue a client's message; `answer` gets each part of the reply. False: queue full."""

    def peer(
        self,
        sender: str,
        message: PeerMessage,
        answer: Callable[[PeerReply], None],
        timeout_ms: int = 0,
    ) -> bool:
        """Queue a peer's ask; `answer` gets exactly one reply. False: queue full.

        One that waits for longer than `timeout_ms` (0: no bound) is refused unserved.
        """

    def heard(self, header: Header) -> bool:
        """Take note of a frame's header, once per frame, before its messages.

        False: the sender is no member of this cluster; nothing of the frame may be used.
        """

    def replied(self, call: int, reply: PeerReply) -> None:
        """Queue the one reply to an ask that the node had handed out under `call`."""

    def header(self) -> Header:
        """Return the header for a frame that leaves now."""

    def layout(self) -> Layout:
        """Return the layout in force."""

    def member_views(self) -> dict[str, MemberView]:
        """Return what this node believes of each member, itself included."""

    def tasks(self) -> tuple[list[TaskFigures], bool]:
        """Return what the node works on beside its requests, and whether repair is paused."""

    def repair(self, keyspace_id: int | None, group: int | None) -> list[int]:
        """Begin to compare with every peer: all, a keyspace or a group; the ids of the tasks."""

    def accept_loss(self, keyspace_id: int | None) -> int:
        """Let groups that recover answer with what they hold; how many they are."""

    def pause_repair(self, *, paused: bool) -> None:
        """Stop or resume what is compared in the background."""

    def figures(self) -> Figures:
        """Return what the node knows of itself."""

    def raft_figures(self) -> list[RaftFigures]:
        """Return what the node knows of its Raft groups, sorted by keyspace and group."""

    def take_leadership(self, keyspace_id: int, group: int) -> str:
        """Ask for the leadership of a Raft group; why that is not possible, or nothing."""

    def rebalance_leaders(self, keyspace_id: int | None) -> int:
        """Hand over the Raft groups that others should lead; how many they are."""

    async def store_figures(self) -> StoreFigures:
        """Return how much lies on disk; a disk may hang. Raises StorageError."""


class SnapshotKeeper(Protocol):
    """The snapshots of this node (`storage/snapshot.py`)."""

    def begin(self, name: str) -> SnapshotFigures:
        """Begin one. Raises UsageError, RefusedError, StorageError."""

    async def listed(self) -> list[SnapshotFigures]:
        """Return all. Raises StorageError."""

    async def delete(self, name: str) -> None:
        """Remove one. Raises UsageError, StorageError."""
