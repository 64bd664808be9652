"""Claims about `dynakv.node.raft`: a whole keyspace in Raft mode, as clients see it."""

from dynakv import limits
from dynakv.core.commands import Append, Done, IfAbsent, Increment, Unmet
from dynakv.core.commands import Put as PutOne
from dynakv.core.facts import RAFT_PEER
from dynakv.core.keyspaces import CreateKeyspace, DropKeyspace
from dynakv.core.layout import KeyspaceSettings, Mode
from dynakv.core.raft_rows import hidden_keyspaces
from dynakv.errors import Kind
from dynakv.node.messages import Refused
from dynakv.node.raft_messages import Execute, Executed, FetchSnapshot, SnapshotPage
from tests.node.cluster import warmed
from tests.node.raft_nodes import RaftNodes


def test_what_one_node_confirms_every_node_reads() -> None:
    nodes = RaftNodes()
    for i, at in enumerate(("n1", "n2", "n3")):
        nodes.put(b"k", b"%d" % i, at=at)
        assert [nodes.value(b"k", at=other) for other in nodes.nodes] == [b"%d" % i] * 3


def test_a_request_is_done_once_however_often_and_wherever_it_is_asked() -> None:
    nodes = RaftNodes()
    ids = {"clients": [7], "sequences": [1], "issued_ms": [nodes.now.wall_ms]}
    execute = Execute("default", [(Append(b"k", b"x"),)], **ids)  # type: ignore[arg-type]
    results = [nodes.ask(execute, at)[0] for at in ("n1", "n2", "n3")]
    assert nodes.value(b"k") == b"x"
    assert {part.results[0] for part in results if isinstance(part, Executed)} == {
        results[0].results[0]  # type: ignore[attr-defined]
    }


def test_a_request_id_from_the_future_is_refused() -> None:
    nodes = RaftNodes()
    issued_ms = nodes.now.wall_ms + limits.REQUEST_WINDOW_MS + 10
    execute = Execute("default", [(Append(b"k", b"x"),)], [7], [1], None, [issued_ms])
    (refused,) = nodes.ask(execute)
    assert isinstance(refused, Refused)
    assert refused.failure.kind is Kind.INVALID
    assert f"issued_ms {issued_ms} is" in refused.failure.reason
    assert nodes.value(b"k") is None


def test_a_batch_takes_place_as_a_whole_or_not_at_all() -> None:
    nodes = RaftNodes()
    batch = (Increment(b"k", 5), PutOne(b"k", b"w", condition=IfAbsent()))
    (part,) = nodes.ask(Execute("default", [batch]))
    assert isinstance(part, Executed)
    assert isinstance(part.results[0][1], Unmet)
    assert nodes.value(b"k") is None


def test_an_acknowledged_write_survives_every_node_at_once() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v", at="n2")
    for node_id in nodes.nodes:
        nodes.nodes[node_id] = nodes.start(node_id, starts=2)
    nodes.run()
    nodes.pass_ms(4_000)
    assert nodes.value(b"k", at="n3") == b"v"


def test_a_minority_answers_nothing_and_the_majority_goes_on() -> None:
    nodes = RaftNodes()
    leader = nodes.leader(b"k")
    nodes.put(b"k", b"old")
    nodes.cut_off(leader)
    nodes.pass_ms(5_000)
    other = nodes.others(b"k")[0]
    other = other if other != leader else nodes.others(b"k")[1]
    nodes.put(b"k", b"new", at=other)
    assert nodes.value(b"k", at=other) == b"new"
    call = nodes.submit(Execute("default", [(Append(b"k", b"!"),)]), leader)
    nodes.pass_ms(3_000)
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
    nodes.join_again(leader)
    nodes.pass_ms(3_000)
    assert nodes.value(b"k", at=leader) == b"new"


def test_the_leader_is_named_with_the_result() -> None:
    nodes = RaftNodes()
    (part,) = nodes.ask(Execute("default", [(Increment(b"k", 1),)]), nodes.others(b"k")[0])
    assert isinstance(part, Executed)
    assert part.leader == nodes.leader(b"k")
    assert isinstance(part.results[0][0], Done)


def test_a_snapshot_that_nobody_offered_is_gone() -> None:
    nodes = RaftNodes()
    replies: list[object] = []
    nodes.nodes["n1"].raft.asked("n2", FetchSnapshot(nodes.keyspace_id, 0, 5, 0), replies.append)
    assert replies == [SnapshotPage(True, [], [], last=False)]


def test_a_keyspace_is_made_and_dropped_while_nodes_serve() -> None:
    nodes = warmed()
    nodes.ask(CreateKeyspace(KeyspaceSettings("r", mode=Mode.RAFT, groups=2)), "n2")
    nodes.pass_ms(3_000)
    (part,) = nodes.ask(Execute("r", [(Increment(b"k", 1),)]), "n3")
    assert isinstance(part, Executed)
    keyspace = nodes.nodes["n1"].context.by_name["r"].keyspace_id
    places = (keyspace, *hidden_keyspaces(keyspace))
    assert all(any(w[0] in places for w in disk.rows) for disk in nodes.disks.values())
    nodes.ask(DropKeyspace("r"), "n1")
    nodes.pass_ms(5_000)
    assert not any(w[0] in places for disk in nodes.disks.values() for w in disk.rows)
    assert all(not node.raft.consensus.groups for node in nodes.nodes.values())
    assert not any(
        name.startswith(RAFT_PEER) for disk in nodes.disks.values() for name in disk.facts
    )
