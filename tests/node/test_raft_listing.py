"""Claims about `dynakv.node.raft_listing`: pages in key order over all groups, nothing missing."""

from dynakv.node.messages import List, Listed, Put, Refused
from tests.node.raft_nodes import RaftNodes

KEYS = [b"key%03d" % i for i in range(100)]


def pages(nodes: RaftNodes, **options: object) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    after = None
    while True:
        (page,) = nodes.ask(List("default", after=after, **options), "n2")  # type: ignore[arg-type]
        assert isinstance(page, Listed)
        found.append([record.key for record in page.records])
        if page.next is None:
            return found
        after = page.next


def test_pages_together_are_all_keys_in_order() -> None:
    nodes = RaftNodes()
    nodes.ask(Put("default", KEYS, [b"v"] * len(KEYS)))
    found = pages(nodes, limit=7)
    assert [key for page in found for key in page] == KEYS
    assert all(len(page) <= 7 for page in found)


def test_a_range_and_keys_only() -> None:
    nodes = RaftNodes()
    nodes.ask(Put("default", KEYS, [b"v"] * len(KEYS)))
    (page,) = nodes.ask(List("default", start=b"key010", end=b"key013", keys_only=True))
    assert isinstance(page, Listed)
    assert [(r.key, r.value) for r in page.records] == [(k, b"") for k in KEYS[10:13]]


def test_deleted_keys_are_not_shown() -> None:
    nodes = RaftNodes()
    nodes.ask(Put("default", KEYS[:4], [b"v"] * 4))
    nodes.put(KEYS[1], None)
    assert pages(nodes) == [[KEYS[0], KEYS[2], KEYS[3]]]


def test_a_list_that_some_group_cannot_answer_is_refused_once() -> None:
    nodes = RaftNodes()
    nodes.unreachable.update(("n2", "n3"))
    call = nodes.submit(List("default"), "n1")
    nodes.pass_ms(2_500)
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
