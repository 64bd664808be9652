"""Records as columns: between a list of them and the parallel fields of a `Records` message.

One submessage per record costs several times as much. Columns that say nothing are left out:
expiries where no record has one, expiry stamps where they equal the value's. Part of the codec
(`rpc/codec.py`), which says what may be trusted.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import cast

from msgspec.structs import astuple

from dynakv.core.record import Record
from dynakv.errors import PeerError
from dynakv.v1 import node_internal_pb2 as pb


def fill_records(columns: pb.Records, records: Sequence[Record | None]) -> None:
    """Write records, None where absent, into their columns. About 0.2 us each."""
    present = [record for record in records if record is not None]
    if len(present) < len(records):
        columns.absent.extend([i for i, record in enumerate(records) if record is None])
        if not present:
            return
    elif not present:
        return
    keys, values, times, writers, expiries, expiry_times, expiry_writers, checksums = zip(
        *map(astuple, present), strict=True
    )
    columns.keys.extend(keys)
    if None in values:
        columns.tombstones.extend([i for i, value in enumerate(values) if value is None])
        values = tuple(value or b"" for value in values)
    columns.values.extend(values)
    columns.value_times.extend(times)
    columns.value_writers.extend(writers)
    if any(expiries):
        columns.expiries_ms.extend(expiries)
    if expiry_times != times or expiry_writers != writers:
        columns.expiry_times.extend(expiry_times)
        columns.expiry_writers.extend(expiry_writers)
    columns.checksums.extend(checksums)


def present_of(columns: pb.Records) -> list[Record]:
    """Return records of which none may be absent. Raises PeerError."""
    if columns.absent:
        raise PeerError(f"a peer sent {len(columns.absent)} absent records where none may be")
    return cast("list[Record]", records_of(columns))


def records_of(columns: pb.Records) -> list[Record | None]:
    """Return the records, None where absent. Raises PeerError where columns do not fit."""
    keys: list[bytes] = columns.keys[:]
    values: list[bytes | None] = columns.values[:]  # type: ignore[assignment]
    times: list[int] = columns.value_times[:]
    writers: list[int] = columns.value_writers[:]
    checksums: list[int] = columns.checksums[:]
    expiries: list[int] = columns.expiries_ms[:]
    expiry_times: list[int] = columns.expiry_times[:]
    expiry_writers: list[int] = columns.expiry_writers[:]
    if not expiry_times and not expiry_writers:
        expiry_times, expiry_writers = times, writers
    count = len(keys)
    lengths = (
        *(len(values), len(times), len(writers), len(checksums)),
        *(len(expiries) or count, len(expiry_times), len(expiry_writers)),
    )
    if lengths.count(count) != len(lengths):
        raise PeerError(f"a peer sent columns of {lengths} entries for {count} keys")
    for place in columns.tombstones:
        if place >= count:
            raise PeerError(f"a peer names tombstone {place} of {count} records")
        values[place] = None
    records: list[Record | None] = list(
        map(
            Record,
            *(keys, values, times, writers),
            *(expiries or repeat(0), expiry_times, expiry_writers, checksums),
        )
    )
    return _with_absent(records, columns.absent) if columns.absent else records


def _with_absent(records: list[Record | None], absent: Iterable[int]) -> list[Record | None]:
    whole: list[Record | None] = []
    start = 0
    for place in absent:
        end = start + place - len(whole)
        if not start <= end <= len(records):
            raise PeerError(f"a peer names absent entry {place} beside {len(records)} records")
        whole += records[start:end]
        whole.append(None)
        start = end
    return whole + records[start:]


def floors_of(floors: Sequence[int], count: int) -> list[int] | None:
    """Return the column of floors beside `count` records, None where it was left out.

    Raises PeerError where it does not fit.
    """
    if not floors:
        return None
    if len(floors) != count:
        raise PeerError(f"a peer sent {len(floors)} floors for {count} records")
    return list(floors)
