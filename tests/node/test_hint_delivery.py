"""Claims about `dynakv.node.hint_delivery`: hints reach their targets, once those are back."""

import pytest
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.core.record import Record
from dynakv.core.table import ScanRecords
from dynakv.node.messages import Load, Outcome, Put, Reason, Save, Saved
from dynakv.node.tasks import TaskFigures
from tests.node.cluster import Cluster, stored_of, values, warmed
from tests.node.test_hints import counter, wanted

SECOND = 1_000


def away(peer: str, keys: int = 1, nodes: int = 3, **config: object) -> Cluster:
    """Return a cluster in which one node was away while keys were written through n1."""
    config = {"hint_bytes_max": 1 << 20, "cache_bytes_max": 0, **config}
    cluster = warmed(nodes, config=config)
    leave(cluster, peer)
    names = [b"key%d" % i for i in range(keys)]
    for start in range(0, keys, 500):
        some = names[start : start + 500]
        cluster.ask(Put("default", some, [b"v"] * len(some)))
    cluster.sent.clear()
    return cluster


def leave(cluster: Cluster, peer: str) -> None:
    """Cut a node off, and let the others notice."""
    cluster.unreachable.add(peer)
    cluster.pass_ms(1_200)


def held_by(cluster: Cluster, node: str) -> int:
    """Return how many keys of the test a node has on disk."""
    rows = cluster.disks[node].rows
    return sum(
        keyspace == cluster.keyspace_id and key.startswith(b"key") for keyspace, _, key in rows
    )


def pages(cluster: Cluster, peer: str = "n3") -> list[Save]:
    """Return what was sent to a peer to be saved."""
    return [a.message for _, a in cluster.sent if a.to == peer and isinstance(a.message, Save)]


def test_a_target_that_is_back_gets_its_hints_without_any_read() -> None:
    cluster = away("n3", keys=40)
    assert len(cluster.hints("n1", "n3")) == 40
    assert held_by(cluster, "n3") == 0
    cluster.unreachable.clear()
    cluster.pass_ms(4 * SECOND)
    assert held_by(cluster, "n3") == 40
    assert cluster.hints("n1", "n3") == {}
    assert cluster.nodes["n1"].hints.pending() == []
    assert cluster.asked(Load) == []
    assert counter(cluster, "hints_delivered") == 40
    assert wanted(cluster) == []
    (note,) = [note for note in cluster.notes if note.event == "hints_delivered"]
    assert note.fields == {"peer": "n3", "rows": 40}


def test_a_hint_is_sent_as_an_ordinary_save_that_nobody_vouches_for() -> None:
    cluster = away("n3")
    cluster.unreachable.clear()
    cluster.pass_ms(4 * SECOND)
    (save,) = pages(cluster)
    assert (save.floors, save.heals, save.previous) == (None, False, False)
    assert save.keyspace == cluster.keyspace_id


def test_hints_come_in_bounded_pages_one_at_a_time() -> None:
    cluster = away("n3", keys=1_000)
    cluster.unreachable.clear()
    cluster.hold("n3", Save)
    cluster.pass_ms(1_500)
    assert len(pages(cluster)) == 1
    cluster.release("n3")
    cluster.pass_ms(3 * SECOND)
    sizes = [len(save.records) for save in pages(cluster)]
    assert sum(sizes) == held_by(cluster, "n3") == 1_000
    assert max(sizes) <= limits.PAGE_ROWS_MAX


def test_between_two_pages_there_is_a_pause_as_long_as_the_page_took_and_more() -> None:
    cluster = away("n3", keys=1_000, hint_pause_ms=200)
    cluster.unreachable.clear()
    cluster.hold("n3", Save)
    cluster.pass_ms(1_500)
    cluster.release("n3")  # the page took some hundred milliseconds
    cluster.hold("n3", Save)
    cluster.pass_ms(200)
    assert len(pages(cluster)) == 1
    cluster.pass_ms(1_500)
    assert len(pages(cluster)) == 2


def test_the_pause_after_a_page_that_hung_is_short() -> None:
    cluster = away("n3", keys=1_000)
    cluster.unreachable.clear()
    cluster.hold("n3", Save)
    cluster.pass_ms(3_000)
    cluster.release("n3")
    cluster.pass_ms(limits.HINT_PAUSE_MS_MAX + 100)
    assert len(pages(cluster)) > 1


def test_a_new_life_delivers_what_former_ones_kept() -> None:
    cluster = away("n3", keys=20)
    cluster.nodes["n1"] = cluster.start("n1", starts=2)
    cluster.unreachable.clear()
    cluster.pass_ms(5 * SECOND)
    assert held_by(cluster, "n3") == 20
    assert cluster.hints("n1", "n3") == {}
    assert cluster.nodes["n1"].hints.pending() == []


def test_a_hint_merged_while_an_older_one_travels_stays_for_the_next_page() -> None:
    cluster = away("n3")
    cluster.unreachable.clear()
    cluster.hold("n3", Save)
    cluster.pass_ms(1_500)
    assert len(pages(cluster)) == 1
    stored_of(cluster.put(b"key0", b"newer", timeout_ms=100))
    cluster.pass_ms(200)  # that put is a hint now, too
    cluster.held["n3"].pop()
    cluster.release("n3")
    assert values(cluster, b"key0")["n3"] == b"v"
    assert len(cluster.hints("n1", "n3")) == 1
    cluster.pass_ms(2 * SECOND)
    assert values(cluster, b"key0")["n3"] == b"newer"
    assert cluster.hints("n1", "n3") == {}
    assert cluster.nodes["n1"].hints.pending() == []


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.FENCED, Outcome.MISPLACED])
def test_what_the_target_will_never_need_is_done(outcome: Outcome) -> None:
    cluster = away("n3")
    cluster.unreachable.clear()
    cluster.alter = lambda node, reply: (
        Saved([outcome], None) if node == "n3" and isinstance(reply, Saved) else reply
    )
    cluster.pass_ms(4 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    assert counter(cluster, "hints_delivered") == (outcome is Outcome.OK)


@pytest.mark.parametrize(
    "outcome", [Outcome.AHEAD, Outcome.DAMAGED, Outcome.RECOVERING, Outcome.CORRUPT]
)
def test_what_the_target_cannot_take_now_is_tried_again_and_more_rarely(outcome: Outcome) -> None:
    cluster = away("n3")
    cluster.unreachable.clear()
    cluster.alter = lambda node, reply: (
        Saved([outcome], None) if node == "n3" and isinstance(reply, Saved) else reply
    )
    cluster.pass_ms(20 * SECOND)
    assert 3 <= len(pages(cluster)) <= 6
    cluster.alter = lambda node, reply: reply
    cluster.pass_ms(17 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    assert held_by(cluster, "n3") == 1


@pytest.mark.parametrize("reason", [Reason.NO_SPACE, Reason.BROKEN, Reason.WRONG_EPOCH])
def test_an_ask_that_fails_as_a_whole_is_tried_again(reason: Reason) -> None:
    cluster = away("n3", keys=30)
    cluster.unreachable.clear()
    cluster.failing["n3", Save] = reason
    cluster.pass_ms(6 * SECOND)
    assert len(cluster.hints("n1", "n3")) == 30
    cluster.failing.clear()
    cluster.pass_ms(17 * SECOND)
    assert held_by(cluster, "n3") == 30
    assert cluster.hints("n1", "n3") == {}


def test_a_hint_that_cannot_be_taken_does_not_hold_up_the_others() -> None:
    cluster = away("n3", keys=30)
    cluster.unreachable.clear()

    def alter(node: str, reply: object) -> object:
        if node != "n3" or not isinstance(reply, Saved):
            return reply
        count = len(pages(cluster)[-1].records)
        return Saved([Outcome.AHEAD] + [Outcome.OK] * (count - 1), None)

    cluster.alter = alter
    cluster.pass_ms(10 * SECOND)
    assert len(cluster.hints("n1", "n3")) < 5


def test_hints_that_became_too_old_are_handed_over_instead_of_sent() -> None:
    cluster = away("n3", keys=5, hint_age_ms=5 * SECOND)
    cluster.nodes["n1"].context.members.broken("n3")
    cluster.sent.clear()
    cluster.pass_ms(6 * SECOND)
    cluster.unreachable.clear()
    cluster.pass_ms(4 * SECOND)
    assert pages(cluster) == []
    assert cluster.hints("n1", "n3") == {}
    assert counter(cluster, "hints_dropped_for_age") == 5
    assert set(wanted(cluster)) == {"n3"}


def test_hints_do_not_outlive_their_age_while_the_target_stays_away() -> None:
    cluster = away("n3", keys=5, hint_age_ms=8 * SECOND)
    cluster.pass_ms(4 * SECOND)
    stored_of(cluster.put(b"key-young", b"v"))
    cluster.pass_ms(6 * SECOND)
    assert set(cluster.hints("n1", "n3")) == {b"key-young"}
    assert counter(cluster, "hints_dropped_for_age") == 5
    assert set(wanted(cluster)) == {"n3"}
    (figures,) = cluster.nodes["n1"].hints.pending()
    assert figures.rows == 1


def test_hints_are_looked_through_a_few_times_per_age_and_not_before_one_can_be_old() -> None:
    cluster = away("n3", keys=5, hint_age_ms=8 * SECOND)
    cluster.pass_ms(5 * SECOND)
    scans = [a for s, a in cluster.sent if s == "n1" and isinstance(a.message, ScanRecords)]
    assert scans == []


def test_nothing_is_too_old_while_the_clock_is_in_doubt() -> None:
    cluster = away("n3", keys=5, hint_age_ms=5 * SECOND)
    cluster.unreachable.add("n2")
    cluster.skew_ms["n1"] = 3_600 * SECOND
    cluster.pass_ms(8 * SECOND)
    assert not cluster.nodes["n1"].context.guard.trusted
    assert len(cluster.hints("n1", "n3")) == 5


def test_a_damaged_hint_is_removed_and_handed_over_and_the_others_are_delivered() -> None:
    cluster = away("n3", keys=5)
    disk = cluster.disks["n1"]
    where = next(w for w in disk.rows if w[0] != cluster.keyspace_id and w[2] == b"key3")
    row = disk.rows[where]
    assert isinstance(row, Record)
    disk.rows[where] = replace(row, value=b"x")
    cluster.unreachable.clear()
    cluster.pass_ms(6 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    assert set(values(cluster, b"key3")) == {"n1", "n2"}
    assert held_by(cluster, "n3") == 4
    assert wanted(cluster) == ["n3"]
    assert cluster.nodes["n1"].hints.pending() == []


def test_hints_that_were_all_damaged_are_counted_as_gone_as_soon_as_they_are() -> None:
    cluster = away("n3", keys=5)
    disk = cluster.disks["n1"]
    for where, row in list(disk.rows.items()):
        if where[0] != cluster.keyspace_id and isinstance(row, Record) and row.value == b"v":
            disk.rows[where] = replace(row, value=b"x")
    cluster.unreachable.clear()
    while cluster.hints("n1", "n3"):
        cluster.pass_ms(10)
    cluster.pass_ms(3 * cluster.nodes["n1"].context.config.hint_pause_ms)
    assert cluster.nodes["n1"].hints.pending() == []


def test_targets_are_served_independently() -> None:
    cluster = away("n5", keys=60, nodes=5)
    leave(cluster, "n4")
    cluster.ask(Put("default", [b"key%d" % i for i in range(60)], [b"w"] * 60))
    assert cluster.hints("n1", "n4")
    cluster.unreachable.discard("n5")
    cluster.pass_ms(4 * SECOND)
    assert cluster.hints("n1", "n5") == {}
    assert cluster.hints("n1", "n4")


def test_the_hash_trees_and_the_cache_do_not_see_hints() -> None:
    cluster = away("n3", keys=20, cache_bytes_max=1 << 20)
    ctx = cluster.nodes["n1"].context
    other = cluster.nodes["n2"].context
    assert len(cluster.hints("n1", "n3")) == 20
    for group in range(64):
        root = ctx.trees.root(cluster.keyspace_id, group)
        assert root == other.trees.root(cluster.keyspace_id, group)
    assert len(ctx.cache) == len(other.cache)


def test_nobody_can_ask_for_the_hints_of_a_node() -> None:
    cluster = away("n3")
    hidden = next(k for k, _, _ in cluster.disks["n1"].rows if k != cluster.keyspace_id)
    assert hidden not in cluster.nodes["n1"].context.by_id
    assert NodeId("n3") in cluster.nodes["n1"].context.peers


def deliveries(cluster: Cluster) -> list[TaskFigures]:
    tasks = cluster.nodes["n1"].context.tasks.figures(cluster.now.mono_ms)
    return [task for task in tasks if task.kind == "hints"]


def test_a_delivery_is_a_task_that_counts_hints_and_bytes() -> None:
    cluster = away("n3", keys=600)
    assert deliveries(cluster) == []  # nobody works on them while their target is away
    cluster.hold("n3", Save)
    cluster.unreachable.clear()
    cluster.pass_ms(1_500)
    (task,) = deliveries(cluster)
    assert (task.about, task.state, task.done, task.total) == ("for n3", "running", 0, 600)
    cluster.release("n3")
    cluster.pass_ms(8 * SECOND)
    (task,) = deliveries(cluster)
    assert (task.state, task.done, task.total) == ("done", 600, 600)
    assert task.bytes == sum(len(b"key%d" % i) + 1 for i in range(600))


def test_a_target_that_leaves_again_ends_the_task_and_says_so() -> None:
    cluster = away("n3", keys=600)
    cluster.failing["n3", Save] = Reason.BROKEN
    cluster.unreachable.clear()
    cluster.pass_ms(2 * SECOND)
    leave(cluster, "n3")
    cluster.pass_ms(20 * SECOND)
    (task,) = deliveries(cluster)
    assert (task.state, task.why, task.total) == ("failed", "n3 went away", 600)


def test_the_age_of_hints_is_that_of_the_oldest_and_unknown_after_a_restart() -> None:
    cluster = away("n3", keys=3)
    cluster.pass_ms(5 * SECOND)
    (pending,) = cluster.nodes["n1"].hints.pending()
    assert pending.age_ms is not None
    assert 5_000 <= pending.age_ms <= 6_500
    cluster.restart("n1")
    (pending,) = cluster.nodes["n1"].hints.pending()
    assert (pending.rows, pending.age_ms) == (3, None)
