"""Where requests go, without any I/O."""

from collections import Counter
from random import Random

from dynakv.client import settings
from dynakv.client.routing import Router
from dynakv.core.layout import token_of
from dynakv.v1 import ring_pb2

A, B, C, D = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"
IDS = {A: "na", B: "nb", C: "nc", D: "nd"}
KEYS = [b"key%d" % i for i in range(200)]


def ring(*groups: str, epoch: int = 1, hash_tags: bool = False) -> ring_pb2.GetRingStateResponse:
    """Return a layout whose groups are held by the nodes that the letters name."""
    return ring_pb2.GetRingStateResponse(
        epoch=epoch,
        members=[ring_pb2.Member(node_id=node_id) for node_id in sorted(IDS.values())],
        keyspaces=[
            ring_pb2.Keyspace(
                name="default",
                hash_tags=hash_tags,
                groups=[
                    ring_pb2.ShardGroup(replicas=["abcd".index(c) for c in group])
                    for group in groups
                ],
            )
        ],
    )


def router(
    endpoints: list[str], layout: ring_pb2.GetRingStateResponse | None, seed: int = 1
) -> Router:
    made = Router(endpoints, Random(seed))
    for endpoint in endpoints:
        made.identify(endpoint, IDS[endpoint])
    if layout is not None:
        made.learn(layout)
    return made


def chosen(made: Router, keys: list[bytes] = KEYS, keyspace: str = "default") -> Counter[str]:
    return Counter(made.choose(keyspace, key, (), 0) for key in keys)


def test_without_a_layout_all_keys_go_to_one_endpoint() -> None:
    made = router([A, B, C], None)
    assert len(chosen(made)) == 1


def test_clients_begin_with_different_endpoints() -> None:
    firsts = Counter(router([A, B, C], None, seed).choose("", b"k", (), 0) for seed in range(60))
    assert min(firsts[endpoint] for endpoint in (A, B, C)) > 5


def test_a_key_goes_to_a_replica_of_its_group() -> None:
    made = router([A, B, C, D], ring("ab", "bc", "cd", "da"))
    for key in KEYS:
        group = ("ab", "bc", "cd", "da")[token_of(key, hash_tags=False) >> 62]
        assert IDS[made.choose("default", key, (), 0)][1] in group


def test_one_group_takes_all_keys() -> None:
    assert chosen(router([A, B, C, D], ring("c"))) == {C: len(KEYS)}


def test_hash_tags_keep_keys_together() -> None:
    made = router([A, B, C, D], ring("a", "b", "c", "d", hash_tags=True))
    assert len(chosen(made, [b"{tag}" + key for key in KEYS])) == 1
    assert len(chosen(made)) == 4


def test_a_replica_without_a_known_endpoint_is_passed_over() -> None:
    assert chosen(router([B, C], ring("ab"))) == {B: len(KEYS)}
    assert sum(chosen(router([C, D], ring("ab"))).values()) == len(KEYS)


def test_an_unknown_keyspace_goes_anywhere() -> None:
    assert len(chosen(router([A, B], ring("a", "b")), keyspace="other")) == 1


def test_a_newer_layout_counts_and_an_older_one_does_not() -> None:
    made = router([A, B], ring("a", epoch=5))
    made.learn(ring("b", epoch=4))
    assert chosen(made) == {A: len(KEYS)}
    made.learn(ring("b", epoch=6))
    assert chosen(made) == {B: len(KEYS)}
    assert made.epoch == 6


def test_nodes_that_change_places_are_followed() -> None:
    made = router([A, B], ring("a"))
    made.identify(A, "nb")
    made.identify(B, "na")
    assert chosen(made) == {B: len(KEYS)}


def test_a_retry_goes_to_another_replica_and_then_to_other_nodes() -> None:
    made = router([A, B, C, D], ring("ab"))
    tried: tuple[str, ...] = ()
    for _ in range(5):
        tried = (*tried, made.choose("default", b"k", tried, 0))
    assert set(tried[:2]) == {A, B}
    assert set(tried[2:4]) == {C, D}
    assert tried[4] == tried[0]


def test_a_node_that_failed_is_avoided_until_it_answers() -> None:
    made = router([A, B], ring("a"))
    made.failed(A)
    assert chosen(made) == {B: len(KEYS)}
    assert made.down == (A,)
    assert made.choose("default", b"k", (B,), 0) == B  # even after a failure there
    made.answered(A)
    assert chosen(made) == {A: len(KEYS)}


def test_when_all_failed_they_are_still_tried_in_turn() -> None:
    made = router([A, B], ring("a"))
    made.failed(A)
    made.failed(B)
    assert made.choose("default", b"k", (), 0) == A
    assert made.choose("default", b"k", (A,), 0) == B


def test_a_node_that_refused_is_avoided_for_a_moment() -> None:
    made = router([A, B], ring("a"))
    made.refused(A, now_ms=1_000)
    assert made.choose("default", b"k", (), 1_000) == B
    assert made.choose("default", b"k", (), 1_000 + settings.AVOID_MS) == A


def test_a_fresh_node_is_one_that_was_not_tried_and_did_not_fail() -> None:
    made = router([A, B, C], None)
    assert made.has_fresh((A,), 0)
    made.failed(B)
    assert made.has_fresh((A,), 0)
    made.refused(C, 0)
    assert not made.has_fresh((A,), 0)
    assert made.has_fresh((A,), settings.AVOID_MS)


# --- leaders ---------------------------------------------------------------------------------


def raft_ring(*groups: str, epoch: int = 1) -> ring_pb2.GetRingStateResponse:
    """Return the same as `ring` in Raft mode."""
    layout = ring(*groups, epoch=epoch)
    layout.keyspaces[0].mode = ring_pb2.MODE_RAFT
    return layout


def test_the_mode_of_a_keyspace_is_that_of_the_layout() -> None:
    made = router([A], None)
    assert not made.knows("default")
    assert not made.is_raft("default")
    assert made.group_of("default", b"k") == -1
    made.learn(ring("abc", "abc"))
    assert made.knows("default")
    assert not made.is_raft("default")
    made.learn(raft_ring("abc", "abc", epoch=2))
    assert made.is_raft("default")
    assert made.group_of("default", b"k") == token_of(b"k", hash_tags=False) >> 63


def test_the_leader_of_a_group_comes_first_for_its_keys_only() -> None:
    made = router([A, B, C], raft_ring("abc", "abc"))
    mine = next(key for key in KEYS if made.group_of("default", key) == 0)
    other = next(key for key in KEYS if made.group_of("default", key) == 1)
    elsewhere = made.choose("default", other, (), 0)
    for endpoint in (C, A, B):
        made.lead("default", mine, IDS[endpoint])
        assert made.choose("default", mine, (), 0) == endpoint
        assert made.choose("default", mine, (endpoint,), 0) != endpoint
        assert made.choose("default", other, (), 0) == elsewhere
    first = made.choose("default", mine, (), 0, any_replica=True)
    made.lead("default", mine, IDS[C])
    assert made.choose("default", mine, (), 0, any_replica=True) == first


def test_leaders_are_remembered_through_changes_of_endpoints_and_layout() -> None:
    made = router([A, B], raft_ring("abc", "abc"))
    key = KEYS[0]
    made.lead("default", key, "nc")  # nobody answers there yet
    made.lead("nope", key, "nc")
    made.identify(C, "nc")
    assert made.choose("default", key, (), 0) == C
    made.learn(raft_ring("abc", "abc", epoch=2))
    assert made.choose("default", key, (), 0) == C
    made.failed(C)
    assert made.choose("default", key, (), 0) != C


def test_a_new_leader_is_asked_although_it_refused_before() -> None:
    made = router([A, B, C], raft_ring("abc"))
    made.refused(B, 0)
    made.lead("default", KEYS[0], "nb")
    assert made.choose("default", KEYS[0], (), 1) == B
