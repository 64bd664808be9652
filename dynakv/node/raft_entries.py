"""Log entries of Raft groups: what they carry, and what is written of them."""

from collections.abc import Iterable

from msgspec import msgpack
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.commands import Command, decode_all
from dynakv.core.layout import NodeId
from dynakv.core.raft.log import Log
from dynakv.core.raft.membership import InvalidChange, apply_change, decode_change, members_of
from dynakv.core.raft.messages import Entry, EntryKind, HardState, MemberId, Membership
from dynakv.core.raft.node import Ready
from dynakv.core.raft_rows import GroupState, Replacement
from dynakv.core.raft_write import GroupWrite
from dynakv.node.validate_batches import batches_bytes


def stamped(command: Command, time: int, writer: int) -> Command:
    """Return the command as its leader proposes it."""
    return replace(command, time=max(command.time, time), writer=writer)


def commands_of(entry: Entry) -> tuple[Command, ...]:
    """Return the commands that an entry carries."""
    if entry.kind is not EntryKind.NORMAL or not entry.data:
        return ()
    return decode_all(entry.data)


Members = tuple[Membership, tuple[Replacement, ...]]


def members_after(members: Members, committed: tuple[Entry, ...]) -> Members:
    """Return who takes part once these entries are applied."""
    membership, replacements = members
    for entry in committed:
        if entry.kind is not EntryKind.NORMAL:
            change = decode_change(entry.data)
            outcome = apply_change(membership, change)
            assert not isinstance(outcome, InvalidChange), outcome
            membership = outcome.membership
            if change.context:
                replacements = (*replacements, msgpack.decode(change.context, type=Replacement))
            present = members_of(membership)
            replacements = tuple(one for one in replacements if one.member in present)
    return membership, replacements


def write_of(
    where: tuple[int, int],
    before: GroupState,
    begun: GroupState | None,
    ready: Ready,
    log: Log,
    *,
    shows_before: bool,
) -> GroupWrite:
    """Return what a Ready writes; `begun` is the state that a snapshot in it makes."""
    removed = [] if begun is None else [(before.offset + 1, before.last)]
    state = before if begun is None else begun
    hard = ready.hard_state or HardState(state.term, state.vote, state.commit)
    last = state.last
    if ready.entries:
        last = ready.entries[-1].index
        if last < state.last:
            removed.append((last + 1, state.last))
    if log.offset > state.offset:
        removed.append((state.offset + 1, log.offset))
    membership, replacements = members_after(
        (state.membership, state.replacements), ready.committed
    )
    state = replace(
        state,
        term=hard.term,
        vote=hard.vote,
        commit=hard.commit,
        applied=ready.committed[-1].index if ready.committed else state.applied,
        offset=log.offset,
        offset_term=log.offset_term,
        last=last,
        membership=membership,
        replacements=replacements,
    )
    commands = tuple(c for entry in ready.committed for c in commands_of(entry))
    return GroupWrite(*where, state, ready.entries, tuple(removed), commands, shows_before)


def nodes_of(
    membership: Membership, founders: dict[MemberId, NodeId], replacements: Iterable[Replacement]
) -> dict[MemberId, NodeId]:
    """Return which node has each member; all founders where nobody is known yet."""
    present = members_of(membership) or tuple(founders)
    nodes = {member: node for member, node in founders.items() if member in present}
    return nodes | {one.member: NodeId(one.node) for one in replacements}


def context_of(replacement: Replacement) -> bytes:
    """Return what a change carries that adds this member."""
    return msgpack.encode(replacement)


def chunks(commands: list[Command]) -> list[list[Command]]:
    """Return the commands in pieces of one log entry each."""
    made: list[list[Command]] = [[]]
    size = 0
    for command in commands:
        weight = batches_bytes([command.operations])
        weight += len(command.operations) * limits.RAFT_OPERATION_BYTES
        if made[-1] and size + weight > limits.RAFT_MESSAGE_BYTES_MAX:
            made.append([])
            size = 0
        made[-1].append(command)
        size += weight
    return made
