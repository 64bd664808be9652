"""How the layout travels: a change on its way to the member that makes it, and what it made.

Part of the language of `node/messages.py`, apart only for its size.
"""

from msgspec import Struct

from dynakv.core.keyspaces import KeyspaceChange
from dynakv.errors import Failure


class Changed(Struct, frozen=True, gc=False):
    """To a client: the change is in force on every member. It answers as the one entry 0."""

    entries: list[int]
    epoch: int  # of the layout that has it
    keyspace_id: int


class ChangeKeyspaces(Struct, frozen=True, gc=False):
    """Make this change; only the member with the smallest id does."""

    change: KeyspaceChange


class KeyspacesChanged(Struct, frozen=True, gc=False):
    """What became of a change: its epoch and the keyspace's id, or why it failed."""

    epoch: int
    keyspace_id: int
    failure: Failure | None = None


class AdoptLayout(Struct, frozen=True, gc=False):
    """Make this layout durable and put it in force, unless yours is newer."""

    layout: bytes  # core.layout.encode


class LayoutAdopted(Struct, frozen=True, gc=False):
    """The epoch of the layout that is in force here now: that of the ask, or a newer one."""

    epoch: int


class FetchLayout(Struct, frozen=True, gc=False):
    """Say which layout is in force at yours."""


class LayoutFetched(Struct, frozen=True, gc=False):
    """The layout in force here."""

    layout: bytes
