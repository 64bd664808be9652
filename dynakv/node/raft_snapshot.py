"""What a Raft snapshot carries itself; its rows are fetched page by page (`raft_receiving.py`)."""

from typing import Final

import msgspec
from msgspec.structs import replace

from dynakv.core.raft.messages import Snapshot
from dynakv.core.raft_rows import GroupState

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int]).decode


def snapshot_of(state: GroupState, term: int) -> Snapshot:
    """Return the snapshot of a durable state; `term` is that of the entry it ends with."""
    return Snapshot(state.applied, term, state.membership, _encode((state.time,)))


def time_of(snapshot: Snapshot) -> int | None:
    """Return the group time there; None where the snapshot is not one of `snapshot_of`."""
    try:
        (time,) = _decode(snapshot.data)
    except msgspec.DecodeError:
        return None
    return time


def state_after(state: GroupState, snapshot: Snapshot) -> GroupState:
    """Return the state of a member that received a snapshot into the next generation of rows."""
    time = time_of(snapshot)
    assert time is not None
    return replace(
        state,
        applied=snapshot.index,
        commit=snapshot.index,
        time=time,
        offset=snapshot.index,
        offset_term=snapshot.term,
        last=snapshot.index,
        membership=snapshot.membership,
        generation=state.generation + 1,
    )
