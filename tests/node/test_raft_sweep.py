"""Claims about `dynakv.node.raft_sweep`: what means nothing any more goes, and nothing else."""

from dynakv import limits
from dynakv.core.commands import Increment
from dynakv.core.raft_rows import session_keyspace
from dynakv.node.messages import Expire
from dynakv.node.raft_messages import Execute
from tests.node.raft_nodes import RaftNodes


def test_expired_records_go_on_every_member_once_group_time_says_so() -> None:
    nodes = RaftNodes(config={"raft_sweep_ms": 10})
    for key in (b"k", b"kept"):
        nodes.put(key, b"v")
    nodes.ask(Expire("default", [b"k"], [500]))
    nodes.pass_ms(4_000)
    assert len(nodes.rows(b"k")) == 3  # no command has come since: group time stands still
    assert nodes.value(b"k") is None
    nodes.pass_ms(4_000)
    assert nodes.rows(b"k") == {}
    assert len(nodes.rows(b"kept")) == 3
    nodes.put(b"k", b"new")
    assert nodes.value(b"k", at="n2") == b"new"


def test_sessions_go_when_nothing_that_they_know_could_be_run_any_more() -> None:
    nodes = RaftNodes(config={"raft_sweep_ms": 10})
    now_ms = nodes.now.wall_ms
    old = Execute("default", [(Increment(b"k", 1),)], [7], [1], [1], [now_ms])
    nodes.ask(old)
    place = session_keyspace(nodes.keyspace_id, 0)
    where = (place, nodes.group_of(b"k"), (7).to_bytes(8, "big"))
    nodes.pass_ms(3_000)
    assert all(where in disk.rows for disk in nodes.disks.values())
    nodes.now = type(nodes.now)(
        nodes.now.wall_ms + 3 * limits.REQUEST_WINDOW_MS,
        nodes.now.mono_ms + 3 * limits.REQUEST_WINDOW_MS,
    )
    nodes.pass_ms(6_000)
    nodes.put(b"k", b"5")  # which lets group time pass
    nodes.pass_ms(4_000)
    assert not any(where in disk.rows for disk in nodes.disks.values())
    nodes.ask(old)  # too late: not run again
    assert nodes.value(b"k") == b"5"
