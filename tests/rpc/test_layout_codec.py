"""Changes and layouts come out of a frame as they went in."""

import pytest

from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace
from dynakv.core.layout import KeyspaceSettings, Level, Mode
from dynakv.errors import Failure, Kind, UsageError
from dynakv.node.layout_messages import (
    AdoptLayout,
    ChangeKeyspaces,
    FetchLayout,
    KeyspacesChanged,
    LayoutAdopted,
    LayoutFetched,
)
from dynakv.node.messages import FRAME_VERSION, Failed, Header, PeerMessage, PeerReply, Reason
from dynakv.rpc import codec
from dynakv.rpc.layout_codec import alteration_of, creation_of
from dynakv.v1 import keyspaces_pb2
from dynakv.v1 import node_internal_pb2 as pb

HEADER = Header(FRAME_VERSION, "n1", 1, 2, 3, 4, 5)
EVERYTHING = KeyspaceSettings(
    "k", Mode.RAFT, 5, 16, hash_tags=True, default_level=Level.ALL, default_ttl_ms=9, redis_number=3
)


@pytest.mark.parametrize(
    "message",
    [
        ChangeKeyspaces(CreateKeyspace(EVERYTHING, 7, 1_000)),
        ChangeKeyspaces(CreateKeyspace(KeyspaceSettings(""))),
        ChangeKeyspaces(CreateKeyspace(KeyspaceSettings("k", replicas=0, groups=0))),
        ChangeKeyspaces(AlterKeyspace("k")),
        ChangeKeyspaces(AlterKeyspace("k", Level.ONE, 0, 5, 2, 3)),
        ChangeKeyspaces(AlterKeyspace("k", redis_number=None)),
        ChangeKeyspaces(AlterKeyspace("k", redis_number=0)),
        ChangeKeyspaces(DropKeyspace("k", 4, 5)),
        AdoptLayout(b"layout"),
        FetchLayout(),
    ],
)
def test_a_message_survives_the_way(message: PeerMessage) -> None:
    raw = codec.frame(HEADER, [codec.ask_part(1, 500, message)])
    assert codec.decode_frame(raw).asks == [(1, message)]


@pytest.mark.parametrize(
    "reply",
    [
        KeyspacesChanged(2, 3),
        KeyspacesChanged(0, 0, Failure(Kind.UNAVAILABLE, "n3 is down")),
        LayoutAdopted(7),
        LayoutFetched(b"layout"),
    ],
)
def test_a_reply_survives_the_way(reply: PeerReply) -> None:
    raw = codec.frame(HEADER, [codec.reply_part(1, reply)])
    assert codec.decode_frame(raw).replies == [(1, reply)]


def test_a_change_that_only_a_newer_node_understands_is_no_message() -> None:
    whole = pb.Frame(header=codec.to_header(HEADER))
    whole.asks.add(call=1).change_keyspaces.create.mode = 9  # type: ignore[assignment]
    whole.asks.add(call=2).change_keyspaces.timeout_ms = 5
    assert codec.decode_frame(whole.SerializeToString()).asks == [(1, None), (2, None)]


def test_a_failure_of_a_kind_that_only_a_newer_node_knows_promises_nothing() -> None:
    whole = pb.Frame(header=codec.to_header(HEADER))
    whole.replies.add(call=1).keyspaces_changed.kind = "NEWER"
    ((_, reply),) = codec.decode_frame(whole.SerializeToString()).replies
    assert reply == KeyspacesChanged(0, 0, Failure(Kind.UNKNOWN, ""))
    assert not isinstance(reply, Failed)
    assert Reason.BROKEN is not None


def test_fields_left_out_are_the_defaults() -> None:
    request = keyspaces_pb2.CreateKeyspaceRequest(name="k")
    assert creation_of(request, 0) == CreateKeyspace(KeyspaceSettings("k"))


def test_values_that_this_node_does_not_know_are_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError, match="mode is 9, which this node does not know"):
        creation_of(keyspaces_pb2.CreateKeyspaceRequest(name="k", mode=9), 0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="level is 9"):
        alteration_of(keyspaces_pb2.AlterKeyspaceRequest(name="k", default_level=9), 0)  # type: ignore[arg-type]
    both = keyspaces_pb2.AlterKeyspaceRequest(name="k", redis_number=1, no_redis_number=True)
    with pytest.raises(UsageError, match="exclude each other"):
        alteration_of(both, 0)
