"""The words of repair are few, and each ask has its reply."""

from dynakv.node import repair_messages
from dynakv.node.messages import PeerMessage, PeerReply


def test_every_message_of_repair_is_one_between_peers() -> None:
    ours = {
        name for name, kind in vars(repair_messages).items() if hasattr(kind, "__struct_fields__")
    }
    ours -= {"Struct", "Record"}
    between_peers = {kind.__name__ for kind in (PeerMessage | PeerReply).__args__}
    assert ours <= between_peers
    assert len(ours) == 8
