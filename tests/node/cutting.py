"""Fences and floors for node tests, put up by hand."""

from dynakv.core.hlc import reading
from dynakv.core.record import Record
from dynakv.node.messages import Load, Loaded, Save, Saved
from dynakv.node.repair_messages import Fence, Fenced, FloorRaised, RaiseFloor
from tests.node.cluster import START, Cluster, warmed

OLD_MS = START.wall_ms - 100_000  # older than the cut
CUT = reading(START.wall_ms - 50_000)
LATER_CUT = reading(START.wall_ms - 40_000)
CONFIG: dict[str, object] = {
    "cut_age_ms": 20_000,
    "stamp_age_ms_max": 10_000_000,
    "recover_after_ms": 0,
}


def old_cluster(nodes: int = 3, **config: object) -> Cluster:
    """Return a cluster that cuts at 20 s and takes stamps of clients however old."""
    return warmed(nodes, config={**CONFIG, **config})


class Cutter:
    """Asks the nodes of a cluster about the group of one key, as a peer would."""

    def __init__(self, cluster: Cluster, key: bytes = b"k") -> None:
        self.cluster = cluster
        placement = cluster.nodes["n1"].context.by_name["default"]
        self.keyspace, self.epoch = placement.keyspace_id, placement.epoch
        (self.group,) = placement.groups_of([key])
        self.key = key

    def fence(self, node: str, cut: int = CUT) -> bool:
        (reply,) = self.cluster.ask(Fence(self.keyspace, self.epoch, [self.group], cut), node)
        assert isinstance(reply, Fenced)
        return reply.taken[0]

    def raise_floor(self, node: str, floor: int = CUT) -> bool:
        (reply,) = self.cluster.ask(
            RaiseFloor(self.keyspace, self.epoch, [self.group], floor), node
        )
        assert isinstance(reply, FloorRaised)
        return reply.taken[0]

    def collect(self, *nodes: str, cut: int = CUT) -> None:
        """Fence everywhere, then raise the floor of these nodes (none: all) and let them drop."""
        replicas = self.cluster.replicas_of(self.key)
        assert all(self.fence(node, cut) for node in replicas)
        assert all(self.raise_floor(node, cut) for node in nodes or replicas)
        self.cluster.pass_ms(200)

    def save(self, node: str, record: Record, floor: int | None = None) -> Saved:
        floors = None if floor is None else [floor]
        save = Save(self.keyspace, self.epoch, [record], floors=floors)
        (reply,) = self.cluster.ask(save, node)
        assert isinstance(reply, Saved)
        return reply

    def load(self, node: str) -> Loaded:
        (reply,) = self.cluster.ask(Load(self.keyspace, self.epoch, [self.key]), node)
        assert isinstance(reply, Loaded)
        return reply
