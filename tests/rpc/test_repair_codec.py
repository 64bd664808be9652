"""What is refused of the messages of repair; their way through a frame is tested with the codec."""

import pytest

from dynakv.core.hashtree import LEAVES
from dynakv.errors import PeerError
from dynakv.node.repair_messages import (
    Compare,
    Compared,
    Fence,
    Fenced,
    FloorRaised,
    LeavesScanned,
    Likeness,
    RaiseFloor,
    ScanLeaves,
)
from dynakv.rpc.repair_codec import fits_repair, repair_message_of, repair_reply_of
from dynakv.v1 import node_internal_pb2 as pb


def test_a_root_belongs_to_each_group() -> None:
    ask = pb.Ask(compare=pb.Compare(groups=[1, 2], roots=[7]))
    with pytest.raises(PeerError, match="1 roots for 2 groups"):
        repair_message_of("compare", ask)


def test_a_likeness_newer_than_this_node_counts_as_unknown() -> None:
    reply = pb.Reply(compared=pb.Compared(floors=[0]))
    reply.compared.MergeFromString(pb.Compared(likenesses=[99]).SerializeToString())  # type: ignore[list-item]
    assert repair_reply_of("compared", reply) == Compared([Likeness.UNKNOWN], [0], [])


def test_kinds_of_others_are_not_ours() -> None:
    assert repair_message_of("beat", pb.Ask()) is None
    assert repair_reply_of(None, pb.Reply()) is None


def test_a_reply_fits_an_ask_of_its_kind_with_as_many_entries() -> None:
    compare = Compare(1, 1, [3, 4], [5, 6])
    likenesses = [Likeness.EQUAL, Likeness.DIFFERS]
    assert fits_repair(compare, Compared(likenesses, [0, 0], [1] * LEAVES))
    assert not fits_repair(compare, Compared(likenesses[:1], [0], []))
    assert not fits_repair(compare, Compared(likenesses, [0], [1] * LEAVES))
    assert not fits_repair(compare, Compared(likenesses, [0, 0], [1] * (LEAVES - 1)))
    assert not fits_repair(compare, Fenced([True, True]))
    assert fits_repair(ScanLeaves(1, 1, 3, [1], None, 9), LeavesScanned([], None, 0))
    for ask, kind in ((Fence(1, 1, [3, 4], 9), Fenced), (RaiseFloor(1, 1, [3, 4], 9), FloorRaised)):
        assert fits_repair(ask, kind([True, False]))
        assert not fits_repair(ask, kind([True]))
