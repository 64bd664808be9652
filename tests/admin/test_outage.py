"""What is lost without some nodes: against the definition, group by group."""

import itertools

import pytest

from dynakv.admin import outage
from dynakv.admin.outage import Loss, losses, members_named, percent, sentence
from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2
from tests.admin.nodes import state


def by_hand(found: ring_pb2.GetRingStateResponse, away: set[str]) -> list[tuple[int, int, int]]:
    counts = []
    for keyspace in found.keyspaces:
        alive = [
            sum(found.members[i].node_id not in away for i in group.replicas)
            for group in keyspace.groups
        ]
        counts.append(
            (
                sum(count < keyspace.n for count in alive),
                sum(count < keyspace.rq for count in alive),
                sum(count < keyspace.wq for count in alive),
            )
        )
    return counts


def test_losses_are_what_counting_by_hand_gives() -> None:
    found = state(5, keyspaces=2)
    names = [member.node_id for member in found.members]
    for size in range(6):
        for away in itertools.combinations(names, size):
            counted = [(k.short, k.no_read, k.no_write) for k in losses(found, frozenset(away))]
            assert counted == by_hand(found, set(away))


def test_one_node_of_three_costs_no_quorum_and_two_cost_all() -> None:
    default = losses(state(3), {"n2"})[0]
    assert (default.short, default.no_read, default.no_write, default.gone) == (256, 0, 0, 0)
    default = losses(state(3), {"n1", "n2"})[0]
    assert (default.no_read, default.no_write, default.gone) == (256, 256, 0)
    assert losses(state(3), {"n1", "n2", "n3"})[0].gone == 256


def test_a_full_disk_costs_the_write_quorum_alone() -> None:
    default = losses(state(3), {"n1"}, {"n2"})[0]
    assert (default.no_read, default.no_write) == (0, 256)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 256, "0 %"),
        (1, 256, "under 1 %"),
        (31, 256, "12 %"),
        (255, 256, "over 99 %"),
        (256, 256, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def loss(name: str = "default", **counts: int) -> Loss:
    fields = dict.fromkeys(("short", "no_read", "no_write", "gone"), 0) | counts
    return Loss(name, 3, 2, 2, 100, **fields)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([loss()], "all replicas of every key are up"),
        ([loss(short=100)], "every key still has a quorum"),
        ([loss(short=12, no_write=12)], "12 % of keys have no write quorum"),
        ([loss(short=12, no_read=12)], "12 % of keys have no read quorum"),
        ([loss(no_read=7, no_write=7)], "7 % of keys have no write quorum and no read quorum"),
        ([loss(no_read=5, no_write=7)], "7 % of keys have no write quorum, 5 % no read quorum"),
        (
            [loss(no_write=3), loss("b", no_write=9)],
            "9 % of keys of keyspace b have no write quorum",
        ),
        ([loss(), loss("b", short=1)], "every key still has a quorum"),
    ],
)
def test_the_sentence_names_the_worst(found: list[Loss], text: str) -> None:
    assert sentence(found) == text


def test_nodes_are_named_once_and_must_be_members() -> None:
    found = state(3)
    assert members_named(" n2,n1,,n2 ", found) == ["n2", "n1"]
    with pytest.raises(UsageError, match=r"--down: 'n9' is no member; members are n1, n2, n3"):
        members_named("n1,n9", found)
    with pytest.raises(UsageError, match=r"--down: ',' names no node"):
        members_named(",", found)


def test_a_loss_of_either_quorum_counts() -> None:
    assert not outage.losses(state(3), {"n1"})[0].loses_a_quorum
    assert loss(no_read=1).loses_a_quorum
    assert loss(no_write=1).loses_a_quorum
