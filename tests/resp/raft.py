"""A door whose default keyspace is in Raft mode: commands mean what they mean, no Raft."""

from dynakv.core.layout import Layout
from tests.raft_groups import RaftGroups, raft_layout
from tests.resp.harness import FakeNode, World


class RaftNode(FakeNode):
    """An inbox with `RaftGroups` behind it."""

    def __init__(self, *, hash_tags: bool = True, default_ttl_ms: int = 0) -> None:
        super().__init__()
        layout = raft_layout("default", hash_tags=hash_tags, default_ttl_ms=default_ttl_ms)
        self.groups = RaftGroups(layout)

    def layout(self) -> Layout:
        return self.groups.layout

    def answer(self, place: int = 0) -> None:
        self.waiting.rotate(-place)
        message, answer = self.waiting.popleft()
        self.waiting.rotate(place)
        for part in self.groups.answer(message):
            answer(part)

    def value(self, key: bytes) -> bytes | None:
        record = self.groups.find("default", key)
        return None if record is None else record.value


class RaftWorld(World):
    """A door on such a node."""

    def __init__(self, *, hash_tags: bool = True, default_ttl_ms: int = 0) -> None:
        self.raft = RaftNode(hash_tags=hash_tags, default_ttl_ms=default_ttl_ms)
        super().__init__(self.raft)

    def sleep(self, ms: int) -> None:
        """Let time go by everywhere."""
        self.now_ms += ms
        self.raft.groups.now_ms += ms
