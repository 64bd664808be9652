"""Claims about `dynakv.node.keyspaces`: a change is whole, durable everywhere, or not there."""

from collections import deque
from random import Random

import pytest

from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace, KeyspaceChange
from dynakv.core.layout import KeyspaceSettings, Layout, Level, encode
from dynakv.errors import Failure, Kind
from dynakv.node.layout_messages import (
    AdoptLayout,
    Changed,
    ChangeKeyspaces,
    LayoutAdopted,
)
from dynakv.node.messages import Beat, Failed, Get, Put, Reason, Refused, Save
from tests.node.cluster import Cluster, failure_of, stored_of, value_of, warmed

NODES = ("n1", "n2", "n3")


def create(name: str = "x", **settings: object) -> CreateKeyspace:
    return CreateKeyspace(KeyspaceSettings(name, groups=16, **settings))  # type: ignore[arg-type]


def changed_of(parts: list[object]) -> Changed:
    (part,) = parts
    assert isinstance(part, Changed), part
    return part


def epochs(cluster: Cluster) -> list[int]:
    return [cluster.nodes[node].layout.epoch for node in NODES]


def agreed(cluster: Cluster) -> Layout:
    """Return the layout that all nodes have in force and on disk."""
    layout = cluster.nodes["n1"].layout
    for node in NODES:
        assert cluster.nodes[node].layout == layout
        assert cluster.disks[node].layout == encode(layout)
    return layout


def holders(cluster: Cluster, key: bytes) -> list[str]:
    """Return the nodes whose disk has a row of that key in any keyspace."""
    return [n for n, disk in cluster.disks.items() if any(w[2] == key for w in disk.rows)]


def names(layout: Layout) -> list[str]:
    return [keyspace.settings.name for keyspace in layout.keyspaces]


@pytest.mark.parametrize("at", NODES)
def test_any_node_takes_a_change_and_answers_when_all_have_it_on_disk(at: str) -> None:
    cluster = warmed()
    changed = changed_of(cluster.ask(create(), at))
    layout = agreed(cluster)
    assert changed.epoch == layout.epoch == 2
    keyspace = layout.keyspace("x")
    assert keyspace is not None
    assert keyspace.keyspace_id == changed.keyspace_id
    for node in NODES:
        stored_of(cluster.ask(Put("x", [b"k"], [node.encode()]), node))
        assert value_of(cluster.ask(Get("x", [b"k"]), node)) == node.encode()
    assert {where[0] for where in cluster.disks["n2"].rows if where[2] == b"k"} == {
        changed.keyspace_id
    }


@pytest.mark.parametrize("slow", NODES)
def test_nothing_is_answered_before_every_disk_has_the_layout(slow: str) -> None:
    cluster = warmed()
    cluster.hold_disk(slow)
    call = cluster.submit(create(), "n2")
    cluster.run()
    assert cluster.parts(call) == []
    assert cluster.nodes[slow].layout.epoch == 1
    cluster.release_disk(slow)
    assert changed_of(cluster.parts(call)).epoch == 2
    agreed(cluster)


def test_no_member_sees_a_layout_that_its_maker_may_forget() -> None:
    cluster = warmed()
    cluster.hold_disk("n1")
    cluster.submit(create(), "n1")
    cluster.run()
    assert cluster.asked(AdoptLayout) == []
    cluster.restart("n1")  # its disk had not done it yet
    cluster.pass_ms(2_000)
    assert epochs(cluster) == [1, 1, 1]
    changed_of(cluster.ask(create("y"), "n1"))
    assert names(agreed(cluster)) == ["default", "y"]


def test_a_crash_of_the_maker_behind_its_own_disk_is_finished_on_its_return() -> None:
    cluster = warmed()
    cluster.hold("n2")
    cluster.hold("n3")
    cluster.submit(create(), "n1")
    cluster.run()
    assert epochs(cluster) == [2, 1, 1]
    cluster.held.clear()  # what it had sent is lost with it
    cluster.restart("n1")
    cluster.pass_ms(2_000)
    assert agreed(cluster).epoch == 2
    assert names(agreed(cluster)) == ["default", "x"]


def test_a_member_that_crashed_before_it_confirmed_is_brought_up_to_date() -> None:
    cluster = warmed()
    cluster.hold_disk("n3")
    call = cluster.submit(create(), "n1")
    cluster.run()
    cluster.restart("n3")
    cluster.pass_ms(1_500)
    assert agreed(cluster).epoch == 2
    assert changed_of(cluster.parts(call)).epoch == 2


def test_layouts_and_epochs_survive_restarts_of_all() -> None:
    cluster = warmed()
    changed_of(cluster.ask(create(), "n3"))
    for node in NODES:
        cluster.restart(node)
    cluster.pass_ms(200)
    assert agreed(cluster).epoch == 2
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n2"))


def refused(cluster: Cluster, change: KeyspaceChange, at: str = "n1") -> Failure:
    return failure_of(cluster.ask(change, at))


@pytest.mark.parametrize("at", ["n1", "n2"])
def test_while_a_member_is_down_nothing_is_done_and_it_is_named(at: str) -> None:
    cluster = warmed()
    cluster.unreachable.add("n3")
    cluster.hold("n1", Beat)
    cluster.pass_ms(6_500)
    cluster.release("n1")
    failure = refused(cluster, create(), at)
    assert failure.kind is Kind.UNAVAILABLE
    assert "nothing was done" in failure.reason
    assert "n3" in failure.reason
    cluster.unreachable.clear()
    cluster.pass_ms(2_000)
    assert epochs(cluster) == [1, 1, 1]
    changed_of(cluster.ask(create(), at))


def test_bad_input_is_named_even_while_a_member_is_down() -> None:
    cluster = warmed()
    cluster.unreachable.add("n3")
    cluster.pass_ms(1_200)
    failure = refused(cluster, create(replicas=0), "n2")
    assert (failure.kind, failure.reason) == (
        Kind.INVALID,
        "replicas is 0: 1 to 16 is allowed",
    )


def test_without_the_member_that_makes_changes_nothing_is_done() -> None:
    cluster = warmed()
    cluster.unreachable.add("n1")
    failure = refused(cluster, create(), "n2")
    assert failure.kind is Kind.UNAVAILABLE
    assert "member n1, which alone changes keyspaces, is down" in failure.reason


def test_a_deadline_that_passes_leaves_an_unknown_outcome_and_the_change_goes_on() -> None:
    cluster = warmed()
    cluster.hold_disk("n3")
    call = cluster.submit(CreateKeyspace(KeyspaceSettings("x"), timeout_ms=1_000), "n2")
    cluster.pass_ms(1_200)
    failure = failure_of(cluster.parts(call))
    assert failure.kind is Kind.UNKNOWN
    assert "layout epoch 2 is made, and not confirmed by n3 yet" in failure.reason
    failure = refused(cluster, create("y"))
    assert failure.kind is Kind.UNAVAILABLE
    assert "member n3 has layout epoch 1, not 2 yet" in failure.reason
    cluster.release_disk("n3")
    cluster.pass_ms(1_200)
    assert names(agreed(cluster)) == ["default", "x"]


def test_an_answer_lost_on_the_way_is_an_unknown_outcome() -> None:
    cluster = warmed()
    cluster.failing["n1", ChangeKeyspaces] = Reason.BROKEN
    assert refused(cluster, create(), "n2").kind is Kind.UNKNOWN


def test_changes_asked_for_at_once_are_made_one_after_the_other() -> None:
    cluster = warmed()
    calls = [cluster.submit(create(f"k{i}"), NODES[i % 3]) for i in range(6)]
    cluster.run()
    assert sorted(changed_of(cluster.parts(call)).epoch for call in calls) == list(range(2, 8))
    assert len(agreed(cluster).keyspaces) == 7


def test_only_one_of_two_changes_for_the_same_epoch_is_made() -> None:
    cluster = warmed()
    settings = [KeyspaceSettings(name, groups=16) for name in ("a", "b")]
    calls = [cluster.submit(CreateKeyspace(s, if_epoch=1), "n2") for s in settings]
    cluster.run()
    kinds = [type(cluster.parts(call)[0]) for call in calls]
    assert kinds == [Changed, Refused]
    assert failure_of(cluster.parts(calls[1])).kind is Kind.PRECONDITION
    assert names(agreed(cluster)) == ["a", "default"]


def test_more_changes_than_may_wait_are_refused_at_once() -> None:
    cluster = warmed()
    cluster.hold_disk("n2")
    calls = [cluster.submit(create(f"k{i}"), "n1") for i in range(18)]
    cluster.run()
    failure = failure_of(cluster.parts(calls[-1]))
    assert failure.kind is Kind.EXHAUSTED
    cluster.pass_ms(2_200)
    kinds = [failure_of(cluster.parts(call)).kind for call in calls[:-1]]
    assert kinds == [Kind.UNKNOWN] + [Kind.UNAVAILABLE] * 16


def test_a_recreated_keyspace_is_empty_and_the_old_rows_go() -> None:
    cluster = warmed()
    changed_of(cluster.ask(create(), "n2"))
    stored_of(cluster.ask(Put("x", [b"k"], [b"old"]), "n3"))
    assert value_of(cluster.ask(Get("x", [b"k"]), "n1")) == b"old"
    assert len(holders(cluster, b"k")) >= 2
    changed_of(cluster.ask(DropKeyspace("x"), "n3"))
    assert refused(cluster, DropKeyspace("x")).kind is Kind.INVALID
    assert failure_of(cluster.ask(Get("x", [b"k"]), "n2")).kind is Kind.INVALID
    changed_of(cluster.ask(create(), "n2"))
    for node in NODES:
        assert value_of(cluster.ask(Get("x", [b"k"]), node)) is None
    cluster.pass_ms(500)
    assert holders(cluster, b"k") == []


def test_altering_is_in_force_at_once_and_on_every_node() -> None:
    cluster = warmed()
    changed_of(cluster.ask(AlterKeyspace("default", Level.ALL, default_ttl_ms=60_000), "n2"))
    cluster.unreachable.add("n3")
    assert failure_of(cluster.put(b"k", b"v")).kind is not Kind.INVALID  # all are wanted now
    cluster.unreachable.clear()
    cluster.pass_ms(1_200)
    stored_of(cluster.put(b"k", b"v"))
    record = cluster.get(b"k", at="n3")
    assert record is not None
    assert record.expiry_ms == (record.value_time >> 16) + 60_000


def test_other_keyspaces_are_served_at_every_step_of_a_change() -> None:
    cluster = warmed()
    for change in (create(), AlterKeyspace("x", Level.ONE), DropKeyspace("x")):
        for slow in NODES:
            cluster.hold_disk(slow)
        call = cluster.submit(change, "n2")
        for slow in NODES:
            cluster.run()
            puts = [cluster.submit(Put("default", [b"k"], [b"v"]), node) for node in NODES]
            cluster.release_disk(slow)
            answers = [cluster.parts(put) for put in puts]
            assert not any(isinstance(part, Refused) for parts in answers for part in parts)
        cluster.run()
        changed_of(cluster.parts(call))
        for node in NODES:
            assert value_of(cluster.ask(Get("default", [b"k"]), node)) == b"v"


def test_a_node_that_is_behind_refuses_an_unknown_keyspace_for_now_only() -> None:
    cluster = warmed()
    cluster.hold_disk("n3")
    cluster.submit(create(), "n1")
    cluster.run()
    failure = failure_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n3"))
    assert failure.kind is Kind.UNAVAILABLE
    assert "whose layout has epoch 1 while there is one of epoch 2" in failure.reason
    cluster.release_disk("n3")
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n3"))
    assert failure_of(cluster.ask(Put("y", [b"k"], [b"v"]), "n3")).kind is Kind.INVALID


def test_a_node_that_was_just_started_refuses_an_unknown_keyspace_for_now_only() -> None:
    cluster = warmed()
    cluster.unreachable |= set(NODES)
    cluster.restart("n3")
    failure = failure_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n3"))
    assert failure.kind is Kind.UNAVAILABLE


def test_replicas_that_do_not_know_a_keyspace_yet_leave_nothing_behind() -> None:
    cluster = warmed()
    cluster.hold_disk("n2")
    cluster.hold_disk("n3")
    cluster.submit(create(), "n1")
    cluster.run()
    failure = failure_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))
    assert failure.kind in (Kind.UNAVAILABLE, Kind.UNKNOWN)


def test_a_stray_layout_is_adopted_by_nobody() -> None:
    cluster = warmed()
    changed_of(cluster.ask(create(), "n1"))
    node, layout = cluster.nodes["n2"], cluster.nodes["n2"].layout
    other = Cluster(3)
    changed_of(other.ask(create("z"), "n1"))
    stale = encode(Cluster(3).nodes["n1"].layout)
    foreign = encode(Cluster(4).nodes["n1"].layout)
    twin = encode(other.nodes["n1"].layout)
    for call, (raw, reply) in enumerate(
        [
            (stale, LayoutAdopted(2)),
            (foreign, Failed(Reason.FOREIGN)),
            (twin, Failed(Reason.FOREIGN)),
            (b"\xc1", Failed(Reason.UNSUPPORTED)),
        ]
    ):
        node.asked(900 + call, AdoptLayout(raw), cluster.now, "n1")
        cluster.run()
        assert cluster.parts(900 + call) == [reply]
    assert node.layout == layout


def test_memory_of_a_dropped_keyspace_is_let_go_of() -> None:
    cluster = warmed()
    changed_of(cluster.ask(create(), "n1"))
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))
    before = [len(cluster.nodes[node].context.cache) for node in NODES]
    changed_of(cluster.ask(DropKeyspace("x"), "n1"))
    after = [len(cluster.nodes[node].context.cache) for node in NODES]
    assert [b - a for b, a in zip(before, after, strict=True)] == [1, 1, 1]


def test_nothing_of_a_dropped_keyspace_stays_in_the_memory_of_a_node() -> None:
    cluster = warmed(config={"collect_every_ms": 200, "clean_after_ms": 500})
    for node in NODES:
        cluster.nodes[node].rounds.repair()
    keyspace_id = changed_of(cluster.ask(create(), "n1")).keyspace_id
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))
    cluster.nodes["n2"].rounds.repair(keyspace_id)
    cluster.pass_ms(3_000)  # groups were compared and flushed, and looked at for collection
    context = cluster.nodes["n2"].context
    assert context.writes.marked(keyspace_id, context.by_id[keyspace_id].groups_of([b"k"])[0])
    assert [of for of in context.tasks.rounds if of[0] == keyspace_id]
    changed_of(cluster.ask(DropKeyspace("x"), "n1"))
    cluster.pass_ms(1_000)
    for node in NODES:
        assert str(keyspace_id) not in str(_plain(cluster.nodes[node], set()))
        assert f"{keyspace_id:016x}" not in str(list(cluster.disks[node].facts))


def _plain(value: object, seen: set[int]) -> object:
    """Return everything that an object reaches inside the node, as containers of plain values."""
    if isinstance(value, str | bytes | int | float | None):
        return value
    if id(value) in seen:
        return "..."
    seen.add(id(value))
    if isinstance(value, dict):
        return [(_plain(k, seen), _plain(v, seen)) for k, v in value.items()]
    if isinstance(value, list | tuple | set | deque):
        return [_plain(item, seen) for item in value]
    names = [name for of in type(value).__mro__ for name in getattr(of, "__slots__", ())]
    names += list(getattr(value, "__dict__", ()))
    if not type(value).__module__.startswith("dynakv"):
        return ""
    return [_plain(getattr(value, name, None), seen) for name in names]


def test_a_write_of_a_dropped_keyspace_that_waits_for_the_disk_is_removed_as_well() -> None:
    cluster = warmed()
    keyspace_id = changed_of(cluster.ask(create(), "n1")).keyspace_id
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    cluster.ask(Put("x", [b"k"], [b"v"]), "n1")
    cluster.hold_disk("n3")
    cluster.release("n3")
    call = cluster.submit(DropKeyspace("x"), "n1")
    cluster.run()
    cluster.release_disk("n3")
    changed_of(cluster.parts(call))
    cluster.release("n2")
    cluster.pass_ms(500)
    assert [where for where in cluster.disks["n3"].rows if where[0] == keyspace_id] == []
    assert holders(cluster, b"k") == []


def test_an_only_node_changes_its_keyspaces_alone() -> None:
    cluster = warmed(1, replicas=1)
    assert changed_of(cluster.ask(create(), "n1")).epoch == 2
    stored_of(cluster.ask(Put("x", [b"k"], [b"v"]), "n1"))


def test_ids_of_keyspaces_are_random() -> None:
    found = []
    for seed in (1, 2):
        cluster = warmed()
        cluster.nodes["n1"].context.random = Random(seed)
        found.append(changed_of(cluster.ask(create(), "n1")).keyspace_id)
    assert found[0] != found[1]


def test_a_wrong_timeout_is_refused() -> None:
    cluster = warmed()
    failure = refused(cluster, CreateKeyspace(KeyspaceSettings("x"), timeout_ms=60_001))
    assert failure.kind is Kind.INVALID
    assert failure.reason == "timeout is 60001 ms: 1 to 60000 is allowed"
