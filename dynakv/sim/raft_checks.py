"""What must hold of Raft groups after every event of a run, seen from outside of their nodes.

Election safety, append-only leaders, log matching, leader completeness and equal states are those
of figure 3.2 of Ongaro's dissertation (2014); the rest is what they rest on. Every turn of a
process is judged by what its members say, every frame by what the sender's disk held when it left,
every transaction by the state that it left behind.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dynakv.core.raft.log import Log
from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.messages import Entry, EntryKind, Kind, Message
from dynakv.core.raft_rows import (
    STATE_KEY,
    GroupState,
    data_keyspace,
    log_keyspace,
    number_key,
    session_keyspace,
    state_keyspace,
    state_of,
)
from dynakv.core.record import Record
from dynakv.core.table import RowKey
from dynakv.node.raft_group import Group, Where
from dynakv.node.raft_messages import RaftStep
from dynakv.sim.history import Violation
from dynakv.sim.network import Envelope
from dynakv.sim.process import Process


@dataclass(slots=True)
class _Seen:
    """A member at its last look; `life` tells lives of its process apart."""

    life: int = 0
    member: int = 0  # another one when it came back after it had forgotten
    term: int = 0
    commit: int = 0
    role: Role = Role.FOLLOWER
    log: tuple[int, int, int] = (0, 0, 0)
    matches: tuple[int, dict[int, int]] = (0, {})


class RaftChecks:
    """The history of all groups of one keyspace."""

    def __init__(self, keyspace: int, processes: list[Process]) -> None:
        """Watch these processes."""
        self._keyspace = keyspace
        self._by_name = {process.name: process for process in processes}
        self._names: dict[tuple[Where, int], str] = {}  # member -> node
        self._leaders: dict[tuple[Where, int], int] = {}  # group and term -> member
        self._entries: dict[tuple[Where, int, int], tuple[int, Entry]] = {}  # term before
        self._committed: dict[Where, dict[int, tuple[int, Entry]]] = {}  # index -> commit's term
        self._states: dict[tuple[Where, int], int] = {}  # applied index -> what the rows sum up to
        self._sums: dict[tuple[str, Where, int], int] = {}  # process, group, generation's parity
        self._seen: dict[tuple[str, Where], _Seen] = {}
        self.elections = 0
        self.states_compared = 0
        self.messages_judged = 0
        for process in processes:
            process.on_turn = self.turn
            process.disk.on_sync = self._syncs(process)

    # --- turns -------------------------------------------------------------------------------

    def turn(self, process: Process) -> None:
        """Look at the members of a process after a turn."""
        if process.node is None:
            return
        for where, group in process.node.raft.consensus.groups.items():
            for member, node in group.nodes.items():
                self._names.setdefault((where, member), node)
            self._member(process, where, group)

    def _member(self, process: Process, where: Where, group: Group) -> None:
        m = group.raft.member
        seen = self._seen.setdefault((process.name, where), _Seen())
        if (seen.life, seen.member) != (process.life, m.id):
            fresh = _Seen(process.life, m.id, m.term, m.log.committed)
            seen = self._seen[process.name, where] = fresh
        log = m.log
        mark = (m.term, log.committed, m.role, log.last, log.last_term, log.offset)
        if mark == (seen.term, seen.commit, seen.role, *seen.log):
            if m.role is Role.LEADER:
                self._matches(where, m, seen)
            return
        _require(m.term >= seen.term, "monotonic term", process.name, where, seen.term, m.term)
        _require(log.committed >= seen.commit, "monotonic commit", process.name, log.describe())
        self._log(where, m, seen)
        if m.role is Role.LEADER:
            self._leader(where, m, seen)
        self._commits(where, m, seen)
        seen.term, seen.commit, seen.role = m.term, log.committed, m.role

    def _log(self, where: Where, m: Member, seen: _Seen) -> None:
        log = m.log
        mark = (log.last, log.last_term, log.offset)
        if mark == seen.log:
            return
        if m.role is Role.LEADER and seen.role is Role.LEADER and seen.term == m.term:
            kept = seen.log[0] < log.offset or log.term(seen.log[0]) == seen.log[1]
            _require(log.last >= seen.log[0] and kept, "leader append-only", m.id, log.describe())
        # What was looked at before and is still there needs no second look: O(what is new).
        last = seen.log[0]
        grown = log.offset <= last <= log.last and log.term(last) == seen.log[1]
        start = max(log.first, last + 1 if grown else log.first)
        before = log.term(start - 1) or 0
        changes = 0
        for entry in log.slice(start, log.last + 1, 1 << 40):
            known = self._entries.setdefault((where, entry.index, entry.term), (before, entry))
            _require(known == (before, entry), "log matching", m.id, known, (before, entry))
            _require(entry.term >= before, "terms rise in a log", m.id, entry)
            before = entry.term
            changes += entry.kind is not EntryKind.NORMAL and entry.index > log.committed
        _require(changes <= 1, "one pending change", m.id, log.describe())
        seen.log = mark

    def _leader(self, where: Where, m: Member, seen: _Seen) -> None:
        first = self._leaders.setdefault((where, m.term), m.id)
        _require(first == m.id, "election safety", where, m.term, first, m.id)
        committed = self._committed.setdefault(where, {})
        if seen.role is not Role.LEADER or seen.term != m.term:
            self.elections += 1
            for index, (term, entry) in committed.items():
                if term < m.term and index > m.log.offset:
                    holds = m.log.term(index) == entry.term
                    _require(holds, "leader completeness", where, m.id, entry)
        elif m.log.committed > seen.commit:
            own = m.log.term(m.log.committed) == m.term
            _require(own, "commit of an own-term entry", m.id, m.log.describe())
            self._majority(where, m)
        self._matches(where, m, seen)

    def _majority(self, where: Where, m: Member) -> None:
        """A risen commit index is held durably by both majorities."""
        index = m.log.committed
        for half in (m.tracker.membership.voters, m.tracker.membership.voters_outgoing):
            holders = sum(self._holds(where, voter, index, m.term) for voter in half)
            _require(holders > len(half) // 2 or not half, "held by a majority", where, index)

    def _matches(self, where: Where, m: Member, seen: _Seen) -> None:
        term, matches = seen.matches
        if term != m.term:
            matches = {}
        for peer, progress in m.tracker.progress.items():
            before = matches.get(peer, 0)
            _require(progress.match >= before, "monotonic match", m.id, peer, before)
            _require(progress.match < progress.next, "match below next", m.id, peer)
            if progress.match > before and peer != m.id:
                entry_term = m.log.term(progress.match)
                true = entry_term is None or self._holds(where, peer, progress.match, entry_term)
                _require(true, "match is true", m.id, peer, progress.match)
            matches[peer] = progress.match
        seen.matches = (m.term, matches)

    def _commits(self, where: Where, m: Member, seen: _Seen) -> None:
        log: Log = m.log
        committed = self._committed.setdefault(where, {})
        for index in range(max(seen.commit, log.offset) + 1, log.committed + 1):
            entry = log.slice(index, index + 1, 1)[0]
            _, known = committed.setdefault(index, (m.term, entry))
            _require(known == entry, "committed entries stay", where, m.id, known, entry)

    # --- disks -------------------------------------------------------------------------------

    def _state(self, process: Process, where: Where) -> GroupState | None:
        row = process.disk.rows.get((state_keyspace(where[0]), where[1], STATE_KEY))
        return None if row is None else state_of(row)

    def _holds(self, where: Where, member: int, index: int, term: int) -> bool:
        """Say whether a member's disk holds the entry of that index and term.

        What a member held that is no more is not to be judged: it counts as it was told.
        """
        process = self._by_name[self._names[where, member]]
        state = self._state(process, where)
        if state is None:
            return process.disk.set_back_times > 0
        if state.member_id != member:
            return True
        if index <= state.offset:
            return True
        row = process.disk.rows.get((log_keyspace(where[0]), where[1], number_key(index)))
        return (
            row is not None
            and row.value is not None
            and int.from_bytes(row.value[:8], "big") == term
        )

    def _syncs(self, process: Process) -> Callable[[dict[RowKey, Record | None]], None]:
        places = {
            place(self._keyspace, parity): parity
            for place in (data_keyspace, session_keyspace)
            for parity in (0, 1)
        }
        states = state_keyspace(self._keyspace)

        def synced(writes: dict[RowKey, Record | None]) -> None:
            applied: list[tuple[Where, GroupState]] = []
            for key, row in writes.items():
                place, group, name = key
                where = (self._keyspace, group)
                if place in places:
                    known = (process.name, where, places[place])
                    old = process.disk.rows.get(key)
                    for one in (old, row):
                        if one is not None:
                            mixed = one.checksum ^ hash_of(place, self._keyspace, name)
                            self._sums[known] = self._sums.get(known, 0) ^ mixed
                elif place == states and row is not None:
                    applied.append((where, state_of(row)))
            for where, state in applied:
                if not state.blank:
                    self._applied(process, where, state)

        return synced

    def _applied(self, process: Process, where: Where, state: GroupState) -> None:
        """Equal states: whoever applied up to an index has the same rows."""
        parity = state.generation % 2
        total = self._sums.get((process.name, where, parity), 0) ^ state.time
        known = self._states.setdefault((where, state.applied), total)
        self.states_compared += known == total
        _require(known == total, "equal states", process.name, where, state.applied)

    # --- frames ------------------------------------------------------------------------------

    def sent(self, envelope: Envelope) -> None:
        """Persisted before sent: judge a frame by the disk of its sender."""
        process = self._by_name[envelope.sender]
        for _, message in envelope.asks:
            if not isinstance(message, RaftStep):
                continue
            columns = zip(message.keyspaces, message.groups, message.messages, strict=True)
            for keyspace, group, one in columns:
                self._judge(process, (keyspace, group), one)

    def _judge(self, process: Process, where: Where, message: Message) -> None:
        if message.reject or message.kind not in (Kind.VOTE, Kind.VOTE_REPLY, Kind.APPEND_REPLY):
            return
        self.messages_judged += 1
        state = self._state(process, where)
        _require(state is not None, "persisted before sent", process.name, message)
        assert state is not None
        told = (process.name, state, message)
        _require(state.term >= message.term, "persisted before sent", *told)
        if state.term > message.term:
            return  # an old answer that waited for a later write
        if message.kind is Kind.VOTE:
            _require(state.vote == message.sender, "persisted before sent", *told)
        elif message.kind is Kind.VOTE_REPLY:
            _require(state.vote == message.to, "persisted before sent", *told)
        else:
            _require(state.last >= message.index, "persisted before sent", *told)


def hash_of(place: int, keyspace: int, name: bytes) -> int:
    """Return a number for a row's place that is equal for both generations."""
    kind = place in (session_keyspace(keyspace, 0), session_keyspace(keyspace, 1))
    return int.from_bytes(name[-8:], "big") * 2 + kind


def _require(fact: bool, rule: str, *what: object) -> None:
    if not fact:
        raise Violation(f"raft {rule}", ", ".join(map(str, what)))
