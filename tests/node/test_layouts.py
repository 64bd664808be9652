"""Claims about `dynakv.node.layouts`: what is adopted, and what a restored node doubts."""

from dynakv.core import facts
from dynakv.core.layout import decode, encode
from dynakv.errors import Kind
from dynakv.node.layout_messages import AdoptLayout, FetchLayout
from dynakv.node.messages import Beat, Get, Put, Reason, Save
from tests.node.cluster import Cluster, failure_of, stored_of, warmed
from tests.node.test_keyspaces import agreed, changed_of, create, epochs, names, refused


def test_only_an_equal_epoch_with_another_digest_is_foreign() -> None:
    cluster = warmed()
    cluster.hold_disk("n3")
    cluster.submit(create(), "n1")
    cluster.pass_ms(3_000)
    assert epochs(cluster) == [2, 2, 1]
    assert [note for note in cluster.notes if note.event == "peer_foreign"] == []
    assert cluster.nodes["n3"].context.members.states() == {"n1": True, "n2": True}


def test_a_layout_is_fetched_again_after_a_fetch_that_failed() -> None:
    cluster = warmed()
    cluster.failing["n1", FetchLayout] = Reason.BROKEN
    cluster.failing["n3", AdoptLayout] = Reason.BROKEN
    cluster.failing["n2", FetchLayout] = Reason.BROKEN
    cluster.submit(create(), "n1")
    cluster.pass_ms(1_500)
    assert epochs(cluster) == [2, 2, 1]
    cluster.failing.clear()
    cluster.pass_ms(1_500)
    assert epochs(cluster) == [2, 2, 2]


def set_back(cluster: Cluster, node: str, layout: bytes) -> None:
    """Let a node return on a directory that was restored: no rows, and an older layout."""
    disk = cluster.disks[node]
    disk.rows.clear()
    disk.facts.clear()
    disk.facts.update(facts.of_restored(decode(layout), node, "restored"))
    disk.facts[facts.LAYOUT] = layout
    cluster.restart(node)


def recovering(cluster: Cluster, node: str, keyspace_id: int) -> int:
    return sum(keyspace == keyspace_id for keyspace, _ in cluster.nodes[node].context.recovering)


def test_a_restored_node_answers_nothing_of_a_keyspace_that_it_may_have_known_before() -> None:
    cluster = warmed(config={"recover_after_ms": 1_000})
    before = encode(cluster.layout)
    keyspace_id = changed_of(cluster.ask(create(), "n1")).keyspace_id
    cluster.hold("n3", Save)
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))  # n1 and n2 confirm it
    set_back(cluster, "n2", before)
    cluster.pass_ms(500)
    assert epochs(cluster) == [2, 2, 2]
    assert recovering(cluster, "n2", keyspace_id) == 16
    names_ = {name for name in cluster.disks["n2"].facts if name.startswith(facts.RECOVERING)}
    assert facts.group_name(facts.RECOVERING, keyspace_id, 0) in names_
    # n3 has not got the write, n2 has lost it: the two may not say together that it never was.
    cluster.unreachable = {"n1"}
    answers = cluster.ask(Get("x", [b"k"]), "n3")
    assert failure_of(answers).kind is Kind.UNAVAILABLE


def test_a_restored_node_trusts_new_keyspaces_once_all_members_have_answered() -> None:
    cluster = warmed(config={"recover_after_ms": 1_000})
    set_back(cluster, "n2", encode(cluster.layout))
    assert cluster.disks["n2"].facts[facts.RESTORED]
    cluster.pass_ms(3_000)
    assert facts.RESTORED not in cluster.disks["n2"].facts
    keyspace_id = changed_of(cluster.ask(create(), "n1")).keyspace_id
    assert recovering(cluster, "n2", keyspace_id) == 0
    cluster.restart("n2", starts=3)
    assert recovering(cluster, "n2", keyspace_id) == 0


def test_a_maker_that_was_restored_makes_nothing_before_all_members_have_answered() -> None:
    cluster = warmed()
    before = encode(cluster.layout)
    changed_of(cluster.ask(create(), "n1"))
    for peer in ("n2", "n3"):
        cluster.failing[peer, Beat] = Reason.BROKEN
    set_back(cluster, "n1", before)
    context = cluster.nodes["n1"].context
    for peer in ("n2", "n3"):  # frames that were sent before the change, and come only now
        context.peer_epochs[peer] = (int(peer[1:]) * 1000, 1)
        context.peer_answered(peer)
    failure = refused(cluster, create("y"))
    assert failure.kind is Kind.UNAVAILABLE
    assert "member n1 was restored, and has not heard yet from every member" in failure.reason
    cluster.failing.clear()
    cluster.pass_ms(3_000)
    assert names(agreed(cluster)) == ["default", "x"]
    assert changed_of(cluster.ask(create("y"), "n1")).epoch == 3


def test_the_trees_of_a_new_keyspace_are_known_from_the_beginning_on_nodes_with_rows() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    for node in cluster.nodes:
        cluster.restart(node)
    keyspace_id = changed_of(cluster.ask(create(), "n1")).keyspace_id
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))
    roots = []
    for node in cluster.nodes.values():
        trees, group = node.context.trees, node.context.by_id[keyspace_id].groups_of([b"k"])[0]
        assert all(trees.known(keyspace_id, any_group) for any_group in range(16))
        roots.append(trees.root(keyspace_id, group))
    assert len(set(roots)) == 1
    assert roots[0] != trees.root(keyspace_id, (group + 1) % 16)
