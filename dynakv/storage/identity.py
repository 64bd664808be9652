"""Whose data directory this is: what it remembers, and why it may refuse to start.

A node must not start on the data of another node, of another cluster, or of a cluster whose member
list somebody changed in the configuration only: records would be served from replicas that the
other members do not count. The stored layout is the one in force; the members that the
configuration says are compared with it and the first difference is named. Keyspaces come and go
while a cluster runs: what the configuration says of them counts for a new directory only.
"""

import sqlite3
from pathlib import Path

import msgspec

from dynakv.core import facts
from dynakv.core import layout as layouts
from dynakv.core.layout import Layout
from dynakv.core.table import Remembered
from dynakv.errors import StorageError
from dynakv.storage.schema import unsigned


def start(
    connection: sqlite3.Connection, directory: Path, node_id: str, given: Layout
) -> Remembered:
    """Count this start durably and return what the directory remembers.

    Raises StorageError where the directory belongs to others, sqlite3.Error where the disk fails.
    """
    found = connection.execute(
        "SELECT node_id, incarnation, starts, layout, commit_sequence, ceiling_ms, rows_written "
        "FROM identity, node_state"
    ).fetchone()
    if found is None:
        raise StorageError(f"data directory {directory} is damaged: it does not know its node")
    owner, incarnation, starts, layout, commit_sequence, ceiling_ms, rows_written = found
    remembered = dict(connection.execute("SELECT name, fact FROM facts"))
    layout = remembered.pop(facts.LAYOUT, layout)
    if owner != node_id:
        raise StorageError(f"data directory {directory} belongs to node {owner!r}, not {node_id!r}")
    try:
        stored = layouts.decode(layout)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"data directory {directory} is damaged: its layout does not parse: {error}"
        ) from error
    reason = difference(stored, given)
    if stored.cluster_id != given.cluster_id:
        raise StorageError(
            f"data directory {directory} belongs to cluster {stored.cluster_id:016x}, "
            f"the configuration is cluster {given.cluster_id:016x}: {reason or 'other ids'}"
        )
    if reason is not None:
        raise StorageError(f"data directory {directory} does not fit the configuration: {reason}")
    connection.execute("UPDATE identity SET starts = starts + 1")  # its own transaction, synced
    return Remembered(
        node_id=owner,
        incarnation=unsigned(incarnation),
        starts=starts + 1,
        ceiling_ms=ceiling_ms,
        commit_sequence=commit_sequence,
        layout=layout,
        empty=rows_written == 0,
        facts=remembered,
    )


def difference(stored: Layout, given: Layout) -> str | None:
    """Return the first member in which two layouts differ, in words; None if none.

    Keyspaces are not compared: those of the configuration are only the first ones, of a new
    cluster. Nor is placement: it is stored because two versions of the code may propose another.
    """
    old_members = {member.node_id: member for member in stored.members}
    new_members = {member.node_id: member for member in given.members}
    for name in sorted(old_members.keys() | new_members.keys()):
        reason = _changed(f"member {name!r}", old_members.get(name), new_members.get(name))
        if reason is not None:
            return reason
    return None


def _changed(what: str, stored: msgspec.Struct | None, given: msgspec.Struct | None) -> str | None:
    if stored is None:
        return f"{what} is in the configuration but not in the directory"
    if given is None:
        return f"{what} is in the directory but not in the configuration"
    for field in stored.__struct_fields__:
        old, new = getattr(stored, field), getattr(given, field)
        if old != new:
            return f"{field} of {what} is {_shown(old)} in the directory, {_shown(new)} given"
    return None


def _shown(value: object) -> str:
    return repr(getattr(value, "value", value))
