"""What is refused of the messages of repair; their way through a frame is tested with the codec."""

import pytest

from dynakv.errors import PeerError
from dynakv.node.repair_messages import Compared, Likeness
from dynakv.rpc.repair_codec import repair_message_of, repair_reply_of
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
