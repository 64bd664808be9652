"""What a Raft snapshot carries itself; its rows are fetched page by page (`raft_receiving.py`)."""

from typing import Final

import msgspec
from msgspec.structs import replace

from dynakv.core.raft.messages import Snapshot
from dynakv.core.raft_rows import GroupState, Replacement

_encode: Final = msgspec.msgpack.Encoder().encode
_Data = tuple[int, tuple[Replacement, ...]]  # group time, members that replaced others
_decode: Final = msgspec.msgpack.Decoder(_Data).decode


def snapshot_of(state: GroupState, term: int) -> Snapshot:
    """Return the snapshot of a durable state; `term` is that of the entry it ends with."""
    return Snapshot(
        state.applied, term, state.membership, _encode((state.time, state.replacements))
    )


def time_of(snapshot: Snapshot) -> int | None:
    """Return the group time there; None where the snapshot is not one of `snapshot_of`."""
    data = _data_of(snapshot)
    return None if data is None else data[0]


def _data_of(snapshot: Snapshot) -> _Data | None:
    try:
        data: _Data = _decode(snapshot.data)
    except msgspec.DecodeError:
        return None
    return data


def state_after(state: GroupState, snapshot: Snapshot) -> GroupState:
    """Return the state of a member that received a snapshot into the next generation of rows."""
    data = _data_of(snapshot)
    assert data is not None
    time, replacements = data
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
        replacements=replacements,
    )
