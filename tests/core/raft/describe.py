"""Messages, entries and Readies in the words of etcd's scenarios."""

from collections.abc import Iterable

from dynakv.core.raft.log import Log
from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import Change, ChangeKind, MemberChange, decode_change
from dynakv.core.raft.messages import (
    APPEND_THREAD,
    APPLY_THREAD,
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Message,
    Snapshot,
)
from dynakv.core.raft.node import Ready

KIND_NAMES = {
    Kind.CAMPAIGN: "MsgHup",
    Kind.BEAT: "MsgBeat",
    Kind.PROPOSE: "MsgProp",
    Kind.APPEND: "MsgApp",
    Kind.APPEND_REPLY: "MsgAppResp",
    Kind.VOTE: "MsgVote",
    Kind.VOTE_REPLY: "MsgVoteResp",
    Kind.SNAPSHOT: "MsgSnap",
    Kind.HEARTBEAT: "MsgHeartbeat",
    Kind.HEARTBEAT_REPLY: "MsgHeartbeatResp",
    Kind.UNREACHABLE: "MsgUnreachable",
    Kind.SNAPSHOT_STATUS: "MsgSnapStatus",
    Kind.CHECK_QUORUM: "MsgCheckQuorum",
    Kind.TRANSFER_LEADER: "MsgTransferLeader",
    Kind.TIMEOUT_NOW: "MsgTimeoutNow",
    Kind.READ_INDEX: "MsgReadIndex",
    Kind.READ_INDEX_REPLY: "MsgReadIndexResp",
    Kind.PRE_VOTE: "MsgPreVote",
    Kind.PRE_VOTE_REPLY: "MsgPreVoteResp",
    Kind.STORAGE_APPEND: "MsgStorageAppend",
    Kind.STORAGE_APPEND_REPLY: "MsgStorageAppendResp",
    Kind.STORAGE_APPLY: "MsgStorageApply",
    Kind.STORAGE_APPLY_REPLY: "MsgStorageApplyResp",
    Kind.FORGET_LEADER: "MsgForgetLeader",
}
ENTRY_NAMES = {
    EntryKind.NORMAL: "EntryNormal",
    EntryKind.CHANGE_ONE: "EntryConfChange",
    EntryKind.CHANGE: "EntryConfChangeV2",
}
CHANGE_LETTERS = {
    "v": ChangeKind.ADD_VOTER,
    "l": ChangeKind.ADD_LEARNER,
    "r": ChangeKind.REMOVE,
    "u": ChangeKind.UPDATE,
}
LETTERS = {kind: letter for letter, kind in CHANGE_LETTERS.items()}


def parse_changes(text: str) -> tuple[MemberChange, ...]:
    """Return the changes of `v1 l2 r3 u4`."""
    return tuple(MemberChange(CHANGE_LETTERS[t[0]], MemberId(int(t[1:]))) for t in text.split())


def target(member: int) -> str:
    names = {0: "None", APPEND_THREAD: "AppendThread", APPLY_THREAD: "ApplyThread"}
    return names.get(member, f"{member:x}")


def quoted(data: bytes) -> str:
    text = data.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def entry(e: Entry) -> str:
    if e.kind is EntryKind.NORMAL:
        shown = quoted(e.data)
    else:
        change: Change = decode_change(e.data)
        shown = " ".join(f"{LETTERS[c.kind]}{c.member}" for c in change.changes)
    return f"{e.term}/{e.index} {ENTRY_NAMES[e.kind]} {shown}".rstrip(" ")


def entries(es: Iterable[Entry]) -> str:
    return "".join(entry(e) + "\n" for e in es)


def hard_state(h: HardState) -> str:
    return f"Term:{h.term}{f' Vote:{h.vote}' if h.vote else ''} Commit:{h.commit}"


def snapshot(s: Snapshot) -> str:
    m = s.membership
    lists = [
        f"{name}:[{' '.join(map(str, ids))}]"
        for name, ids in (
            ("Voters", m.voters),
            ("VotersOutgoing", m.voters_outgoing),
            ("Learners", m.learners),
            ("LearnersNext", m.learners_next),
        )
    ]
    auto = str(m.auto_leave).lower()
    return f"Index:{s.index} Term:{s.term} ConfState:{' '.join(lists)} AutoLeave:{auto}"


def message(m: Message, indent: str = "") -> str:
    text = (
        f"{indent}{target(m.sender)}->{target(m.to)} {KIND_NAMES[m.kind]} "
        f"Term:{m.term} Log:{m.log_term}/{m.index}"
    )
    if m.reject:
        text += f" Rejected (Hint: {m.hint})"
    if m.commit:
        text += f" Commit:{m.commit}"
    if m.vote:
        text += f" Vote:{m.vote}"
    if len(m.entries) == 1:
        text += f" Entries:[{entry(m.entries[0])}]"
    elif m.entries:
        text += " Entries:["
        text += "".join(f"\n{indent}  {entry(e)}" for e in m.entries) + f"\n{indent}]"
    if m.snapshot is not None:
        text += f"\n{indent}  Snapshot: {snapshot(m.snapshot)}"
    if m.replies:
        text += " Responses:["
        text += "".join("\n" + message(r, indent + "  ") for r in m.replies) + f"\n{indent}]"
    return text


def state(role: Role) -> str:
    return f"State{role.value}"


def ready(r: Ready, *, must_sync: bool) -> str:
    text = ""
    if r.soft_state is not None:
        text += f"Lead:{r.soft_state.lead} {'State:'}{state(r.soft_state.role)}\n"
    if r.hard_state is not None:
        text += f"HardState {hard_state(r.hard_state)}\n"
    if r.read_states:
        shown = " ".join(f"{{{s.index} {list(s.context)}}}" for s in r.read_states)
        text += f"ReadStates [{shown}]\n"
    if r.entries:
        text += "Entries:\n" + entries(r.entries)
    if r.snapshot is not None:
        text += f"Snapshot {snapshot(r.snapshot)}\n"
    if r.committed:
        text += "CommittedEntries:\n" + entries(r.committed)
    if r.messages:
        text += "Messages:\n" + "".join(message(m) + "\n" for m in r.messages)
    return f"Ready MustSync={str(must_sync).lower()}:\n{text}" if text else "<empty Ready>"


def log(kept: Log | list[Entry]) -> str:
    return entries(kept) if isinstance(kept, list) else kept.describe()
