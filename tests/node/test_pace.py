"""Claims about `dynakv.node.pace`: few hedges, none too early, and slow peers last."""

from dynakv import limits
from dynakv.node.messages import Get, Load
from dynakv.node.pace import Pace
from tests.node.cluster import value_of, warmed


def test_a_hedge_waits_for_the_percentile_but_never_longer_than_its_bound() -> None:
    pace = Pace(["n2"], 50)
    assert pace.hedge_after_ms() == 50  # nothing is known yet
    for nth in range(1_000):
        pace.loaded(20 if nth % 50 == 0 else 2)  # 2 % take longer
    assert pace.hedge_after_ms() == 20
    for _ in range(2_000):
        pace.loaded(2)
    assert pace.hedge_after_ms() == 2
    for _ in range(2_000):
        pace.loaded(9_000)
    assert pace.hedge_after_ms() == 50


def test_a_tenth_of_the_keys_read_may_be_hedged_beyond_the_burst() -> None:
    pace = Pace(["n2"], 50)
    assert pace.may_hedge(limits.HEDGE_BURST_KEYS)
    assert not pace.may_hedge(1)
    pace.read(99)
    assert not pace.may_hedge(10)
    pace.read(1)
    assert pace.may_hedge(10)
    pace.read(1_000_000)
    assert not pace.may_hedge(limits.HEDGE_BURST_KEYS + 1)


def test_a_peer_is_slow_while_its_oldest_ask_is_unanswered_for_long() -> None:
    pace = Pace(["n2", "n3"], 50)
    pace.asked("n2", 1, 1_000)
    pace.asked("n2", 2, 1_040)
    assert not pace.slow("n2", 999 + limits.SLOW_MS)
    assert pace.slow("n2", 1_000 + limits.SLOW_MS)
    assert not pace.slow("n3", 5_000)
    pace.ended("n2", 1)
    assert not pace.slow("n2", 1_000 + limits.SLOW_MS)
    pace.ended("n2", 2)
    assert not pace.slow("n2", 5_000)


def test_reads_go_around_a_peer_that_stopped_and_return_to_it() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.hold("n2", Load)
    calls = []
    while ("n1", "n2") not in cluster.asked(Load):
        calls.append(cluster.submit(Get("default", [b"k"])))
        cluster.run()
    cluster.pass_ms(60)
    cluster.sent.clear()
    for _ in range(6):
        assert value_of(cluster.ask(Get("default", [b"k"]))) == b"v"
    assert set(cluster.asked(Load)) == {("n1", "n3")}
    cluster.release("n2")
    cluster.run()
    for _ in range(6):
        cluster.ask(Get("default", [b"k"]))
    assert ("n1", "n2") in cluster.asked(Load)


def test_a_read_without_a_hedge_left_is_hedged_when_others_have_paid_for_it() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    pace = cluster.nodes["n1"].context.pace
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    assert pace.may_hedge(limits.HEDGE_BURST_KEYS)
    cluster.pass_ms(60)
    assert len(cluster.asked(Load)) == 1
    pace.read(10)
    cluster.pass_ms(60)
    assert sorted(cluster.asked(Load)) == [("n1", "n2"), ("n1", "n3")]
    cluster.release("n3")
    cluster.release("n2")
    assert value_of(cluster.parts(call)) == b"v"
