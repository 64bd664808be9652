"""What nodes say to each other in gossip. Each question gets one reply, or none in time.

All carry the cluster id: nodes of another cluster learn nothing and count as silent.
"""

from msgspec import Struct

from dynakv.core.rumors import Rumor
from dynakv.core.suspicion import Claim


class Vitals(Struct, frozen=True, array_like=True, gc=False):
    """What a node says of itself; the greater `beat` is the newer."""

    beat: int = 0
    version: str = ""
    load: int = 0  # thousandths of what it takes at once
    clock_offset_ms: int = 0
    disk_used_bytes: int = 0
    disk_free_bytes: int = 0


class Probe(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Are you there?"""

    cluster_id: int
    vitals: Vitals
    rumors: tuple[Rumor, ...]


class ProbeFor(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Do you reach that one?"""

    cluster_id: int
    target: str
    rumors: tuple[Rumor, ...]


class Sync(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """This is all I know; what do you know? Of each member its claim and vitals."""

    cluster_id: int
    members: tuple[tuple[str, Claim, Vitals], ...]


class Probed(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Here I am."""

    cluster_id: int
    vitals: Vitals
    rumors: tuple[Rumor, ...]


class ProbedFor(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """I tried: did it answer me?"""

    cluster_id: int
    reached: bool
    rumors: tuple[Rumor, ...]


class Foreign(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """We do not belong to one cluster, or you are no member of it."""

    cluster_id: int


Question = Probe | ProbeFor | Sync
Reply = Probed | ProbedFor | Sync | Foreign  # a Sync is answered by a Sync
