"""Claims about `dynakv.node.raft_loading`: a member comes back as it was, or not at all."""

from msgspec.structs import replace

from dynakv.core.raft_rows import STATE_KEY, log_keyspace, state_keyspace
from dynakv.core.record import Record
from dynakv.node.raft_loading import member_id
from tests.node.raft_nodes import RaftNodes


def test_term_vote_and_log_come_back_from_disk() -> None:
    nodes = RaftNodes()
    for i in range(10):
        nodes.put(b"k", b"%d" % i)
    before = nodes.member("n2", b"k").raft.member
    nodes.cut_off("n2")
    nodes.restart("n2")
    after = nodes.member("n2", b"k").raft.member
    assert (after.term, after.vote, after.log.last) == (before.term, before.vote, before.log.last)
    entries = [m.log.slice(m.log.first, m.log.last + 1, 1 << 30) for m in (before, after)]
    assert entries[0] == entries[1]


def test_a_member_whose_log_or_state_is_damaged_stays_out() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    group = nodes.group_of(b"k")
    for place in (state_keyspace(nodes.keyspace_id), log_keyspace(nodes.keyspace_id)):
        rows = nodes.disks["n3"].rows
        where = next(w for w in rows if w[0] == place and w[1] == group)
        whole = rows[where]
        assert isinstance(whole, Record)
        rows[where] = replace(whole, checksum=whole.checksum ^ 1)
        nodes.restart("n3")
        assert (nodes.keyspace_id, group) not in nodes.nodes["n3"].raft.consensus.groups
        assert nodes.value(b"k", at="n3") == b"v"
        rows[where] = whole


def test_a_missing_entry_is_damage() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    group = nodes.group_of(b"k")
    rows = nodes.disks["n3"].rows
    where = next(w for w in rows if w[0] == log_keyspace(nodes.keyspace_id) and w[1] == group)
    del rows[where]
    nodes.restart("n3")
    assert (nodes.keyspace_id, group) not in nodes.nodes["n3"].raft.consensus.groups


def test_members_of_different_keyspaces_are_different() -> None:
    assert len({member_id(k, n) for k in (1, 2) for n in ("n1", "n2")}) == 4
    assert STATE_KEY
