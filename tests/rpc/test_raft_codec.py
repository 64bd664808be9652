"""Claims about `dynakv.rpc.raft_codec`: what is sent arrives, what does not fit is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.commands import Append, Command, Done, Forgotten, IfStamp, Put, Unmet
from dynakv.core.raft.messages import (
    LOCAL_KINDS,
    Entry,
    EntryKind,
    Kind,
    MemberId,
    Membership,
    Message,
    Snapshot,
)
from dynakv.core.record import written
from dynakv.errors import PeerError
from dynakv.node.messages import Header
from dynakv.node.raft_messages import (
    FetchSnapshot,
    Forward,
    Forwarded,
    ForwardRead,
    ForwardScan,
    RaftStep,
    RaftStepped,
    ReadForwarded,
    ScanForwarded,
    SnapshotPage,
    Verdict,
)
from dynakv.rpc import codec
from dynakv.rpc.raft_codec import fits_raft
from dynakv.v1 import node_internal_pb2 as pb

HEAD = Header(1, "n2", 1, 2, 3, 4, 5)
RECORD = written(b"k", b"v", 0, 1, 1)
ids = st.integers(1, (1 << 64) - 1).map(MemberId)
numbers = st.integers(0, (1 << 64) - 1)
entries = st.builds(Entry, numbers, numbers, st.sampled_from(EntryKind), st.binary(max_size=9))
memberships = st.builds(
    Membership,
    st.lists(ids, max_size=2).map(tuple),
    st.lists(ids, max_size=2).map(tuple),
    st.lists(ids, max_size=2).map(tuple),
    st.lists(ids, max_size=2).map(tuple),
    st.booleans(),
)
snapshots = st.builds(Snapshot, numbers, numbers, memberships, st.binary(max_size=9))
messages = st.builds(
    Message,
    kind=st.sampled_from([kind for kind in Kind if kind not in LOCAL_KINDS]),
    to=ids,
    sender=ids,
    term=numbers,
    log_term=numbers,
    index=numbers,
    entries=st.lists(entries, max_size=3).map(tuple),
    commit=numbers,
    reject=st.booleans(),
    hint=numbers,
    read_round=numbers,
    context=st.binary(max_size=9),
    snapshot=st.none() | snapshots,
)


def through(message: object) -> object:
    part = codec.ask_part(7, 100, message)  # type: ignore[arg-type]
    ((call, out),) = codec.decode_frame(codec.frame(HEAD, [part])).asks
    assert call == 7
    return out


def back(reply: object) -> object:
    part = codec.reply_part(7, reply)  # type: ignore[arg-type]
    ((_, out),) = codec.decode_frame(codec.frame(HEAD, [part])).replies
    return out


@given(st.lists(st.tuples(numbers, st.integers(0, 4095), messages), max_size=4), st.booleans())
def test_messages_of_many_groups_arrive_as_they_were_sent(
    rows: list[tuple[int, int, Message]], asleep: bool
) -> None:
    step = RaftStep(
        [keyspace for keyspace, _, _ in rows],
        [group for _, group, _ in rows],
        [message for _, _, message in rows],
        [(1, 2, 3)] if asleep else [],
        1 << 63,
    )
    assert through(step) == step


COMMANDS = [
    Command(1, 2, (Put(b"k", b"v", 5, 6, IfStamp(7, 8)), Append(b"k", b"w")), 9, 10, 11, 12),
    Command(0, 0, ()),
]


def test_requests_and_replies_arrive_as_they_were_sent() -> None:
    asks = [
        Forward(1, 2, 3, COMMANDS),
        ForwardRead(1, 2, 3, [b"k"]),
        ForwardScan(1, 2, 3, b"a", b"b", None, 10, True),
        ForwardScan(1, 2, 3, b"a", None, b"c", 10, False),
        FetchSnapshot(1, 2, 3, 4),
    ]
    replies = [
        Forwarded([Verdict.DONE, Verdict.LOST], [(Done(True, 1, 2, RECORD, 3),), ()], "n1"),
        ReadForwarded(Verdict.DONE, [RECORD, None], "n1"),
        ScanForwarded(Verdict.BUSY, [RECORD], b"k", ""),
        ScanForwarded(Verdict.DONE, [], None, ""),
        SnapshotPage(False, [RECORD], [(5, b"session")], True),
        RaftStepped(),
        Forwarded([Verdict.DONE], [(Unmet(None), Forgotten())], ""),
    ]
    for ask in asks:
        assert through(ask) == ask
    for reply in replies:
        assert back(reply) == reply


def test_every_verdict_arrives_as_what_it_was() -> None:
    verdicts = list(Verdict)
    reply = Forwarded(verdicts, [()] * len(verdicts))
    out = back(reply)
    assert isinstance(out, Forwarded)
    assert out.verdicts == verdicts
    assert all(mine is sent for mine, sent in zip(out.verdicts, verdicts, strict=True))


def test_a_reply_fits_only_its_own_ask() -> None:
    forward = Forward(1, 2, 3, COMMANDS)
    assert fits_raft(forward, Forwarded([Verdict.DONE] * 2, [(), ()]))
    assert not fits_raft(forward, Forwarded([Verdict.DONE], [()]))
    assert not fits_raft(forward, RaftStepped())
    read = ForwardRead(1, 2, 3, [b"k"])
    assert fits_raft(read, ReadForwarded(Verdict.NOT_LEADER, []))
    assert not fits_raft(read, ReadForwarded(Verdict.DONE, []))
    assert fits_raft(RaftStep([], [], []), RaftStepped())
    assert fits_raft(FetchSnapshot(1, 2, 3, 4), SnapshotPage(True, [], [], False))


def broken(**columns: object) -> bytes:
    step = {
        "keyspaces": [1],
        "groups": [1],
        "kinds": [int(Kind.HEARTBEAT)],
        "receivers": [1],
        "senders": [1],
        "terms": [1],
        "log_terms": [1],
        "indexes": [1],
        "commits": [1],
    } | columns
    frame = pb.Frame()
    frame.asks.add(call=1).raft_step.MergeFrom(pb.RaftStep(**step))  # type: ignore[arg-type]
    return codec.frame(HEAD, [frame.SerializeToString()])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"terms": []}, "a peer sent 0 terms where 1 belong"),
        ({"hints": [1, 2]}, "a peer sent 2 hints where 1 belong"),
        ({"entry_counts": [2]}, "a peer sent 0 entry_terms where 2 belong"),
        ({"kinds": [int(Kind.CAMPAIGN)]}, "a Raft message of kind 0, which this node"),
        ({"snapshot_places": [0]}, "a peer sent 0 snapshots where 1 belong"),
        ({"snapshot_places": [5], "snapshots": [pb.RaftSnapshot()]}, "belongs to no message"),
        ({"sleeping_keyspaces": [1]}, "a peer sent 0 sleeping_groups where 1 belong"),
    ],
)
def test_columns_that_do_not_fit_end_the_stream(columns: dict[str, object], words: str) -> None:
    assert codec.decode_frame(broken()).asks
    with pytest.raises(PeerError, match=words):
        codec.decode_frame(broken(**columns))


def test_bytes_that_are_no_command_end_the_stream() -> None:
    frame = pb.Frame()
    frame.asks.add(call=1).raft_forward.commands.append(b"\xc1")
    with pytest.raises(PeerError, match="no command"):
        codec.decode_frame(codec.frame(HEAD, [frame.SerializeToString()]))
