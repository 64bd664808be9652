"""The messages of `node/repair_messages.py` as parts of a frame; a part of `rpc/codec.py`."""

from typing import Final, assert_never

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
from dynakv.rpc.record_columns import fill_records, present_of
from dynakv.v1 import node_internal_pb2 as pb

RepairMessage = Compare | ScanLeaves | Fence | RaiseFloor
RepairReply = Compared | LeavesScanned | Fenced | FloorRaised

_LIKENESSES_OUT: Final[dict[Likeness, pb.Likeness]] = {
    likeness: getattr(pb, f"LIKENESS_{likeness.name}") for likeness in Likeness
}
_LIKENESSES_IN: Final = {int(wire): likeness for likeness, wire in _LIKENESSES_OUT.items()}


def fill_repair_ask(ask: pb.Ask, message: RepairMessage) -> None:
    """Write a message into an ask."""
    match message:
        case Compare():
            ask.compare.keyspace = message.keyspace
            ask.compare.epoch = message.epoch
            ask.compare.groups.extend(message.groups)
            ask.compare.roots.extend(message.roots)
            ask.compare.SetInParent()
        case ScanLeaves():
            scan = ask.scan_leaves
            scan.keyspace = message.keyspace
            scan.epoch = message.epoch
            scan.group = message.group
            scan.leaves.extend(message.leaves)
            if message.after is not None:
                scan.after = message.after
            scan.rows_max = message.rows_max
            scan.SetInParent()
        case Fence():
            ask.fence.keyspace = message.keyspace
            ask.fence.epoch = message.epoch
            ask.fence.groups.extend(message.groups)
            ask.fence.cut = message.cut
            ask.fence.SetInParent()
        case RaiseFloor():
            ask.raise_floor.keyspace = message.keyspace
            ask.raise_floor.epoch = message.epoch
            ask.raise_floor.groups.extend(message.groups)
            ask.raise_floor.floor = message.floor
            ask.raise_floor.SetInParent()
        case _:
            assert_never(message)


def fill_repair_reply(out: pb.Reply, reply: RepairReply) -> None:
    """Write a reply."""
    match reply:
        case Compared():
            out.compared.SetInParent()
            out.compared.likenesses.extend([_LIKENESSES_OUT[like] for like in reply.likenesses])
            out.compared.floors.extend(reply.floors)
            out.compared.leaves.extend(reply.leaves)
        case LeavesScanned():
            out.leaves_scanned.SetInParent()
            fill_records(out.leaves_scanned.records, reply.records)
            if reply.next is not None:
                out.leaves_scanned.next = reply.next
            out.leaves_scanned.floor = reply.floor
        case Fenced():
            out.fenced.SetInParent()
            out.fenced.taken.extend(reply.taken)
        case FloorRaised():
            out.floor_raised.SetInParent()
            out.floor_raised.taken.extend(reply.taken)
        case _:
            assert_never(reply)


def repair_message_of(kind: str | None, ask: pb.Ask) -> RepairMessage | None:
    """Return the message of an ask of this kind; None: not one of repair, or newer than this."""
    match kind:
        case "compare":
            compare = ask.compare
            if len(compare.roots) != len(compare.groups):
                raise PeerError(
                    f"a peer sent {len(compare.roots)} roots for {len(compare.groups)} groups"
                )
            return Compare(compare.keyspace, compare.epoch, compare.groups[:], compare.roots[:])
        case "scan_leaves":
            scan = ask.scan_leaves
            after = scan.after if scan.HasField("after") else None
            return ScanLeaves(
                scan.keyspace, scan.epoch, scan.group, scan.leaves[:], after, scan.rows_max
            )
        case "fence":
            fence = ask.fence
            return Fence(fence.keyspace, fence.epoch, fence.groups[:], fence.cut)
        case "raise_floor":
            raised = ask.raise_floor
            return RaiseFloor(raised.keyspace, raised.epoch, raised.groups[:], raised.floor)
        case _:
            return None


def repair_reply_of(kind: str | None, reply: pb.Reply) -> RepairReply | None:
    """Return the reply of this kind; None: not one of repair, or newer than this node."""
    match kind:
        case "compared":
            compared = reply.compared
            likenesses = [
                _LIKENESSES_IN.get(likeness, Likeness.UNKNOWN) for likeness in compared.likenesses
            ]
            return Compared(likenesses, compared.floors[:], compared.leaves[:])
        case "leaves_scanned":
            scanned = reply.leaves_scanned
            further = scanned.next if scanned.HasField("next") else None
            return LeavesScanned(present_of(scanned.records), further, scanned.floor)
        case "fenced":
            return Fenced(reply.fenced.taken[:])
        case "floor_raised":
            return FloorRaised(reply.floor_raised.taken[:])
        case _:
            return None


def fits_repair(message: object, reply: object) -> bool:
    """Say whether the reply is of the ask's kind and has as many entries as it."""
    match message, reply:
        case Compare(), Compared():
            count = len(message.groups)
            differing = sum(likeness is Likeness.DIFFERS for likeness in reply.likenesses)
            return (
                len(reply.likenesses) == len(reply.floors) == count
                and len(reply.leaves) == differing * LEAVES
            )
        case Fence(), Fenced():
            return len(reply.taken) == len(message.groups)
        case RaiseFloor(), FloorRaised():
            return len(reply.taken) == len(message.groups)
        case ScanLeaves(), LeavesScanned():
            return True
        case _:
            return False
