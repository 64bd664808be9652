"""The frames between nodes: `node.messages` to bytes and back, nothing else knows their form.

Records travel as parallel columns (`rpc/record_columns.py`); the messages of repair have a file of
their own (`rpc/repair_codec.py`), and so have those of Raft and of gossip.

A frame is built from parts, one per ask or reply, each serialised when it is handed in: so its
exact size is known before a lane and a frame are chosen for it, and nothing is copied twice.
Joining them is sound because protobuf defines the concatenation of serialised messages as their
merge, in which repeated fields are appended (Protocol Buffers, "Encoding", "Last One Wins").

What comes in is trusted in nothing but its author's good will: anything that is not a frame raises
PeerError, which ends the stream. Checksums of records are verified by the node, not here.
"""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError
from msgspec import Struct

from dynakv.core.gossip_messages import Probe, ProbeFor, Sync
from dynakv.errors import PeerError
from dynakv.node.layout_messages import (
    AdoptLayout,
    ChangeKeyspaces,
    FetchLayout,
)
from dynakv.node.messages import (
    FRAME_VERSION,
    Beat,
    Beaten,
    Failed,
    GossipReply,
    Header,
    LayoutReply,
    Load,
    Loaded,
    Outcome,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Scanned,
)
from dynakv.node.raft_messages import (
    FetchSnapshot,
    Forward,
    ForwardRead,
    ForwardScan,
    RaftJoin,
    RaftReply,
    RaftStep,
)
from dynakv.rpc import gossip_codec, layout_codec
from dynakv.rpc.raft_codec import fill_raft_ask, fill_raft_reply, raft_message_of, raft_reply_of
from dynakv.rpc.record_columns import fill_records, floors_of, present_of, records_of
from dynakv.rpc.repair_codec import (
    RepairReply,
    fill_repair_ask,
    fill_repair_reply,
    repair_message_of,
    repair_reply_of,
)
from dynakv.v1 import node_internal_pb2 as pb

TIMEOUT_MS_MAX: Final = (1 << 32) - 1
_ASKS: Final = bytes([pb.Frame.ASKS_FIELD_NUMBER << 3 | 2])  # tags: length-delimited, ...
_REPLIES: Final = bytes([pb.Frame.REPLIES_FIELD_NUMBER << 3 | 2])
_CALL: Final = bytes([pb.Reply.CALL_FIELD_NUMBER << 3])  # ... a number
_SAVED: Final = pb.Reply(saved=pb.Saved()).SerializeToString()

_OUTCOMES_OUT: Final[dict[Outcome, pb.Outcome]] = {
    outcome: getattr(pb, f"OUTCOME_{outcome.name}") for outcome in Outcome
}
_OUTCOMES_IN: Final = {int(wire): outcome for outcome, wire in _OUTCOMES_OUT.items()}
_REASONS_OUT: Final[dict[Reason, pb.Reason]] = {
    reason: getattr(pb, f"REASON_{reason.name}") for reason in Reason
}
_REASONS_IN: Final = {int(wire): reason for reason, wire in _REASONS_OUT.items()}


class Frame(Struct, frozen=True, gc=False):
    """What one frame says; (call, message) and (call, reply) in the order they were sent.

    A message is None where its kind, or the version of the frame, is newer than this node.
    """

    header: Header
    asks: list[tuple[int, PeerMessage | None]]
    replies: list[tuple[int, PeerReply]]
    timeouts_ms: list[int]  # what the sender gives each ask


# --- out -------------------------------------------------------------------------------------


def frame(header: Header, parts: Iterable[bytes] = ()) -> bytes:
    """Return a frame of the given asks and replies."""
    head = pb.Frame(header=to_header(header)).SerializeToString()
    return b"".join((head, *parts))


def ask_part(call: int, timeout_ms: int, message: PeerMessage) -> bytes:
    """Return an ask as a part of a frame. About 0.2 us per record."""
    return ask_part_of(call, timeout_ms, ask_body(message))


def ask_part_of(call: int, timeout_ms: int, body: bytes) -> bytes:
    """Return an ask as a part of a frame; `body` is that of its message."""
    head = pb.Ask(call=call, timeout_ms=min(timeout_ms, TIMEOUT_MS_MAX)).SerializeToString()
    return b"".join((_ASKS, _varint(len(head) + len(body)), head, body))


def ask_body(message: PeerMessage) -> bytes:
    """Return the part of an ask that says what is asked, the same for every peer."""
    ask = pb.Ask()
    match message:
        case Save():
            save = ask.save
            save.keyspace = message.keyspace
            save.epoch = message.epoch
            save.previous = message.previous
            save.heals = message.heals
            save.SetInParent()
            if message.floors is not None:
                save.floors.extend(message.floors)
            fill_records(save.records, message.records)
        case Load():
            load = ask.load
            load.keyspace = message.keyspace
            load.epoch = message.epoch
            load.keys.extend(message.keys)
            load.SetInParent()
        case Scan():
            _fill_scan(ask.scan, message)
        case Beat():
            ask.beat.cluster_id = message.cluster_id
            ask.beat.layout_digest = message.layout_digest
            ask.beat.wall_ms = message.wall_ms
            ask.beat.client_address = message.client_address
            ask.beat.epoch = message.epoch
            ask.beat.SetInParent()
        case Probe() | ProbeFor() | Sync():
            gossip_codec.fill_gossip_ask(ask, message)
        case RaftStep() | RaftJoin() | Forward() | ForwardRead() | ForwardScan() | FetchSnapshot():
            fill_raft_ask(ask, message)
        case ChangeKeyspaces() | AdoptLayout() | FetchLayout():
            layout_codec.fill_layout_ask(ask, message)
        case _:
            fill_repair_ask(ask, message)
    return ask.SerializeToString()


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths."""
    if number < 0x80:
        return number.to_bytes(1, "little")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def reply_part(call: int, reply: PeerReply) -> bytes:
    """Return a reply as a part of a frame. About 0.2 us per record."""
    if isinstance(reply, Saved) and reply.outcomes is None and reply.before is None:
        head = _CALL + _varint(call)  # what most replies are
        return b"".join((_REPLIES, _varint(len(head) + len(_SAVED)), head, _SAVED))
    return _reply_part(call, reply)


def _reply_part(call: int, reply: PeerReply) -> bytes:
    whole = pb.Frame()
    out = whole.replies.add(call=call)
    match reply:
        case Saved():
            out.saved.SetInParent()
            fill_saved(out.saved, reply)
        case Loaded():
            out.loaded.SetInParent()
            if reply.outcomes is not None:
                out.loaded.outcomes.extend([_OUTCOMES_OUT[outcome] for outcome in reply.outcomes])
            if reply.floors is not None:
                out.loaded.floors.extend(reply.floors)
            fill_records(out.loaded.records, reply.records)
        case Beaten():
            out.beaten.SetInParent()
            fill_beaten(out.beaten, reply)
        case Scanned():
            out.scanned.SetInParent()
            fill_records(out.scanned.records, reply.records)
            if reply.next is not None:
                out.scanned.next = reply.next
            if reply.floors is not None:
                out.scanned.floors.extend(reply.floors)
        case Failed():
            out.failed.reason = to_reason(reply)
        case _:
            _fill_further(out, reply)
    return whole.SerializeToString()


def _fill_further(
    out: pb.Reply, reply: GossipReply | RepairReply | LayoutReply | RaftReply
) -> None:
    """Write a reply whose kind has a file of its own."""
    if isinstance(reply, LayoutReply):
        layout_codec.fill_layout_reply(out, reply)
    elif isinstance(reply, RepairReply):
        fill_repair_reply(out, reply)
    elif isinstance(reply, GossipReply):
        gossip_codec.fill_gossip_reply(out, reply)
    else:
        fill_raft_reply(out, reply)


def to_header(header: Header) -> pb.Header:
    """Return the header's wire form."""
    return pb.Header(
        version=header.version,
        node_id=header.node_id,
        cluster_id=header.cluster_id,
        incarnation=header.incarnation,
        commit_sequence=header.commit_sequence,
        epoch=header.epoch,
        hlc=header.hlc,
    )


def fill_saved(out: pb.Saved, saved: Saved) -> None:
    """Write a reply to a Save into its wire form."""
    if saved.outcomes is not None:
        out.outcomes.extend([_OUTCOMES_OUT[outcome] for outcome in saved.outcomes])
    if saved.before is not None:
        out.before.SetInParent()
        fill_records(out.before, saved.before)


def fill_beaten(out: pb.Beaten, beaten: Beaten) -> None:
    """Write a reply to a Beat into its wire form."""
    out.cluster_id = beaten.cluster_id
    out.layout_digest = beaten.layout_digest
    out.wall_ms = beaten.wall_ms
    out.client_address = beaten.client_address
    out.was_alive_ms = beaten.was_alive_ms
    out.up_ms = beaten.up_ms
    out.epoch = beaten.epoch


def to_reason(failed: Failed) -> pb.Reason:
    """Return the wire form of why an ask failed."""
    return _REASONS_OUT[failed.reason]


def _fill_scan(out: pb.Scan, scan: Scan) -> None:
    out.keyspace = scan.keyspace
    out.epoch = scan.epoch
    out.groups.extend(scan.groups)
    out.start = scan.start
    if scan.after is not None:
        out.after = scan.after
    if scan.end is not None:
        out.end = scan.end
    out.rows_max = scan.rows_max
    out.keys_only = scan.keys_only
    out.SetInParent()


# --- in --------------------------------------------------------------------------------------


def decode_frame(raw: bytes) -> Frame:
    """Return what a frame says. Raises PeerError where it is malformed."""
    try:
        whole = pb.Frame.FromString(raw)
    except DecodeError as error:
        raise PeerError(f"a peer sent {len(raw)} bytes that are no frame") from error
    header = header_of(whole.header)
    if header.version > FRAME_VERSION:
        return Frame(
            header,
            [(ask.call, None) for ask in whole.asks],
            [(reply.call, Failed(Reason.BROKEN)) for reply in whole.replies],
            [ask.timeout_ms for ask in whole.asks],
        )
    return Frame(
        header,
        [(ask.call, _message_of(ask)) for ask in whole.asks],
        [(reply.call, _reply_of(reply)) for reply in whole.replies],
        [ask.timeout_ms for ask in whole.asks],
    )


def header_of(header: pb.Header) -> Header:
    """Return the header; a version above FRAME_VERSION is for the caller to refuse.

    Raises PeerError where it is missing or names no node.
    """
    if header.version == 0 or not header.node_id:
        raise PeerError(
            f"a peer sent a frame without a proper header: version {header.version}, "
            f"node id {header.node_id!r}"
        )
    return Header(
        header.version,
        header.node_id,
        header.cluster_id,
        header.incarnation,
        header.commit_sequence,
        header.epoch,
        header.hlc,
    )


def save_of(save: pb.Save) -> Save:
    """Return a Save. Raises PeerError where its columns do not fit together."""
    records = present_of(save.records)
    floors = floors_of(save.floors, len(records))
    return Save(save.keyspace, save.epoch, records, save.previous, save.heals, floors)


def beat_of(beat: pb.Beat) -> Beat:
    """Return a Beat."""
    return Beat(beat.cluster_id, beat.layout_digest, beat.wall_ms, beat.client_address, beat.epoch)


def _message_of(ask: pb.Ask) -> PeerMessage | None:
    match ask.WhichOneof("kind"):
        case "save":
            return save_of(ask.save)
        case "load":
            load = ask.load
            return Load(load.keyspace, load.epoch, load.keys[:])
        case "scan":
            return _scan_of(ask.scan)
        case "beat":
            return beat_of(ask.beat)
        case kind:
            found = repair_message_of(kind, ask) or layout_codec.layout_message_of(kind, ask)
            return found or raft_message_of(kind, ask) or gossip_codec.gossip_message_of(kind, ask)


def _reply_of(reply: pb.Reply) -> PeerReply:
    match reply.WhichOneof("kind"):
        case "saved":
            saved = reply.saved
            before = records_of(saved.before) if saved.HasField("before") else None
            return Saved(_outcomes_of(saved.outcomes), before)
        case "loaded":
            loaded = reply.loaded
            records = records_of(loaded.records)
            floors = floors_of(loaded.floors, len(records))
            return Loaded(_outcomes_of(loaded.outcomes), records, floors)
        case "scanned":
            scanned = reply.scanned
            further = scanned.next if scanned.HasField("next") else None
            return Scanned(present_of(scanned.records), further, scanned.floors[:] or None)
        case "beaten":
            beaten = reply.beaten
            return Beaten(
                beaten.cluster_id,
                beaten.layout_digest,
                beaten.wall_ms,
                beaten.client_address,
                beaten.was_alive_ms,
                beaten.up_ms,
                beaten.epoch,
            )
        case "failed":
            # A reason newer than this node promises nothing.
            return Failed(_REASONS_IN.get(reply.failed.reason, Reason.BROKEN))
        case kind:
            kept = repair_reply_of(kind, reply) or layout_codec.layout_reply_of(kind, reply)
            said = raft_reply_of(kind, reply) or gossip_codec.gossip_reply_of(kind, reply)
            return kept or said or Failed(Reason.BROKEN)


def _scan_of(scan: pb.Scan) -> Scan:
    return Scan(
        scan.keyspace,
        scan.epoch,
        scan.groups[:],
        scan.start,
        scan.after if scan.HasField("after") else None,
        scan.end if scan.HasField("end") else None,
        scan.rows_max,
        scan.keys_only,
    )


def _outcomes_of(outcomes: Iterable[int]) -> list[Outcome] | None:
    try:
        return [_OUTCOMES_IN[outcome] for outcome in outcomes] or None
    except KeyError as error:
        raise PeerError(f"a peer answers outcome {error}, which this node does not know") from error
