"""Claims about `dynakv.node.context`: asks, timers, deadlines, placement."""

from dynakv.core.layout import group_shift, token_of
from dynakv.node.context import Context
from dynakv.node.messages import Ask, Failed, Now, Reason, Saved
from tests.node.cluster import START, Cluster

SAVED = Saved(None, None)


def context(nodes: int = 3, **settings: object) -> Context:
    it = Cluster(nodes, **settings).nodes["n1"].context  # type: ignore[arg-type]
    it.effects.clear()
    return it


def test_a_reply_is_given_to_whoever_asked_once() -> None:
    ctx = context()
    got: list[object] = []
    call = ctx.ask("n2", "message", 6_000, got.append)
    assert ctx.effects == [Ask(call, "n2", "message", 6_000)]
    ctx.answered(call, SAVED)
    ctx.answered(call, SAVED)
    assert got == [SAVED]


def test_a_reply_that_nobody_waits_for_is_dropped() -> None:
    ctx = context()
    got: list[object] = []
    call = ctx.ask("n2", "message", 6_000, got.append)
    ctx.forget(call)
    ctx.forget(call)
    ctx.answered(call, SAVED)
    ctx.answered(987654321, SAVED)
    assert got == []


def test_calls_of_different_lives_differ() -> None:
    cluster = Cluster()
    first = cluster.nodes["n1"].context.ask("n2", "m", 0, print)
    cluster.restart("n1")
    assert cluster.nodes["n1"].context.ask("n2", "m", 0, print) > first + (1 << 32)


def test_an_unreachable_peer_counts_as_down_at_once() -> None:
    ctx = context()
    got: list[object] = []
    assert ctx.members.up("n2")
    ctx.answered(ctx.ask("n2", "message", 6_000, got.append), Failed(Reason.BROKEN))
    assert ctx.members.up("n2")  # may live: only this answer is lost
    ctx.answered(ctx.ask("n2", "message", 6_000, got.append), Failed(Reason.UNREACHABLE))
    assert not ctx.members.up("n2")
    assert len(got) == 2


def test_timers_run_in_order_never_early_and_once() -> None:
    ctx = context()
    ran: list[int] = []
    start = START.mono_ms
    for after in (120, 50, 51, 50):
        ctx.at(start + after, lambda after=after: ran.append(after))  # type: ignore[misc]
    woken = []
    while ctx._timers and len(ran) < 4:
        wake_ms = ctx.wake_at()
        assert wake_ms is not None
        woken.append(wake_ms - start)
        ctx.now = Now(0, wake_ms - 1)
        before = list(ran)
        ctx.run_timers()
        assert ran == before
        ctx.now = Now(0, wake_ms)
        ctx.run_timers()
        ctx.run_timers()
    assert ran == [50, 50, 51, 120]
    assert woken == [50, 60, 100, 120]  # in buckets of 10 ms; at 100 the heartbeats


def test_a_timer_may_set_the_next_one() -> None:
    ctx = context()
    ran: list[int] = []

    def again() -> None:
        ran.append(ctx.now.mono_ms)
        ctx.at(ctx.now.mono_ms + 100, again)

    ctx.at(START.mono_ms + 50, again)
    for ms in range(0, 500, 10):
        ctx.now = Now(0, START.mono_ms + ms)
        ctx.run_timers()
    assert [ms - START.mono_ms for ms in ran] == [50, 150, 250, 350, 450]


def test_deadlines_are_rounded_up_so_that_they_are_shared() -> None:
    ctx = context()
    for timeout_ms, rounded_ms in ((1, 50), (50, 50), (51, 100), (99, 100)):
        assert ctx.deadline(timeout_ms) == START.mono_ms + rounded_ms
    assert ctx.deadline(0) == START.mono_ms + 2_000
    ctx.now = Now(0, START.mono_ms + 1)
    assert ctx.deadline(300) == START.mono_ms + 350


def test_placement_splits_keys_by_their_replicas_in_order() -> None:
    ctx = context(5)
    placement = ctx.by_name["default"]
    keys = [b"key%d" % i for i in range(200)]
    seen = []
    for replicas, entries in placement.split(keys).items():
        assert list(replicas) == sorted(set(replicas))
        assert entries == sorted(entries)
        for i in entries:
            group = token_of(keys[i], hash_tags=False) >> group_shift(64)
            assert set(placement.keyspace.placement[group]) == set(replicas)
            assert placement.held[group] == ("n1" in replicas)
        seen += entries
    assert sorted(seen) == list(range(200))


def test_keys_of_one_hash_tag_share_their_group_where_the_keyspace_says_so() -> None:
    tagged, plain = (context(hash_tags=tags).by_name["default"] for tags in (True, False))
    keys = [b"{user}:%d" % i for i in range(50)]
    assert len(set(tagged.groups_of(keys))) == 1
    assert len(set(plain.groups_of(keys))) > 1


def test_a_cluster_smaller_than_the_wanted_copies_has_as_many_as_members() -> None:
    for nodes, quorum in ((1, (1, 1, 1)), (2, (2, 1, 2)), (3, (3, 2, 2)), (5, (3, 2, 2))):
        keyspace = context(nodes).by_name["default"].keyspace
        assert (keyspace.n, keyspace.rq, keyspace.wq) == quorum
