"""The follower's side of replication: appends, heartbeats and snapshots of a leader."""

from dynakv.core.raft import reconfigure
from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.membership import members_of
from dynakv.core.raft.messages import Kind, MemberId, Message, Snapshot


def handle_append(member: Member, message: Message) -> None:
    """Append a leader's entries where they fit, else say where the logs may still match."""
    log = member.log
    if message.index < log.committed:  # a late one: all up to the commit index matches anyway
        member.send(Kind.APPEND_REPLY, message.sender, index=log.committed)
        return
    last = log.maybe_append(message.index, message.log_term, message.entries, message.commit)
    if last is not None:
        member.send(Kind.APPEND_REPLY, message.sender, index=last)
        return
    hint, term = log.find_conflict_by_term(min(message.index, log.last), message.log_term)
    member.send(
        Kind.APPEND_REPLY,
        message.sender,
        index=message.index,
        log_term=term,
        reject=True,
        hint=hint,
    )


def handle_heartbeat(member: Member, message: Message) -> None:
    """Learn the commit index; echo the round of reads."""
    member.log.commit_to(message.commit)
    member.send(Kind.HEARTBEAT_REPLY, message.sender, read_round=message.read_round)


def handle_snapshot(member: Member, message: Message) -> None:
    """Take over a snapshot, unless the log reaches as far anyway."""
    assert message.snapshot is not None
    restored = restore(member, message.snapshot)
    index = member.log.last if restored else member.log.committed
    member.send(Kind.APPEND_REPLY, message.sender, index=index)


def restore(member: Member, snapshot: Snapshot) -> bool:
    """Begin anew from a snapshot; False: it is old, is not for this member, or is not needed."""
    log = member.log
    assert member.role is Role.FOLLOWER, member.role
    if snapshot.index <= log.committed or not _is_for(member.id, snapshot):
        return False
    if log.matches(snapshot.index, snapshot.term):
        log.commit_to(snapshot.index)  # the entries are here; only the news was missing
        return False
    log.restore(snapshot)
    reconfigure.restore(member, snapshot.membership)
    return True


def _is_for(member_id: MemberId, snapshot: Snapshot) -> bool:
    return member_id in members_of(snapshot.membership)
