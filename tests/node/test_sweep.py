"""Claims about `dynakv.node.sweep`: dropped rows go in small steps, across restarts."""

from dynakv import limits
from dynakv.core import facts, table
from dynakv.core.keyspaces import CreateKeyspace, DropKeyspace
from dynakv.core.layout import KeyspaceSettings, Mode, NodeId
from dynakv.core.raft_rows import hidden_keyspaces
from dynakv.core.record import written
from dynakv.node.hint_shelf import hidden_keyspace
from dynakv.node.messages import Put
from dynakv.node.tasks import Kind, State
from tests.node.cluster import Cluster, warmed

ROWS = 3 * limits.SWEEP_ROWS_MAX


def filled() -> tuple[Cluster, int]:
    """Return a cluster whose keyspace `x` has many rows on every disk, and its id."""
    cluster = warmed()
    cluster.ask(CreateKeyspace(KeyspaceSettings("x", groups=4)))
    keyspace = cluster.nodes["n1"].context.by_name["x"].keyspace_id
    for disk in cluster.disks.values():
        for i in range(ROWS):
            disk.rows[keyspace, i % 4, b"%d" % i] = written(b"%d" % i, b"v", 0, 1 << 40, 1)
    return cluster, keyspace


def left(cluster: Cluster, keyspace: int) -> list[int]:
    return [sum(w[0] == keyspace for w in disk.rows) for disk in cluster.disks.values()]


def test_rows_are_removed_step_by_step_with_pauses() -> None:
    cluster, keyspace = filled()
    others = [len(disk.rows) - ROWS for disk in cluster.disks.values()]
    cluster.ask(DropKeyspace("x"))
    assert left(cluster, keyspace) == [ROWS - limits.SWEEP_ROWS_MAX] * 3
    cluster.pass_ms(limits.SWEEP_PAUSE_MS - 20)
    assert left(cluster, keyspace) == [ROWS - limits.SWEEP_ROWS_MAX] * 3
    cluster.pass_ms(5 * limits.SWEEP_PAUSE_MS)
    assert left(cluster, keyspace) == [0, 0, 0]
    assert [len(disk.rows) for disk in cluster.disks.values()] == others
    assert all(
        len(ask.message.keys) <= limits.SWEEP_ROWS_MAX
        for _, ask in cluster.sent
        if isinstance(ask.message, table.RemoveRows)
    )


def test_operators_see_how_many_rows_were_removed() -> None:
    cluster, _ = filled()
    cluster.ask(DropKeyspace("x"))
    context = cluster.nodes["n1"].context
    (task,) = [t for t in context.tasks.figures(0) if t.kind == Kind.SWEEP.value]
    assert (task.state, task.done) == (State.RUNNING.value, limits.SWEEP_ROWS_MAX)
    assert task.about == "rows of dropped keyspaces"
    cluster.pass_ms(5 * limits.SWEEP_PAUSE_MS)
    (task,) = [t for t in context.tasks.figures(0) if t.kind == Kind.SWEEP.value]
    assert (task.state, task.done) == (State.DONE.value, ROWS)


def test_a_restart_goes_on_where_the_last_life_ended() -> None:
    cluster, keyspace = filled()
    cluster.ask(DropKeyspace("x"))
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.pass_ms(10 * limits.SWEEP_PAUSE_MS)
    assert left(cluster, keyspace) == [0, 0, 0]


def test_a_second_drop_during_the_first_is_not_missed() -> None:
    cluster, keyspace = filled()
    cluster.ask(CreateKeyspace(KeyspaceSettings("y", groups=4)))
    other = cluster.nodes["n1"].context.by_name["y"].keyspace_id
    for disk in cluster.disks.values():
        disk.rows[other, 0, b"k"] = written(b"k", b"v", 0, 1 << 40, 1)
    cluster.ask(DropKeyspace("x"))
    cluster.ask(DropKeyspace("y"))
    cluster.pass_ms(20 * limits.SWEEP_PAUSE_MS)
    assert left(cluster, keyspace) == left(cluster, other) == [0, 0, 0]


def test_a_start_without_strays_removes_nothing() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    rows = [len(disk.rows) for disk in cluster.disks.values()]
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.pass_ms(500)
    assert [len(disk.rows) for disk in cluster.disks.values()] == rows


def test_rows_of_a_keyspace_that_was_made_while_the_disk_looked_stay() -> None:
    cluster = warmed()
    cluster.ask(CreateKeyspace(KeyspaceSettings("x", groups=4)))
    cluster.ask(Put("x", [b"k"], [b"v"], w=3))
    keyspace = cluster.nodes["n1"].context.by_name["x"].keyspace_id
    sweeper = cluster.nodes["n1"]._layouts.sweeper
    sweeper._found(table.Strays(keyspace, [0], [b"k"]))
    cluster.pass_ms(1_000)
    assert [sum(w[2] == b"k" for w in disk.rows) for disk in cluster.disks.values()] == [1, 1, 1]


def test_facts_about_the_groups_of_a_dropped_keyspace_are_forgotten() -> None:
    cluster, keyspace = filled()
    for disk in cluster.disks.values():
        disk.facts[facts.group_name(facts.CUT, keyspace, 2)] = b"\x93\x00\x00\x00"
    cluster.ask(DropKeyspace("x"))
    known = [name for disk in cluster.disks.values() for name in disk.facts]
    assert not [name for name in known if f"{keyspace:016x}" in name]


def test_hints_of_living_keyspaces_are_no_strays() -> None:
    cluster = warmed()
    hidden = hidden_keyspace(
        NodeId("n2"), cluster.nodes["n1"].context.by_name["default"].keyspace_id
    )
    cluster.disks["n1"].rows[hidden, 0, b"h"] = written(b"h", b"v", 0, 1 << 40, 1)
    cluster.nodes["n1"]._layouts.sweeper._begin()
    cluster.pass_ms(10)
    assert (hidden, 0, b"h") in cluster.disks["n1"].rows


def test_the_rows_of_raft_groups_stay_as_long_as_their_keyspace() -> None:
    cluster = Cluster(mode=Mode.RAFT)
    for disk in cluster.disks.values():
        for hidden in hidden_keyspaces(cluster.keyspace_id):
            disk.rows[hidden, 0, b"kept"] = written(b"kept", b"v", 0, 1 << 40, 1)
        disk.rows[7, 0, b"stray"] = written(b"stray", b"v", 0, 1 << 40, 1)
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.pass_ms(5 * limits.SWEEP_PAUSE_MS)
    for disk in cluster.disks.values():
        kept = {where[0] for where in disk.rows if where[2] == b"kept"}
        assert kept == set(hidden_keyspaces(cluster.keyspace_id))
        assert [where for where in disk.rows if where[2] == b"stray"] == []
