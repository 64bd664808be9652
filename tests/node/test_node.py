"""Claims about `dynakv.node.node`: many callers of a turn form one operation."""

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.table import MergeRecords
from dynakv.node.messages import Expired, Found, Get, Load, Put, Refused, Save, Stored
from tests.node.cluster import Cluster, found_of, stored_of, value_of, values, warmed


def entries_of(cluster: Cluster, call: int) -> list[int]:
    return sorted(entry for part in cluster.parts(call) for entry in part.entries)  # type: ignore[attr-defined]


def test_a_turn_without_messages_has_no_effects() -> None:
    node = warmed().nodes["n1"]
    assert node.take_effects() == []
    assert node.take_effects() == []


def test_puts_of_one_turn_become_one_operation_with_an_ask_per_peer() -> None:
    cluster = warmed()
    calls = [cluster.submit(Put("default", [b"k%d" % i], [b"%d" % i])) for i in range(64)]
    cluster.run()
    assert sorted(cluster.asked(Save)) == [("n1", "n2"), ("n1", "n3")]
    assert len(cluster.asked(MergeRecords)) == 3
    times = [stored_of(cluster.parts(call)).times for call in calls]
    assert times == sorted(times)
    for i in range(64):
        assert set(values(cluster, b"k%d" % i).values()) == {b"%d" % i}


def test_gets_of_one_turn_become_one_operation_and_each_gets_its_own() -> None:
    cluster = warmed()
    cluster.ask(Put("default", [b"a", b"b", b"c"], [b"1", b"2", b"3"]))
    cluster.sent.clear()
    two = cluster.submit(Get("default", [b"c", b"a"]))
    one = cluster.submit(Get("default", [b"b"]))
    none = cluster.submit(Get("default", [b"x"]))
    cluster.run()
    assert len(cluster.asked(Load)) == 1
    assert [r and r.value for r in found_of(cluster.parts(two)).records] == [b"3", b"1"]
    assert value_of(cluster.parts(one)) == b"2"
    assert found_of(cluster.parts(none)).records == [None]


def test_puts_of_one_key_in_one_turn_apply_in_the_order_they_came() -> None:
    cluster = warmed()
    calls = [cluster.submit(Put("default", [b"k"], [b"%d" % i])) for i in range(10)]
    cluster.run()
    times = [stored_of(cluster.parts(call)).times[0] for call in calls]
    assert times == sorted(set(times))
    assert set(values(cluster, b"k").values()) == {b"9"}


def test_what_differs_in_shape_does_not_share_an_operation() -> None:
    cluster = warmed()
    messages = [
        Put("default", [b"a"], [b"1"]),
        Put("default", [b"b"], [b"1"], ttls_ms=[5_000]),
        Put("default", [b"c"], [b"1"], expiries_ms=[-1]),
        Put("default", [b"d"], [b"1"], w=1),
        Put("default", [b"e"], [b"1"], previous=True),
        Put("default", [b"f"], [b"1"], timeout_ms=700),
    ]
    calls = [cluster.submit(message) for message in messages]
    cluster.run()
    assert cluster.asked(Save).count(("n1", "n2")) == len(messages)
    assert [stored_of(cluster.parts(call)).previous for call in calls] == [
        *[None] * 4,
        [None],
        None,
    ]


def test_a_level_and_the_number_it_means_share_an_operation() -> None:
    cluster = warmed()
    cluster.submit(Put("default", [b"a"], [b"1"], level=Level.QUORUM))
    cluster.submit(Put("default", [b"b"], [b"1"], w=2))
    cluster.submit(Put("default", [b"c"], [b"1"]))
    cluster.run()
    assert cluster.asked(Save).count(("n1", "n2")) == 1


def test_an_explicit_r_does_not_share_with_a_quorum_read_that_promises_more() -> None:
    cluster = warmed()
    cluster.submit(Get("default", [b"a"]))
    cluster.submit(Get("default", [b"b"], r=2))
    cluster.run()
    assert len(cluster.asked(Load)) == 2


def test_an_operation_is_bounded_in_keys() -> None:
    cluster = warmed()
    calls = [
        cluster.submit(Put("default", [b"%d/%d" % (c, i) for i in range(100)], [b"v"] * 100))
        for c in range(12)
    ]
    cluster.run()
    sizes = [
        len(ask.message.records)
        for _, ask in cluster.sent
        if isinstance(ask.message, Save) and ask.to == "n2"
    ]
    assert sizes == [500, 500, 200]
    assert max(sizes) <= limits.COALESCED_KEYS_MAX
    for call in calls:
        assert entries_of(cluster, call) == list(range(100))


def test_an_operation_is_bounded_in_bytes() -> None:
    cluster = warmed()
    third = b"x" * (limits.COALESCED_BYTES_MAX // 3)
    calls = [cluster.submit(Put("default", [b"k%d" % i], [third])) for i in range(8)]
    large = cluster.submit(Put("default", [b"large"], [b"x" * (limits.COALESCED_BYTES_MAX + 1)]))
    cluster.run()
    sizes = [
        len(ask.message.records)
        for _, ask in cluster.sent
        if isinstance(ask.message, Save) and ask.to == "n2"
    ]
    assert sizes == [3, 3, 2, 1]
    for call in (*calls, large):
        assert stored_of(cluster.parts(call)).entries == [0]


def test_puts_of_different_shape_in_one_turn_are_stamped_in_the_order_they_came() -> None:
    cluster = warmed()
    first = cluster.submit(Put("default", [b"k"], [b"first"]))
    second = cluster.submit(Put("default", [b"k"], [b"second"], ttls_ms=[60_000]))
    cluster.run()
    assert stored_of(cluster.parts(first)).times < stored_of(cluster.parts(second)).times
    assert set(values(cluster, b"k").values()) == {b"second"}


def test_a_refused_message_does_not_touch_those_it_came_with() -> None:
    cluster = warmed()
    good = cluster.submit(Put("default", [b"k"], [b"v"]))
    bad = cluster.submit(Put("default", [b""], [b"v"]))
    cluster.run()
    assert stored_of(cluster.parts(good)).entries == [0]
    (refused,) = cluster.parts(bad)
    assert isinstance(refused, Refused)


def test_callers_of_one_operation_are_answered_by_the_replicas_of_their_own_keys() -> None:
    cluster = warmed(5)
    good, bad = cluster.key_on("n1", absent=("n4", "n5")), cluster.key_on("n4", "n5")
    cluster.unreachable |= {"n4", "n5"}
    cluster.pass_ms(1_200)
    first = cluster.submit(Put("default", [bad, good], [b"1", b"1"]))
    second = cluster.submit(Put("default", [good], [b"2"]))
    third = cluster.submit(Put("default", [good, bad, good], [b"3"] * 3))
    cluster.run()
    expected = {first: ([1], [0]), second: ([0], []), third: ([0, 2], [1])}
    for call, (done, failed) in expected.items():
        parts = cluster.parts(call)
        assert [p.entries for p in parts if isinstance(p, Stored)] == [done]
        assert [i for p in parts if isinstance(p, Refused) for i in p.entries] == failed


def test_every_entry_is_answered_exactly_once_whatever_fails() -> None:
    keys = [b"key%d" % i for i in range(24)]
    for broken in range(32):
        cluster = warmed(5)
        for i in range(5):
            if broken >> i & 1:
                cluster.hold(f"n{i + 1}")
        calls = [
            cluster.submit(kind)
            for chunk in (keys[:1], keys[1:9], keys)
            for kind in (
                Put("default", chunk, [b"v"] * len(chunk), timeout_ms=400),
                Get("default", chunk, timeout_ms=400),
            )
        ]
        cluster.pass_ms(1_000)
        for i in range(5):
            if broken >> i & 1:
                cluster.release(f"n{i + 1}")
        cluster.pass_ms(100)
        for call, count in zip(calls, (1, 1, 8, 8, 24, 24), strict=True):
            assert entries_of(cluster, call) == list(range(count))
            assert all(
                isinstance(p, Stored | Found | Expired | Refused) for p in cluster.parts(call)
            )


def test_nothing_of_an_operation_stays_behind_after_its_deadline() -> None:
    cluster = warmed()
    cluster.hold("n2", Save, Load)
    cluster.hold("n3", Save, Load)
    for i in range(20):
        cluster.put(b"k%d" % i, b"v")
        cluster.ask(Get("default", [b"k%d" % i]))
    context = cluster.nodes["n1"].context
    assert len(context._asks) >= 60
    cluster.pass_ms(2_200)
    assert len(context._asks) == 0
    idle = Cluster()
    idle.pass_ms(2_200)
    # The next round of heartbeats, and looks whether something of repair is due.
    assert len(context._timers) <= len(idle.nodes["n1"].context._timers)


def test_the_header_carries_the_commit_sequence_and_the_clock() -> None:
    cluster = warmed()
    node = cluster.nodes["n1"]
    time = stored_of(cluster.put(b"k", b"v")).times[0]
    node.committed(17)
    header = node.header()
    assert (header.node_id, header.incarnation, header.epoch) == ("n1", 1000, 1)
    assert (header.commit_sequence, header.hlc) == (17, time)
