"""The messages of `node/raft_messages.py` as parts of a frame; a part of `rpc/codec.py`."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, assert_never

import msgspec

from dynakv.core import commands
from dynakv.core.commands import Result
from dynakv.core.raft.messages import (
    LOCAL_KINDS,
    Entry,
    EntryKind,
    Kind,
    MemberId,
    Membership,
    Message,
    Snapshot,
)
from dynakv.errors import PeerError
from dynakv.node.raft_messages import (
    FetchSnapshot,
    Forward,
    Forwarded,
    ForwardRead,
    ForwardScan,
    RaftJoin,
    RaftJoined,
    RaftMessage,
    RaftReply,
    RaftStep,
    RaftStepped,
    ReadForwarded,
    ScanForwarded,
    SnapshotPage,
    Verdict,
)
from dynakv.rpc.raft_join_codec import (
    fill_join,
    fill_joined,
    fill_page,
    fill_stepped,
    join_of,
    joined_of,
    page_of,
    stepped_of,
)
from dynakv.rpc.record_columns import fill_records, present_of, records_of
from dynakv.v1 import node_internal_pb2 as pb

T = TypeVar("T")

_VERDICTS_OUT: Final[dict[Verdict, pb.RaftVerdict]] = {
    verdict: getattr(pb, f"RAFT_VERDICT_{verdict.name}") for verdict in Verdict
}
_VERDICTS_IN: Final = {int(wire): verdict for verdict, wire in _VERDICTS_OUT.items()}
_KINDS: Final = {int(kind): kind for kind in Kind if kind not in LOCAL_KINDS}
_ENTRY_KINDS: Final = {int(kind): kind for kind in EntryKind}


# --- out -------------------------------------------------------------------------------------


def fill_raft_ask(ask: pb.Ask, message: RaftMessage) -> None:
    """Write a message into an ask."""
    match message:
        case RaftStep():
            ask.raft_step.SetInParent()
            _fill_step(ask.raft_step, message)
        case Forward():
            forward = ask.raft_forward
            forward.keyspace, forward.epoch = message.keyspace, message.epoch
            forward.group = message.group
            forward.commands.extend([commands.encode(command) for command in message.commands])
            forward.SetInParent()
        case ForwardRead():
            read = ask.raft_read
            read.keyspace, read.epoch, read.group = message.keyspace, message.epoch, message.group
            read.keys.extend(message.keys)
            read.SetInParent()
        case ForwardScan():
            _fill_scan(ask.raft_scan, message)
        case RaftJoin():
            fill_join(ask.raft_join, message)
        case FetchSnapshot():
            fetch = ask.raft_fetch
            fetch.keyspace, fetch.group = message.keyspace, message.group
            fetch.index, fetch.page = message.index, message.page
            fetch.SetInParent()
        case _:
            assert_never(message)


def fill_raft_reply(out: pb.Reply, reply: RaftReply) -> None:
    """Write a reply."""
    match reply:
        case RaftStepped():
            fill_stepped(out.raft_stepped, reply)
        case RaftJoined():
            fill_joined(out.raft_joined, reply)
        case Forwarded():
            out.raft_forwarded.SetInParent()
            out.raft_forwarded.verdicts.extend([_VERDICTS_OUT[v] for v in reply.verdicts])
            out.raft_forwarded.results.extend(
                [commands.encode_results(results) for results in reply.results]
            )
            out.raft_forwarded.leader = reply.leader
        case ReadForwarded():
            out.raft_found.verdict = _VERDICTS_OUT[reply.verdict]
            fill_records(out.raft_found.records, reply.records)
            out.raft_found.leader = reply.leader
        case ScanForwarded():
            out.raft_listed.verdict = _VERDICTS_OUT[reply.verdict]
            fill_records(out.raft_listed.records, reply.records)
            if reply.next is not None:
                out.raft_listed.next = reply.next
            out.raft_listed.leader = reply.leader
        case SnapshotPage():
            fill_page(out.raft_page, reply)
        case _:
            assert_never(reply)


def _fill_step(out: pb.RaftStep, step: RaftStep) -> None:
    messages = step.messages
    out.incarnation = step.incarnation
    out.keyspaces.extend(step.keyspaces)
    out.groups.extend(step.groups)
    out.kinds.extend([int(m.kind) for m in messages])
    out.receivers.extend([m.to for m in messages])
    out.senders.extend([m.sender for m in messages])
    out.terms.extend([m.term for m in messages])
    out.log_terms.extend([m.log_term for m in messages])
    out.indexes.extend([m.index for m in messages])
    out.commits.extend([m.commit for m in messages])
    if any(m.reject for m in messages):
        out.rejects.extend([m.reject for m in messages])
    if any(m.hint for m in messages):
        out.hints.extend([m.hint for m in messages])
    if any(m.read_round for m in messages):
        out.read_rounds.extend([m.read_round for m in messages])
    if any(m.context for m in messages):
        out.contexts.extend([m.context for m in messages])
    entries = [entry for m in messages for entry in m.entries]
    if entries:
        out.entry_counts.extend([len(m.entries) for m in messages])
        out.entry_terms.extend([entry.term for entry in entries])
        out.entry_indexes.extend([entry.index for entry in entries])
        out.entry_kinds.extend([int(entry.kind) for entry in entries])
        out.entry_contents.extend([entry.data for entry in entries])
    for place, message in enumerate(messages):
        if message.snapshot is not None:
            out.snapshot_places.append(place)
            _fill_snapshot(out.snapshots.add(), message.snapshot)
    for keyspace, group, term in step.sleeping:
        out.sleeping_keyspaces.append(keyspace)
        out.sleeping_groups.append(group)
        out.sleeping_terms.append(term)


def _fill_snapshot(out: pb.RaftSnapshot, snapshot: Snapshot) -> None:
    membership = snapshot.membership
    out.index, out.term, out.content = snapshot.index, snapshot.term, snapshot.data
    out.voters.extend(membership.voters)
    out.voters_outgoing.extend(membership.voters_outgoing)
    out.learners.extend(membership.learners)
    out.learners_next.extend(membership.learners_next)
    out.auto_leave = membership.auto_leave


def _fill_scan(out: pb.RaftScan, scan: ForwardScan) -> None:
    out.keyspace, out.epoch, out.group = scan.keyspace, scan.epoch, scan.group
    out.start = scan.start
    if scan.after is not None:
        out.after = scan.after
    if scan.end is not None:
        out.end = scan.end
    out.rows_max, out.keys_only = scan.rows_max, scan.keys_only
    out.SetInParent()


# --- in --------------------------------------------------------------------------------------


def raft_message_of(kind: str | None, ask: pb.Ask) -> RaftMessage | None:
    """Return the message of an ask of this kind; None: not one of Raft, or newer than this node.

    Raises PeerError where its columns do not fit together.
    """
    match kind:
        case "raft_step":
            return _step_of(ask.raft_step)
        case "raft_forward":
            forward = ask.raft_forward
            some = [_decoded(commands.decode, raw) for raw in forward.commands]
            return Forward(forward.keyspace, forward.epoch, forward.group, some)
        case "raft_read":
            read = ask.raft_read
            return ForwardRead(read.keyspace, read.epoch, read.group, read.keys[:])
        case "raft_scan":
            scan = ask.raft_scan
            return ForwardScan(
                scan.keyspace,
                scan.epoch,
                scan.group,
                scan.start,
                scan.after if scan.HasField("after") else None,
                scan.end if scan.HasField("end") else None,
                scan.rows_max,
                scan.keys_only,
            )
        case _:
            return _other_message_of(kind, ask)


def _other_message_of(kind: str | None, ask: pb.Ask) -> RaftMessage | None:
    if kind == "raft_join":
        return join_of(ask.raft_join)
    if kind == "raft_fetch":
        fetch = ask.raft_fetch
        return FetchSnapshot(fetch.keyspace, fetch.group, fetch.index, fetch.page)
    return None


def raft_reply_of(kind: str | None, reply: pb.Reply) -> RaftReply | None:
    """Return the reply of this kind; None: not one of Raft, or newer than this node."""
    match kind:
        case "raft_stepped":
            return stepped_of(reply.raft_stepped)
        case "raft_forwarded":
            forwarded = reply.raft_forwarded
            results = [_results_of(raw) for raw in forwarded.results]
            verdicts = [_verdict_of(verdict) for verdict in forwarded.verdicts]
            _same_length("results", len(results), len(verdicts))
            return Forwarded(verdicts, results, forwarded.leader)
        case "raft_found":
            found = reply.raft_found
            return ReadForwarded(
                _verdict_of(found.verdict), records_of(found.records), found.leader
            )
        case "raft_listed":
            listed = reply.raft_listed
            further = listed.next if listed.HasField("next") else None
            records = present_of(listed.records)
            return ScanForwarded(_verdict_of(listed.verdict), records, further, listed.leader)
        case _:
            return _other_reply_of(kind, reply)


def _other_reply_of(kind: str | None, reply: pb.Reply) -> RaftReply | None:
    if kind == "raft_joined":
        return joined_of(reply.raft_joined)
    if kind != "raft_page":
        return None
    return page_of(reply.raft_page)


def fits_raft(message: object, reply: object) -> bool:
    """Say whether the reply is of the ask's kind and has as many entries as it."""
    match message, reply:
        case RaftJoin(), RaftJoined():
            return len(message.groups) == len(reply.outcomes)
        case RaftStep(), RaftStepped():
            return True
        case Forward(), Forwarded():
            return len(reply.verdicts) == len(message.commands)
        case ForwardRead(), ReadForwarded():
            done = reply.verdict is Verdict.DONE
            return len(reply.records) == len(message.keys) or not done
        case (ForwardScan(), ScanForwarded()) | (FetchSnapshot(), SnapshotPage()):
            return True
        case _:
            return False


def _step_of(step: pb.RaftStep) -> RaftStep:
    count = len(step.keyspaces)
    required = {
        "groups": step.groups,
        "kinds": step.kinds,
        "receivers": step.receivers,
        "senders": step.senders,
        "terms": step.terms,
        "log_terms": step.log_terms,
        "indexes": step.indexes,
        "commits": step.commits,
    }
    for name, column in required.items():
        _same_length(name, len(column), count)
    rejects = _column("rejects", step.rejects, count, default=False)
    hints = _column("hints", step.hints, count, default=0)
    rounds = _column("read_rounds", step.read_rounds, count, default=0)
    contexts = _column("contexts", step.contexts, count, default=b"")
    entries = _entries_of(step, count)
    snapshots = _snapshots_of(step, count)
    messages = [
        Message(
            kind=_known(_KINDS, step.kinds[i], "Raft message"),
            to=MemberId(step.receivers[i]),
            sender=MemberId(step.senders[i]),
            term=step.terms[i],
            log_term=step.log_terms[i],
            index=step.indexes[i],
            entries=entries[i],
            commit=step.commits[i],
            reject=rejects[i],
            hint=hints[i],
            read_round=rounds[i],
            context=contexts[i],
            snapshot=snapshots.get(i),
        )
        for i in range(count)
    ]
    sleeping = len(step.sleeping_keyspaces)
    _same_length("sleeping_groups", len(step.sleeping_groups), sleeping)
    _same_length("sleeping_terms", len(step.sleeping_terms), sleeping)
    asleep = zip(step.sleeping_keyspaces, step.sleeping_groups, step.sleeping_terms, strict=True)
    return RaftStep(step.keyspaces[:], step.groups[:], messages, list(asleep), step.incarnation)


def _entries_of(step: pb.RaftStep, count: int) -> list[tuple[Entry, ...]]:
    counts = _column("entry_counts", step.entry_counts, count, default=0)
    total = sum(counts)
    for name, length in (
        ("entry_terms", len(step.entry_terms)),
        ("entry_indexes", len(step.entry_indexes)),
        ("entry_kinds", len(step.entry_kinds)),
        ("entry_contents", len(step.entry_contents)),
    ):
        _same_length(name, length, total)
    columns = zip(
        step.entry_terms, step.entry_indexes, step.entry_kinds, step.entry_contents, strict=True
    )
    entries = [
        Entry(term, index, _known(_ENTRY_KINDS, kind, "log entry"), content)
        for term, index, kind, content in columns
    ]
    split: list[tuple[Entry, ...]] = []
    start = 0
    for length in counts:
        split.append(tuple(entries[start : start + length]))
        start += length
    return split


def _snapshots_of(step: pb.RaftStep, count: int) -> dict[int, Snapshot]:
    _same_length("snapshots", len(step.snapshots), len(step.snapshot_places))
    if any(place >= count for place in step.snapshot_places):
        raise PeerError("a peer sent a snapshot that belongs to no message")
    return {
        place: Snapshot(
            one.index,
            one.term,
            Membership(
                tuple(MemberId(m) for m in one.voters),
                tuple(MemberId(m) for m in one.voters_outgoing),
                tuple(MemberId(m) for m in one.learners),
                tuple(MemberId(m) for m in one.learners_next),
                one.auto_leave,
            ),
            one.content,
        )
        for place, one in zip(step.snapshot_places, step.snapshots, strict=True)
    }


def _column(name: str, column: Sequence[T], count: int, default: T) -> Sequence[T]:
    """Return a column that is omitted where all of it is `default`."""
    if not column:
        return [default] * count
    _same_length(name, len(column), count)
    return column


def _same_length(name: str, length: int, count: int) -> None:
    if length != count:
        raise PeerError(f"a peer sent {length} {name} where {count} belong")


def _known(known: dict[int, T], wire: int, what: str) -> T:
    value = known.get(wire)
    if value is None:
        raise PeerError(f"a peer sent a {what} of kind {wire}, which this node does not know")
    return value


def _verdict_of(verdict: int) -> Verdict:
    # A verdict newer than this node promises nothing.
    return _VERDICTS_IN.get(verdict, Verdict.LOST)


def _results_of(raw: bytes) -> tuple[Result, ...]:
    return _decoded(commands.decode_results, raw)


def _decoded(decode: Callable[[bytes], T], raw: bytes) -> T:
    try:
        return decode(raw)
    except msgspec.DecodeError as error:
        raise PeerError(f"a peer sent {len(raw)} bytes that are no command: {error}") from error
