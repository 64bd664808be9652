import json
from collections.abc import Sequence

import pytest

from dynakv.admin import ring
from dynakv.core.layout import KeyspaceSettings, Layout, Member, NodeId, first_layout
from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2


def member(i: int, zone: str = "", weight: int = 1) -> Member:
    return Member(NodeId(f"n{i}"), f"127.0.0.1:{50150 + i}", zone, weight=weight)


def state_of(
    members: Sequence[Member], down: Sequence[str] = (), unknown: Sequence[str] = ()
) -> ring_pb2.GetRingStateResponse:
    layout: Layout = first_layout(members, [KeyspaceSettings("small", replicas=2, groups=8)])
    names: list[str] = [m.node_id for m in layout.members]
    states = dict.fromkeys(names, ring_pb2.MEMBER_STATE_UP)
    states |= dict.fromkeys(down, ring_pb2.MEMBER_STATE_DOWN)
    states |= dict.fromkeys(unknown, ring_pb2.MEMBER_STATE_UNSPECIFIED)
    return ring_pb2.GetRingStateResponse(
        answered_by="n1",
        cluster_id=layout.cluster_id,
        epoch=1,
        digest=layout.digest(),
        members=[
            ring_pb2.Member(
                node_id=m.node_id,
                address=m.address,
                zone=m.zone,
                weight=m.weight,
                state=states[m.node_id],
                gossip=ring_pb2.GOSSIP_STATE_ALIVE,
            )
            for m in layout.members
        ],
        keyspaces=[
            ring_pb2.Keyspace(
                mode=ring_pb2.MODE_LEADERLESS,
                name=k.settings.name,
                n=k.n,
                rq=k.rq,
                wq=k.wq,
                groups=[
                    ring_pb2.ShardGroup(replicas=[names.index(r) for r in replicas])
                    for replicas in k.placement
                ],
            )
            for k in layout.keyspaces
        ],
    )


FIVE = [member(i) for i in range(1, 6)]


def test_shares_add_up_to_one_and_groups_to_all_copies() -> None:
    shown = ring.view(state_of(FIVE), "default")
    assert sum(n.groups for n in shown.nodes) == 256 * 3
    assert sum(n.share for n in shown.nodes) == pytest.approx(1, abs=1e-5)
    assert [n.ideal_groups for n in shown.nodes] == [153.6] * 5


def test_balance_compares_each_node_with_its_own_ideal() -> None:
    members = [member(1, "a"), member(2, "b"), member(3, "c"), member(4, "c")]
    shown = ring.view(state_of(members), "default")
    assert shown.balance.min < 150
    assert (shown.balance.max, shown.balance.ideal_max) == (256, 256)
    assert shown.balance.ideal_min == 128
    assert 1 <= shown.balance.worst <= 1.11


def test_a_node_of_weight_0_is_shown_but_is_no_part_of_the_balance() -> None:
    shown = ring.view(state_of([*FIVE, member(6, weight=0)]), "default")
    last = shown.nodes[-1]
    assert (last.node, last.vnodes, last.groups, last.share) == ("n6", 0, 0, 0)
    assert shown.balance.min > 0


def test_vnodes_follow_the_weight_and_are_listed_in_ring_order() -> None:
    shown = ring.view(state_of([member(1), member(2, weight=2)]), "default", vnodes=True)
    assert [n.vnodes for n in shown.nodes] == [128, 256]
    assert shown.vnodes is not None
    tokens = [v.token for v in shown.vnodes]
    assert tokens == sorted(tokens)
    assert len(tokens) == 384


def test_groups_are_listed_with_the_start_of_their_arc() -> None:
    shown = ring.view(state_of(FIVE), "small", groups=True)
    assert shown.groups is not None
    assert [g.start for g in shown.groups] == [f"{i << 61:016x}" for i in range(8)]
    assert all(len(set(g.replicas)) == 2 for g in shown.groups)


def test_a_state_is_up_down_or_not_known() -> None:
    shown = ring.view(state_of(FIVE, down=["n2"], unknown=["n3"]), "default")
    assert [n.state for n in shown.nodes] == ["UN", "DN", "?N", "UN", "UN"]


def test_gossip_is_shown_in_its_own_words_and_an_older_node_has_none() -> None:
    state = state_of(FIVE)
    for one, heard in zip(state.members, ring_pb2.GossipState.values(), strict=True):
        one.gossip = heard  # type: ignore[assignment]
    shown = ring.view(state, "default")
    assert [n.gossip for n in shown.nodes] == ["?", "alive", "suspect", "dead", "left"]


def test_a_keyspace_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="keyspace 'x' does not exist; there are default, small"):
        ring.view(state_of(FIVE), "x")


def test_the_table_of_three_nodes() -> None:
    state = state_of(FIVE[:3], down=["n3"])
    state.members[2].gossip = ring_pb2.GOSSIP_STATE_DEAD
    shown = ring.view(state, "small")
    lines = ring.as_table(shown, color=False).splitlines()
    assert lines[0] == "keyspace small: leaderless, 8 shard groups, N=2, Rq=1, Wq=2"
    assert lines[1] == f"layout epoch 1, digest {shown.digest}, as n1 sees it"
    header = "ST  NODE  GOSSIP  ZONE  ADDRESS          VNODES  GROUPS  IDEAL   SHARE  OWNERSHIP"
    assert lines[3] == header
    assert lines[4].startswith("UN  n1    alive   -     127.0.0.1:50151     128  ")
    assert lines[6].startswith("DN  n3    dead    -     127.0.0.1:50153     128  ")
    assert lines[8].startswith("balance: min ")
    assert all(line == line.rstrip() for line in lines)


def test_the_bar_of_the_largest_share_is_full() -> None:
    table = ring.as_table(ring.view(state_of(FIVE[:3]), "default"), color=False)
    assert table.count("  " + "#" * 20) == 3


def test_color_marks_only_the_state() -> None:
    shown = ring.view(state_of(FIVE[:2], down=["n2"]), "default")
    plain = ring.as_table(shown, color=False)
    colored = ring.as_table(shown, color=True)
    assert "\x1b" not in plain
    assert "\x1b[32mUN\x1b[0m" in colored
    assert "\x1b[31mDN\x1b[0m" in colored


def test_json_has_the_content_of_the_table_and_what_was_asked_for() -> None:
    state = state_of(FIVE)
    content = json.loads(ring.as_json(ring.view(state, "small")))
    assert content["epoch"] == 1
    assert content["digest"] == f"{state.digest:016x}"
    assert [n["node"] for n in content["nodes"]] == ["n1", "n2", "n3", "n4", "n5"]
    assert content["balance"]["ideal_max"] == pytest.approx(3.2)
    assert "groups" not in content
    content = json.loads(ring.as_json(ring.view(state, "small", groups=True, vnodes=True)))
    assert len(content["groups"]) == 8
    assert len(content["vnodes"]) == 640
