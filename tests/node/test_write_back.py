"""Claims about `dynakv.node.quorum_read`: how a winner is written back."""

from dynakv.core.layout import Level
from dynakv.errors import Kind
from dynakv.node.messages import Get, Load, Outcome, Reason, Save, Saved
from tests.node.cluster import failure_of, split, value_of, values


def test_the_winner_is_written_back_before_the_answer_leaves() -> None:
    cluster = split("n1")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    assert cluster.parts(call) == []
    assert cluster.asked(Save) == [("n1", "n2"), ("n1", "n3")]
    cluster.release("n3")
    assert value_of(cluster.parts(call)) == b"new"
    cluster.release("n2")
    assert set(values(cluster, b"k").values()) == {b"new"}
    assert len(cluster.parts(call)) == 1


def test_a_quorum_read_never_goes_back_to_what_a_partial_write_replaced() -> None:
    cluster = split("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    cluster.unreachable.add("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]), "n2")) == b"new"


def test_a_write_back_counts_only_when_it_is_on_disk() -> None:
    cluster = split("n1")
    call = cluster.submit(Get("default", [b"k"]))
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    cluster.run()
    cluster.hold_disk("n2")
    cluster.release("n2")
    assert cluster.parts(call) == []
    cluster.release_disk("n2")
    assert value_of(cluster.parts(call)) == b"new"


def test_replicas_that_answered_with_the_winner_count_without_a_write_back() -> None:
    cluster = split("n1")
    cluster.failing["n3", Save] = Reason.BROKEN
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"  # n2 has it now
    cluster.failing.clear()
    cluster.hold("n3", Save)
    parts = cluster.ask(Get("default", [b"k"], Level.ALL))
    assert value_of(parts) == b"new"  # though n3 was not repaired yet
    cluster.release("n3")
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_a_failed_write_back_does_not_fail_the_read_when_others_suffice() -> None:
    cluster = split("n1")
    cluster.failing["n2", Save] = Reason.BROKEN
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    assert values(cluster, b"k") == {"n1": b"new", "n2": b"old", "n3": b"new"}


def test_a_read_fails_when_too_few_replicas_take_the_winner() -> None:
    cluster = split("n1")
    cluster.failing["n2", Save] = cluster.failing["n3", Save] = Reason.BROKEN
    failure = failure_of(cluster.ask(Get("default", [b"k"])))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("too few replicas took the winner of differing answers")


def test_a_refused_write_back_does_not_count() -> None:
    cluster = split("n1")

    def refuse(node: str, reply: object) -> object:
        return Saved([Outcome.AHEAD], None) if isinstance(reply, Saved) else reply

    cluster.alter = refuse
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_a_read_with_an_explicit_r_answers_first_and_repairs_afterwards() -> None:
    cluster = split("n1")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    assert value_of(cluster.ask(Get("default", [b"k"], r=2))) == b"new"
    cluster.release("n2")
    cluster.release("n3")
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_a_late_answer_repairs_what_it_shows_to_be_stale_and_answers_nothing() -> None:
    cluster = split("n3")
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.pass_ms(120)  # the hedge asks the third replica
    cluster.release("n2")
    assert value_of(cluster.parts(call)) == b"old"
    cluster.release("n3")
    assert len(cluster.parts(call)) == 1
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_an_answer_that_comes_while_the_winner_is_written_back_is_not_counted() -> None:
    # Three answers of five are needed; n5, asked late, has a newer record. Were it merged while
    # `new` is being counted, three holders of `new` would pass for holders of `newest`.
    cluster = split("n1", replicas=5)
    for node in ("n1", "n2", "n3", "n4"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"newest", at="n5", w=1)
    cluster.failing.clear()
    for node in ("n2", "n3", "n4", "n5"):
        cluster.hold(node, Save)
    cluster.hold("n5")
    cluster.nodes["n1"].context.members.broken("n5")  # so that it is asked last
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cluster.pass_ms(120)
    assert cluster.parts(call) == []
    assert ("n1", "n5") in cluster.asked(Load)
    cluster.release("n5")
    assert cluster.parts(call) == []
    for node in ("n2", "n3", "n4"):
        cluster.release(node)
    answered = value_of(cluster.parts(call))
    holders = list(values(cluster, b"k").values()).count(answered)
    assert (answered, holders >= 3) == (b"new", True)
