"""Rows: where a record lies in a data directory, and what may be found there."""

from typing import Final

from msgspec import Struct

from dynakv.core.record import Record

RowKey = tuple[int, int, bytes]  # keyspace id, group, key


class Damaged(Struct, frozen=True):
    """Stands for a row whose content fails its checksum."""


DAMAGED: Final = Damaged()
Row = Record | Damaged | None
