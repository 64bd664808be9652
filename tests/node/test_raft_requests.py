"""Claims about `dynakv.node.raft_requests`: the plain messages keep their meaning in Raft mode."""

from dynakv.errors import Kind
from dynakv.node.messages import KEEP_EXPIRY, Expire, Expired, Found, Get, Put, Refused, Stored
from tests.node.raft_nodes import RaftNodes

KEYS = [b"a", b"b", b"c", b"d"]


def test_every_entry_is_answered_once_whatever_group_it_is_of() -> None:
    nodes = RaftNodes()
    parts = nodes.ask(Put("default", KEYS, [b"1", b"2", b"3", None]))
    stored = [part for part in parts if isinstance(part, Stored)]
    assert sorted(entry for part in stored for entry in part.entries) == [0, 1, 2, 3]
    found = [part for part in nodes.ask(Get("default", KEYS), "n2") if isinstance(part, Found)]
    values = {e: r for part in found for e, r in zip(part.entries, part.records, strict=True)}
    assert [values[i] and values[i].value for i in range(4)] == [b"1", b"2", b"3", None]  # type: ignore[union-attr]


def test_the_value_before_is_shown_where_it_is_wanted_and_is_exact() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"old")
    (shown,) = nodes.put(b"k", b"new", at="n2", previous=True)
    assert isinstance(shown, Stored)
    assert shown.previous is not None
    assert shown.previous[0] is not None
    assert shown.previous[0].value == b"old"
    (hidden,) = nodes.put(b"k", None)
    assert isinstance(hidden, Stored)
    assert hidden.previous is None


def test_entries_of_one_key_apply_in_order() -> None:
    nodes = RaftNodes()
    nodes.ask(Put("default", [b"k", b"k", b"k"], [b"1", None, b"3"]))
    assert nodes.value(b"k") == b"3"


def test_expiry_is_set_kept_and_removed() -> None:
    nodes = RaftNodes()
    nodes.ask(Put("default", [b"k"], [b"v"], ttls_ms=[1_000]))
    nodes.ask(Put("default", [b"k"], [b"w"], expiries_ms=[KEEP_EXPIRY]))
    (part,) = nodes.ask(Expire("default", [b"k"]))
    assert part == Expired([0], [True])
    (part,) = nodes.ask(Expire("default", [b"none"], [5]))
    assert part == Expired([0], [False])
    nodes.pass_ms(2_000)
    assert nodes.value(b"k") == b"w"


def test_a_node_that_doubts_its_clock_takes_no_command_and_still_reads() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    nodes.skew_ms["n2"] = 3_600_000
    nodes.unreachable.update(("n1", "n3"))
    nodes.pass_ms(50)
    call = nodes.submit(Put("default", [b"k"], [b"w"]), "n2")
    nodes.run()
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
    assert part.failure.kind is Kind.UNAVAILABLE
    nodes.unreachable.clear()
    assert nodes.value(b"k", at="n2") == b"v"


def test_a_full_disk_refuses_and_nothing_is_done() -> None:
    nodes = RaftNodes()
    for node in nodes.nodes.values():
        node.disk_full(full=True)
    (part,) = nodes.put(b"k", b"v")
    assert isinstance(part, Refused)
    assert part.failure.kind is Kind.EXHAUSTED
    assert nodes.value(b"k") is None
