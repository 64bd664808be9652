"""A replica says where its trees differ from another's, and what lies in the leaves that do."""

from dynakv import limits
from dynakv.core.hashtree import LEAVES, leaf_of
from dynakv.node.messages import Failed, Reason
from dynakv.node.repair_messages import Compare, Compared, LeavesScanned, Likeness, ScanLeaves
from tests.node.cluster import Cluster


def asked(cluster: Cluster, message: object, at: str = "n1") -> object:
    """Return the reply of a node to a message of repair."""
    (reply,) = cluster.ask(message, at)
    return reply


def placed(cluster: Cluster) -> tuple[int, int]:
    keyspace = cluster.layout.keyspaces[0]
    return int(keyspace.keyspace_id), keyspace.epoch


def compare(cluster: Cluster, groups: list[int], roots: list[int], at: str = "n1") -> Compared:
    reply = asked(cluster, Compare(*placed(cluster), groups, roots), at)
    assert isinstance(reply, Compared)
    return reply


def roots_of(cluster: Cluster, node: str, groups: list[int]) -> list[int]:
    trees, (keyspace, _) = cluster.nodes[node].context.trees, placed(cluster)
    roots = [trees.root(keyspace, group) for group in groups]
    return [root for root in roots if root is not None]


def test_equal_roots_are_equal_and_others_bring_their_leaves() -> None:
    cluster = Cluster()
    cluster.put(b"k", b"v")
    keyspace, _ = placed(cluster)
    groups = list(range(64))
    roots = roots_of(cluster, "n2", groups)
    assert compare(cluster, groups, roots).likenesses == [Likeness.EQUAL] * 64
    (group,) = cluster.nodes["n1"].context.by_id[keyspace].groups_of([b"k"])
    roots[group] += 1
    compared = compare(cluster, groups, roots)
    assert [g for g in groups if compared.likenesses[g] is Likeness.DIFFERS] == [group]
    assert compared.leaves == cluster.nodes["n1"].context.trees.leaves(keyspace, group)


def test_a_reply_brings_the_leaves_of_a_bounded_number_of_groups() -> None:
    cluster = Cluster()
    compared = compare(cluster, list(range(64)), [1] * 64)
    fit = limits.COMPARED_LEAVES_MAX
    assert compared.likenesses == [Likeness.DIFFERS] * fit + [Likeness.LATER] * (64 - fit)
    assert len(compared.leaves) == fit * LEAVES


def test_a_group_without_a_tree_or_that_is_not_held_here_is_unknown() -> None:
    cluster = Cluster(4)
    keyspace, _ = placed(cluster)
    held = cluster.nodes["n1"].context.by_id[keyspace].held
    ours, strange = held.index(True), held.index(False)
    cluster.nodes["n1"].context.trees.forget(keyspace, ours)
    likenesses = compare(cluster, [ours, strange, 64], [0, 0, 0]).likenesses
    assert likenesses == [Likeness.UNKNOWN] * 3


def test_a_compare_says_the_floor_of_each_group() -> None:
    cluster = Cluster()
    keyspace, _ = placed(cluster)
    cluster.nodes["n1"].context.cuts.floors[keyspace, 3] = 77
    assert compare(cluster, [2, 3], [0, 0]).floors == [0, 77]


def test_a_page_shows_the_records_of_the_asked_leaves_without_values_and_looks_at_few_rows() -> (
    None
):
    cluster = Cluster()
    keyspace, epoch = placed(cluster)
    placement = cluster.nodes["n1"].context.by_id[keyspace]
    keys = [key for key in (b"%05d" % i for i in range(6_000)) if placement.groups_of([key]) == [5]]
    keys = keys[:40]
    for key in keys:
        cluster.put(key, b"value")
    leaf = leaf_of(keys[7])
    wanted = [key for key in keys if leaf_of(key) == leaf]
    seen: list[bytes] = []
    after = None
    for _ in range(100):
        reply = asked(cluster, ScanLeaves(keyspace, epoch, 5, [leaf], after, 10))
        assert isinstance(reply, LeavesScanned)
        assert {record.value for record in reply.records} <= {b""}
        seen += [record.key for record in reply.records]
        after = reply.next
        if after is None:
            break
        assert keys.index(after) % 10 == 9
    assert seen == wanted


def test_what_is_not_here_is_refused() -> None:
    cluster = Cluster(4)
    keyspace, epoch = placed(cluster)
    strange = cluster.nodes["n1"].context.by_id[keyspace].held.index(False)
    refusals = {
        Reason.UNKNOWN_KEYSPACE: ScanLeaves(keyspace + 1, epoch, 0, [0], None, 10),
        Reason.WRONG_EPOCH: ScanLeaves(keyspace, epoch + 1, 0, [0], None, 10),
    }
    for reason, message in refusals.items():
        assert asked(cluster, message) == Failed(reason)
    for group in (strange, 64):
        message = ScanLeaves(keyspace, epoch, group, [0], None, 10)
        assert asked(cluster, message) == Failed(Reason.WRONG_EPOCH)
    assert asked(cluster, Compare(keyspace, epoch + 1, [0], [0])) == Failed(Reason.WRONG_EPOCH)
