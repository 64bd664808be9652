"""What `dynakv-admin key` shows: where a key lives, what each replica holds, and who disagrees.

Each replica is asked for its own record, past all quorums, so this shows what a read would repair
before it is repaired. The replicas are asked at slightly different moments: a write under way may
show as a disagreement that is none.
"""

import json
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from dynakv.admin.tables import GREEN, RED, YELLOW, columns, painted
from dynakv.client import texts
from dynakv.core.layout import group_shift, token_of
from dynakv.errors import UsageError
from dynakv.v1 import node_status_pb2 as pb
from dynakv.v1 import ring_pb2

EXIT_AGREE: Final = 0
EXIT_DIFFER: Final = 2  # or one of them did not answer
EXIT_UNKNOWN: Final = 4  # none of them answered

Stamp = tuple[int, int]
_HELD: Final = {
    pb.HELD_NOTHING: "nothing",
    pb.HELD_VALUE: "value",
    pb.HELD_TOMBSTONE: "tombstone",
    pb.HELD_EXPIRED: "expired",
    pb.HELD_DAMAGED: "damaged",
}
_COLORS: Final = {
    "newest": GREEN,
    "behind": YELLOW,
    "damaged": RED,
    "silent": RED,
    "differs": RED,
    "empty": GREEN,
}


class Place(Struct, frozen=True):
    """Where a key lives."""

    keyspace: str
    token: int
    group: int
    replicas: dict[str, str]  # node id -> client address, empty where it is not known
    n: int
    rq: int
    wq: int


class Replica(Struct, frozen=True):
    """What one replica holds; stamps are empty where the register was never written."""

    node: str
    address: str
    state: str  # newest, behind, differs, damaged, silent; empty where no replica holds anything
    holds: str  # value, tombstone, expired, nothing, damaged; empty where it is not known
    stamp: str = ""
    expires_at_ms: int = 0
    expiry_stamp: str = ""
    value_bytes: int = 0
    checksum: str = ""
    error: str = ""


class KeyView(Struct, frozen=True):
    """All of it; what `-o json` prints."""

    verdict: str
    key: str
    keyspace: str
    token: str  # 16 hex digits
    group: int
    n: int
    rq: int
    wq: int
    replicas: list[Replica]
    exit_code: int


def place(state: ring_pb2.GetRingStateResponse, keyspace: str, key: bytes) -> Place:
    """Return where a key lives. Raises UsageError where there is no such keyspace."""
    found = next((k for k in state.keyspaces if k.name == keyspace), None)
    if found is None:
        known = ", ".join(k.name for k in state.keyspaces)
        raise UsageError(f"keyspace {keyspace!r} does not exist; there are {known}")
    token = token_of(key, hash_tags=found.hash_tags)
    group = token >> group_shift(len(found.groups))
    members = [state.members[i] for i in sorted(found.groups[group].replicas)]
    replicas = {member.node_id: member.client_address for member in members}
    return Place(keyspace, token, group, replicas, found.n, found.rq, found.wq)


def view(key: bytes, where: Place, answers: Mapping[str, pb.InspectKeyResponse | str]) -> KeyView:
    """Return what the replicas answered, compared; a text is why one did not."""
    told = [a for a in answers.values() if not isinstance(a, str) and a.held != pb.HELD_DAMAGED]
    value = max(map(_value_stamp, told), default=(0, 0))
    expiry = max(map(_expiry_stamp, told), default=(0, 0))
    newest = [a for a in told if (_value_stamp(a), _expiry_stamp(a)) == (value, expiry)]
    checksums = {a.checksum for a in newest}
    replicas = [
        _replica(node, address, answers[node], newest, checksums)
        for node, address in where.replicas.items()
    ]
    agree = len(newest) == len(replicas) and len(checksums) == 1
    silent = all(replica.state == "silent" for replica in replicas)
    return KeyView(
        verdict=_verdict(where, replicas, newest),
        key=texts.shown(key),
        keyspace=where.keyspace,
        token=f"{where.token:016x}",
        group=where.group,
        n=where.n,
        rq=where.rq,
        wq=where.wq,
        replicas=replicas,
        exit_code=EXIT_AGREE if agree else EXIT_UNKNOWN if silent else EXIT_DIFFER,
    )


def as_json(shown: KeyView) -> str:
    """Return it as indented JSON."""
    return json.dumps(msgspec.to_builtins(shown), indent=2)


def as_table(shown: KeyView, *, color: bool) -> str:
    """Return it as text for a terminal; `color` marks the states."""
    rows = [["NODE", "ADDRESS", "STATE", "HOLDS", "BYTES", "STAMP", "EXPIRES", "CHECKSUM"]]
    for r in shown.replicas:
        if r.error:
            rows.append([r.node, r.address or "?", r.state, r.error])
            continue
        expires = texts.moment(r.expires_at_ms) if r.expires_at_ms else "-"
        size = f"{r.value_bytes:,}" if r.holds in ("value", "expired") else "-"
        cells = [r.holds, size, r.stamp or "-", expires, r.checksum or "-"]
        rows.append([r.node, r.address, r.state, *cells])
    head, *lines = columns(rows, right={4})
    if color:
        paired = zip(lines, shown.replicas, strict=True)
        lines = [line.replace(r.state, painted(r.state, _COLORS[r.state]), 1) for line, r in paired]
    quorums = f"N={shown.n}, Rq={shown.rq}, Wq={shown.wq}"
    where = (
        f"token {shown.token}, shard group {shown.group} of keyspace {shown.keyspace}, {quorums}"
    )
    return "\n".join([f"{shown.key}: {shown.verdict}", where, "", head, *lines])


def _replica(
    node: str,
    address: str,
    answer: pb.InspectKeyResponse | str,
    newest: list[pb.InspectKeyResponse],
    checksums: set[int],
) -> Replica:
    if isinstance(answer, str):
        return Replica(node, address, "silent", "", error=answer)
    if answer.held == pb.HELD_DAMAGED:
        return Replica(node, address, "damaged", "damaged")
    if answer not in newest:
        state = "behind"
    elif answer.held == pb.HELD_NOTHING:
        state = "empty"
    else:
        state = "newest" if len(checksums) == 1 else "differs"
    return Replica(
        node,
        address,
        state,
        _HELD.get(answer.held, "?"),
        _shown(_value_stamp(answer)),
        answer.expires_at_ms,
        _shown(_expiry_stamp(answer)),
        answer.value_bytes,
        f"{answer.checksum:016x}" if answer.checksum else "",
    )


def _verdict(where: Place, replicas: list[Replica], newest: list[pb.InspectKeyResponse]) -> str:
    count = len(replicas)
    if not newest:
        return f"no replica of {count} tells what it holds"
    held = _HELD.get(newest[0].held, "?")
    parts = [f"{len(newest)} of {count} replicas hold the newest known ({held})"]
    if held == "nothing":
        parts = [f"{len(newest)} of {count} replicas hold nothing"]
    if len(newest) == count:
        parts = [f"all {count} replicas agree ({held})"]
    for state, what in (
        ("behind", "behind"),
        ("differs", "with the same stamp and other content"),
        ("damaged", "damaged"),
        ("silent", "silent"),
    ):
        names = [replica.node for replica in replicas if replica.state == state]
        if names:
            parts.append(f"{what}: {', '.join(names)}")
    if held != "nothing" and len(newest) < where.wq:
        parts.append(f"fewer than the {where.wq} of a quorum write")
    return "; ".join(parts)


def _value_stamp(answer: pb.InspectKeyResponse) -> Stamp:
    return answer.value_time, answer.value_writer


def _expiry_stamp(answer: pb.InspectKeyResponse) -> Stamp:
    return answer.expiry_time, answer.expiry_writer


def _shown(stamp: Stamp) -> str:
    return texts.stamp(*stamp) if stamp != (0, 0) else ""
