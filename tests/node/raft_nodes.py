"""Real nodes with a Raft keyspace `default`: what tests of Raft mode run on."""

from dynakv.core.layout import Mode
from dynakv.node.messages import Get
from dynakv.node.raft_group import Group
from tests.node.cluster import Cluster


class RaftNodes(Cluster):
    """Nodes n1 to n3; every group has a leader once they have settled."""

    def __init__(self, *, nodes: int = 3, config: dict[str, object] | None = None) -> None:
        super().__init__(nodes, mode=Mode.RAFT, config=config)

    def group_of(self, key: bytes) -> int:
        return self.nodes["n1"].context.by_name["default"].groups_of([key])[0]

    def member(self, node_id: str, key: bytes) -> Group:
        groups = self.nodes[node_id].raft.consensus.groups
        return groups[self.keyspace_id, self.group_of(key)]

    def leader(self, key: bytes) -> str:
        """Return who leads the group of a key; a leader that was cut off counts as long as it
        believes in itself."""
        where = (self.keyspace_id, self.group_of(key))
        members = [n for n, node in self.nodes.items() if where in node.raft.consensus.groups]
        led = [n for n in members if n not in self.unreachable and self.member(n, key).leads]
        return max(led, key=lambda n: self.member(n, key).raft.member.term)

    def others(self, key: bytes) -> list[str]:
        leader = self.leader(key)
        return [node_id for node_id in self.nodes if node_id != leader]

    def value(self, key: bytes, at: str = "n1") -> bytes | None:
        """Return what a linearizable read at a node finds."""
        call = self.submit(Get("default", [key], timeout_ms=8_000), at)
        self.run()
        for _ in range(80):
            if not self.parts(call):
                self.pass_ms(100)
        (found,) = self.parts(call)
        record = found.records[0]  # type: ignore[attr-defined]
        return None if record is None else record.value  # type: ignore[no-any-return]

    def cut_off(self, node_id: str) -> None:
        """Let nothing reach a node, and nothing from it reach others."""
        self.unreachable.add(node_id)
        for other in self.nodes:
            if other != node_id:
                self.cut_pairs.add((node_id, other))

    def join_again(self, node_id: str) -> None:
        self.unreachable.discard(node_id)
        self.cut_pairs = {pair for pair in self.cut_pairs if pair[0] != node_id}
