"""Changes of keyspaces and layouts as protobuf: between nodes, and from clients.

A change has one form for both: what a client asks a node is what that node hands on. A part of
`rpc/codec.py`, and of the methods in `rpc/keyspaces.py`.
"""

from typing import Final, assert_never

from msgspec import UNSET, UnsetType

from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace, KeyspaceChange
from dynakv.core.layout import KeyspaceSettings, Level, Mode, default_groups
from dynakv.errors import Failure, Kind, UsageError
from dynakv.node.layout_messages import (
    AdoptLayout,
    ChangeKeyspaces,
    FetchLayout,
    KeyspacesChanged,
    LayoutAdopted,
    LayoutFetched,
)
from dynakv.rpc.fields import level_of
from dynakv.rpc.ring_state import LEVELS_OUT, MODES_OUT
from dynakv.v1 import keyspaces_pb2, ring_pb2
from dynakv.v1 import node_internal_pb2 as pb

LayoutMessage = ChangeKeyspaces | AdoptLayout | FetchLayout
LayoutReply = KeyspacesChanged | LayoutAdopted | LayoutFetched

_MODES_IN: Final = {
    int(ring_pb2.MODE_UNSPECIFIED): Mode.LEADERLESS,
    **{int(wire): mode for mode, wire in MODES_OUT.items()},
}
_KINDS_IN: Final = {kind.name: kind for kind in Kind}


def fill_layout_ask(ask: pb.Ask, message: LayoutMessage) -> None:
    """Write a message into an ask."""
    match message:
        case ChangeKeyspaces():
            out = ask.change_keyspaces
            change = message.change
            out.timeout_ms = change.timeout_ms
            match change:
                case CreateKeyspace():
                    out.create.CopyFrom(_creation(change))
                case AlterKeyspace():
                    out.alter.CopyFrom(_alteration(change))
                case DropKeyspace():
                    out.drop.name, out.drop.if_epoch = change.keyspace, change.if_epoch
                case _:
                    assert_never(change)
        case AdoptLayout():
            ask.adopt_layout.layout = message.layout
        case FetchLayout():
            ask.fetch_layout.SetInParent()
        case _:
            assert_never(message)


def fill_layout_reply(out: pb.Reply, reply: LayoutReply) -> None:
    """Write a reply."""
    match reply:
        case KeyspacesChanged():
            out.keyspaces_changed.SetInParent()
            out.keyspaces_changed.epoch = reply.epoch
            out.keyspaces_changed.keyspace_id = reply.keyspace_id
            if reply.failure is not None:
                out.keyspaces_changed.kind = reply.failure.kind.name
                out.keyspaces_changed.reason = reply.failure.reason
        case LayoutAdopted():
            out.layout_adopted.epoch = reply.epoch
            out.layout_adopted.SetInParent()
        case LayoutFetched():
            out.layout_fetched.layout = reply.layout
        case _:
            assert_never(reply)


def layout_message_of(kind: str | None, ask: pb.Ask) -> LayoutMessage | None:
    """Return the message of that kind, None where it is of another family or unknown."""
    match kind:
        case "change_keyspaces":
            return _change_of(ask.change_keyspaces)
        case "adopt_layout":
            return AdoptLayout(ask.adopt_layout.layout)
        case "fetch_layout":
            return FetchLayout()
        case _:
            return None


def layout_reply_of(kind: str | None, reply: pb.Reply) -> LayoutReply | None:
    """Return the reply of that kind, None where it is of another family or unknown."""
    match kind:
        case "keyspaces_changed":
            changed = reply.keyspaces_changed
            failure = None
            if changed.kind:
                # A kind newer than this node promises nothing.
                failure = Failure(_KINDS_IN.get(changed.kind, Kind.UNKNOWN), changed.reason)
            return KeyspacesChanged(changed.epoch, changed.keyspace_id, failure)
        case "layout_adopted":
            return LayoutAdopted(reply.layout_adopted.epoch)
        case "layout_fetched":
            return LayoutFetched(reply.layout_fetched.layout)
        case _:
            return None


def _change_of(given: pb.ChangeKeyspaces) -> ChangeKeyspaces | None:
    """Return a change; None where it says something that only a newer node understands."""
    change: KeyspaceChange
    try:
        match given.WhichOneof("change"):
            case "create":
                change = creation_of(given.create, given.timeout_ms)
            case "alter":
                change = alteration_of(given.alter, given.timeout_ms)
            case "drop":
                change = drop_of(given.drop, given.timeout_ms)
            case _:
                return None
    except UsageError:
        return None
    return ChangeKeyspaces(change)


# --- a change --------------------------------------------------------------------------------


def creation_of(request: keyspaces_pb2.CreateKeyspaceRequest, timeout_ms: int) -> CreateKeyspace:
    """Return what a request asks for; fields left out are the defaults. Raises UsageError."""
    defaults = KeyspaceSettings(request.name)
    mode = _MODES_IN.get(request.mode)
    if mode is None:
        known = ", ".join(f"{number} ({m.value})" for number, m in _MODES_IN.items() if number)
        raise UsageError(f"mode is {request.mode}, which this node does not know; it knows {known}")
    settings = KeyspaceSettings(
        name=request.name,
        mode=mode,
        replicas=request.replicas if request.HasField("replicas") else defaults.replicas,
        groups=request.groups if request.HasField("groups") else default_groups(mode),
        hash_tags=request.hash_tags,
        default_level=level_of(request.default_level) or defaults.default_level,
        default_ttl_ms=request.default_ttl_ms,
        redis_number=request.redis_number if request.HasField("redis_number") else None,
    )
    return CreateKeyspace(settings, request.if_epoch, timeout_ms)


def alteration_of(request: keyspaces_pb2.AlterKeyspaceRequest, timeout_ms: int) -> AlterKeyspace:
    """Return what a request asks for. Raises UsageError where it contradicts itself."""
    number: int | UnsetType | None = UNSET
    if request.HasField("redis_number"):
        number = request.redis_number
    if request.no_redis_number:
        if number is not UNSET:
            raise UsageError("redis_number and no_redis_number exclude each other: give one")
        number = None
    return AlterKeyspace(
        request.name,
        level_of(request.default_level),
        request.default_ttl_ms if request.HasField("default_ttl_ms") else None,
        number,
        request.if_epoch,
        timeout_ms,
    )


def drop_of(request: keyspaces_pb2.DropKeyspaceRequest, timeout_ms: int) -> DropKeyspace:
    """Return what a request asks for."""
    return DropKeyspace(request.name, request.if_epoch, timeout_ms)


def _creation(change: CreateKeyspace) -> keyspaces_pb2.CreateKeyspaceRequest:
    settings = change.settings
    return keyspaces_pb2.CreateKeyspaceRequest(
        name=settings.name,
        mode=MODES_OUT[settings.mode],
        replicas=settings.replicas,
        groups=settings.groups,
        hash_tags=settings.hash_tags,
        default_level=LEVELS_OUT[settings.default_level],
        default_ttl_ms=settings.default_ttl_ms,
        redis_number=settings.redis_number,
        if_epoch=change.if_epoch,
    )


def _alteration(change: AlterKeyspace) -> keyspaces_pb2.AlterKeyspaceRequest:
    level: Level | None = change.default_level
    number = change.redis_number
    return keyspaces_pb2.AlterKeyspaceRequest(
        name=change.keyspace,
        default_level=ring_pb2.LEVEL_UNSPECIFIED if level is None else LEVELS_OUT[level],
        default_ttl_ms=change.default_ttl_ms,
        redis_number=None if isinstance(number, UnsetType) else number,
        no_redis_number=number is None,
        if_epoch=change.if_epoch,
    )
