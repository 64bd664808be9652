"""A recovery is shown to operators with its progress."""

from dynakv.core.layout import NodeId
from dynakv.node.messages import Reason
from dynakv.node.repair_messages import Compare
from dynakv.node.tasks import TaskFigures
from tests.node.cluster import Cluster
from tests.node.repair import keyspace_of


def recoveries(cluster: Cluster) -> list[TaskFigures]:
    tasks = cluster.nodes["n1"].context.tasks.figures(cluster.now.mono_ms)
    return [task for task in tasks if task.kind == "recovery"]


def test_groups_that_recover_are_a_task_until_the_last_one_answers() -> None:
    cluster = Cluster(3, replicas=3, config={"recover_after_ms": 0})
    for peer in ("n2", "n3"):
        cluster.failing[peer, Compare] = Reason.BROKEN
    cluster.pass_ms(1_000)
    assert recoveries(cluster) == []
    where = [(keyspace_of(cluster), group) for group in range(4)]
    cluster.nodes["n1"].recovery.mark(where, "a test")
    cluster.pass_ms(2_000)
    (task,) = recoveries(cluster)
    assert (task.state, task.done, task.total) == ("running", 0, 4)
    cluster.failing.clear()
    cluster.pass_ms(8_000)
    (task,) = recoveries(cluster)
    assert (task.state, task.done, task.total) == ("done", 4, 4)


def test_groups_marked_later_belong_to_the_same_task() -> None:
    cluster = Cluster(3, replicas=3)
    peers = [NodeId("n2"), NodeId("n3")]
    for peer in peers:
        cluster.failing[peer, Compare] = Reason.BROKEN
    for group in (1, 2):
        cluster.nodes["n1"].recovery.mark([(keyspace_of(cluster), group)], "a test")
        cluster.pass_ms(1_500)
    (task,) = recoveries(cluster)
    assert (task.state, task.done, task.total) == ("running", 0, 2)
