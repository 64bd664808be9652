"""The layout as clients see it."""

import asyncio
from typing import Any

from dynakv.core.layout import KeyspaceSettings, Level, Member, Mode, NodeId, first_layout
from dynakv.rpc import ring_state
from dynakv.rpc.ring_state import RingState
from dynakv.v1 import ring_pb2 as pb


def asked(inbox: Any) -> pb.GetRingStateResponse:
    return asyncio.run(RingState(inbox).get(pb.GetRingStateRequest(), None))


def test_members_show_what_the_layout_and_the_node_say_of_them(inbox: Any) -> None:
    ring = asked(inbox)
    assert ring.answered_by == "n1"
    assert ring.epoch == 1
    assert ring.cluster_id == inbox.the_layout.cluster_id
    assert ring.digest == inbox.the_layout.digest()
    assert [(m.node_id, m.address, m.zone, m.weight, m.state) for m in ring.members] == [
        ("n1", "127.0.0.1:1", "z1", 1, pb.MEMBER_STATE_UP),
        ("n2", "127.0.0.1:2", "z2", 1, pb.MEMBER_STATE_DOWN),
        ("n3", "127.0.0.1:3", "z3", 1, pb.MEMBER_STATE_UNSPECIFIED),
    ]


def test_replicas_are_indices_into_the_members(inbox: Any) -> None:
    ring = asked(inbox)
    ((shown,), (keyspace,)) = (ring.keyspaces, inbox.the_layout.keyspaces)
    assert (shown.name, shown.n, shown.rq, shown.wq, shown.replicas_wanted) == (
        *("default", 3, 2, 2, 3),
    )
    assert (shown.mode, shown.default_level) == (pb.MODE_LEADERLESS, pb.LEVEL_QUORUM)
    names = [member.node_id for member in ring.members]
    assert (
        tuple(tuple(names[i] for i in group.replicas) for group in shown.groups)
        == keyspace.placement
    )


def test_a_new_layout_is_shown_at_once(inbox: Any) -> None:
    state = RingState(inbox)
    request = pb.GetRingStateRequest()
    asyncio.run(state.get(request, None))
    members = [Member(NodeId("n9"), "127.0.0.1:9")]
    inbox.the_layout = first_layout(members, [KeyspaceSettings("default", groups=4)])
    inbox.up = {}
    ring = asyncio.run(state.get(request, None))
    assert [member.node_id for member in ring.members] == ["n9"]


def test_wire_enums_have_the_names_of_ours() -> None:
    assert pb.Level.keys()[1:] == [f"LEVEL_{level.name}" for level in Level]
    assert pb.Mode.keys()[1:] == [f"MODE_{mode.name}" for mode in Mode]
    assert set(ring_state.LEVELS_OUT) == set(Level)
