"""The interpreter of `interaction` scenarios: members, their disks, and messages in a list."""

import sys
from collections.abc import Callable
from random import Random

from msgspec import structs

from dynakv.core.raft.config import Config
from dynakv.core.raft.membership import Change, Transition, decode_change
from dynakv.core.raft.messages import (
    APPEND_THREAD,
    APPLY_THREAD,
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Membership,
    Message,
    Refusal,
    Snapshot,
)
from dynakv.core.raft.node import RaftNode, Remembered
from tests.core.raft import describe
from tests.core.raft.datadriven import Case, parse_line

LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"]
UNLIMITED = sys.maxsize
TRANSITIONS = {
    "auto": Transition.AUTO,
    "implicit": Transition.JOINT_IMPLICIT,
    "explicit": Transition.JOINT_EXPLICIT,
}
# etcd knows one error for all proposals; a refused change is only logged there.
ERRORS = {
    Refusal.LOCAL_MESSAGE: "raft: cannot step raft local message",
    Refusal.UNKNOWN_PEER: "raft: cannot step as peer not found",
    Refusal.CHANGE_REFUSED: "",
}
DROPPED = "raft proposal dropped"
LOCAL_TARGETS = (APPEND_THREAD, APPLY_THREAD)


class CommandError(Exception):
    """A command ended in an error that the scenario shows."""


class Host:
    """A member with its disk and its state machine, which appends what it is given."""

    def __init__(self, config: Config, bootstrap: Snapshot | None, random: Random) -> None:
        start = bootstrap or Snapshot(0, 0, Membership())
        self.hard_state = HardState(commit=start.index) if bootstrap else HardState()
        self.offset, self.entries = start.index, []
        self.history = [start]
        self.append_work: list[Message] = []
        self.apply_work: list[Message] = []
        self.config = config
        remembered = Remembered(
            self.hard_state, start.membership, start.index, start.index, start.term
        )
        self.raft = RaftNode(config, remembered, random, lambda: self.history[-1])

    def append(
        self, state: HardState | None, entries: tuple[Entry, ...], snap: Snapshot | None
    ) -> None:
        if state is not None:
            self.hard_state = state
        if snap is not None:
            self.offset, self.entries = snap.index, []
            self.history.append(snap)
        if entries:
            del self.entries[max(0, entries[0].index - self.offset - 1) :]
            self.entries += [e for e in entries if e.index > self.offset]

    def apply(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            last = self.history[-1]
            membership, update = last.membership, entry.data
            if entry.kind is not EntryKind.NORMAL:
                change = decode_change(entry.data)
                membership, update = self.raft.apply_change(change), change.context
            self.history.append(Snapshot(entry.index, entry.term, membership, last.data + update))

    def compact(self, index: int) -> None:
        self.raft.compact(index)
        del self.entries[: max(0, index - self.offset)]
        self.offset = max(self.offset, index)


class Interaction:
    """Runs the cases of one file."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self.messages: list[Message] = []
        self.level = 0
        self._out: list[str] = []
        self._indent = ""
        self._random = Random(1)
        self._commands: dict[str, Callable[[Case], None]] = {
            "_breakpoint": lambda case: None,
            "add-nodes": self._add_nodes,
            "campaign": lambda case: self._first(case).raft.campaign(),
            "compact": self._compact,
            "deliver-msgs": self._deliver_msgs,
            "forget-leader": lambda case: self._first(case).raft.forget_leader(),
            "log-level": lambda case: self._set_level(case.names()[0]),
            "process-append-thread": self._each("processing append thread", self._append_thread),
            "process-apply-thread": self._each("processing apply thread", self._apply_thread),
            "process-ready": self._each("handling Ready", self._process_ready),
            "propose": self._propose,
            "propose-conf-change": self._propose_change,
            "raft-log": self._raft_log,
            "raft-state": self._raft_state,
            "report-unreachable": self._report_unreachable,
            "send-snapshot": self._send_snapshot,
            "set-randomized-election-timeout": self._set_timeout,
            "stabilize": self._stabilize,
            "status": self._status,
            "tick-election": lambda case: self._tick(case, election=True),
            "tick-heartbeat": lambda case: self._tick(case, election=False),
            "transfer-leadership": self._transfer,
        }

    def run(self, case: Case) -> str:
        """Run a case, and further commands that its input holds; return the output."""
        self._out = []
        todo = [case]
        if case.command != "propose-conf-change":
            for line in case.input.splitlines():
                command, arguments = parse_line(line)
                todo.append(Case(case.line, command, arguments, ""))
        for each in todo:
            try:
                self._commands[each.command](each)
            except CommandError as failure:
                self._out.append(str(failure))
        return "".join(self._out) or "ok"

    # --- output ------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        if self.level == LEVELS.index("NONE"):
            return
        for line in text.splitlines():
            self._out.append(f"{self._indent}{line}\n")

    def _indented(self, action: Callable[[], None]) -> None:
        self._indent += "  "
        action()
        self._indent = self._indent[2:]

    def _set_level(self, name: str) -> None:
        self.level = LEVELS.index(name.upper())

    def _check(self, refusal: Refusal | None) -> None:
        if refusal is not None:
            error = ERRORS.get(refusal, DROPPED)
            if error:
                raise CommandError(error)

    def _first(self, case: Case) -> Host:
        return self.hosts[int(case.names()[0]) - 1]

    def _each(self, title: str, action: Callable[[int], None]) -> Callable[[Case], None]:
        def run(case: Case) -> None:
            ids = [int(k) for k in case.names()]
            for i in ids:
                if len(ids) > 1:
                    self._write(f"> {i} {title}")
                    self._indented(lambda i=i: action(i))
                else:
                    action(i)

        return run

    # --- commands ----------------------------------------------------------------------------

    def _add_nodes(self, case: Case) -> None:
        options = {key: values for key, values in case.arguments if values}
        index = int(options.get("index", ["0"])[0])
        ids = [
            tuple(sorted(MemberId(int(v)) for v in options.get(k, [])))
            for k in ("voters", "learners")
        ]
        bootstrap = None
        if ids[0] or ids[1] or index or "content" in options:
            if index <= 1:
                raise CommandError("index must be specified as > 1 due to bootstrap")
            content = "".join(options.get("content", [])).encode()
            bootstrap = Snapshot(index, 1, Membership(ids[0], (), ids[1]), content)
        for _ in range(int(case.names()[0])):
            config = self._config(MemberId(len(self.hosts) + 1), options)
            self.hosts.append(Host(config, bootstrap, self._random))

    def _config(self, member: MemberId, options: dict[str, list[str]]) -> Config:
        def flag(name: str) -> bool:
            return options.get(name, ["false"])[0] == "true"

        def number(name: str, default: int = UNLIMITED) -> int:
            return int(options.get(name, [default])[0])

        return Config(
            member_id=member,
            election_ticks=3,
            heartbeat_ticks=1,
            pre_vote=flag("prevote"),
            check_quorum=flag("checkquorum"),
            step_down_on_removal=flag("step-down-on-removal"),
            eager_commits=True,
            read_leases=options.get("read-only") == ["lease-based"],
            validate_changes=not flag("disable-conf-change-validation"),
            changes_need_own_commit=False,
            async_storage=flag("async-storage-writes"),
            message_bytes_max=UNLIMITED,
            committed_bytes_max=number("max-committed-size-per-ready"),
            uncommitted_bytes_max=UNLIMITED,
            inflight_messages_max=number("inflight"),
            inflight_bytes_max=0,
        )

    def _process_ready(self, i: int) -> None:
        host = self.hosts[i - 1]
        before = host.raft._hard_state
        ready = host.raft.ready()
        after = ready.hard_state or before
        # etcd counts a snapshot as durable by being installed; here it must be synced, too.
        must_sync = bool(ready.entries) or (after.term, after.vote) != (before.term, before.vote)
        self._write(describe.ready(ready, must_sync=must_sync))
        if not host.config.async_storage:
            host.append(ready.hard_state, ready.entries, ready.snapshot)
            host.apply(ready.committed)
        for message in ready.messages:
            if message.to == APPEND_THREAD:
                host.append_work.append(message)
            elif message.to == APPLY_THREAD:
                host.apply_work.append(message)
            else:
                self.messages.append(message)
        if not host.config.async_storage:
            host.raft.advance()

    def _append_thread(self, i: int) -> None:
        host = self.hosts[i - 1]
        if not host.append_work:
            self._write("no append work to perform")
            return
        m = host.append_work.pop(0)
        state = HardState(m.term, m.vote, m.commit) if m.term or m.commit else None
        self._work(m, lambda: host.append(state, m.entries, m.snapshot))

    def _apply_thread(self, i: int) -> None:
        host = self.hosts[i - 1]
        if not host.apply_work:
            self._write("no apply work to perform")
            return
        m = host.apply_work.pop(0)
        self._work(m, lambda: host.apply(m.entries))

    def _work(self, m: Message, action: Callable[[], None]) -> None:
        self._write("Processing:\n" + describe.message(structs.replace(m, replies=())))
        action()
        self._write("Responses:\n" + "".join(describe.message(r) + "\n" for r in m.replies))
        self.messages += m.replies

    def _deliver_msgs(self, case: Case) -> None:
        kinds = {name: kind for kind, name in describe.KIND_NAMES.items()}
        wanted = [kinds[v] for v in case.values("type")]
        count = 0
        for to in case.names():
            count += self._deliver(int(to), wanted)
        for to in case.values("drop"):
            count += self._deliver(int(to), wanted, drop=True)
        if not count:
            self._write("no messages")

    def _deliver(self, to: int, wanted: list[Kind], *, drop: bool = False) -> int:
        def hit(m: Message) -> bool:
            local = m.sender == m.to or m.sender in LOCAL_TARGETS
            return m.to == to and not (drop and local) and (not wanted or m.kind in wanted)

        taken = [m for m in self.messages if hit(m)]
        self.messages = [m for m in self.messages if not hit(m)]
        for m in taken:
            self._write(("dropped: " if drop else "") + describe.message(m))
            if not drop:
                refusal = self.hosts[to - 1].raft.step(m)
                if refusal is not None and ERRORS.get(refusal, DROPPED):
                    self._write(ERRORS.get(refusal, DROPPED))
        return len(taken)

    def _propose(self, case: Case) -> None:
        data = case.names()[1].encode() if len(case.names()) > 1 else b""
        self._check(self._first(case).raft.propose([data]))

    def _propose_change(self, case: Case) -> None:
        v1 = case.values("v1") == ["true"]
        transition = TRANSITIONS[(case.values("transition") or ["auto"])[0]]
        changes = describe.parse_changes(case.input)
        if v1 and (len(changes) > 1 or transition is not Transition.AUTO):
            raise CommandError("v1 conf change can only have one operation and no transition")
        kind = EntryKind.CHANGE_ONE if v1 else EntryKind.CHANGE
        self._check(self._first(case).raft.propose_change(Change(changes, transition), kind))

    def _compact(self, case: Case) -> None:
        self._first(case).compact(int(case.names()[1]))
        self._raft_log(case)

    def _raft_log(self, case: Case) -> None:
        host = self._first(case)
        if host.entries:
            self._write(describe.entries(host.entries))
        else:
            first = host.offset + 1
            self._write(f"log is empty: first index={first}, last index={host.offset}")

    def _raft_state(self, case: Case) -> None:
        for host in self.hosts:
            m = host.raft.member
            voter = "(Voter)" if m.tracker.is_voter(m.id) else "(Non-Voter)"
            self._write(f"{m.id}: {describe.state(m.role)} {voter} Term:{m.term} Lead:{m.lead}")

    def _status(self, case: Case) -> None:
        member = self._first(case).raft.member
        if member.role.value == "Leader":
            self._write(member.tracker.describe())

    def _report_unreachable(self, case: Case) -> None:
        self._first(case).raft.report_unreachable(MemberId(int(case.names()[1])))

    def _send_snapshot(self, case: Case) -> None:
        host, to = self._first(case), int(case.names()[1])
        member = host.raft.member
        message = Message(
            Kind.SNAPSHOT, MemberId(to), member.id, term=member.term, snapshot=host.history[-1]
        )
        self.messages.append(message)
        self._write(describe.message(message))

    def _set_timeout(self, case: Case) -> None:
        self._first(case).raft.member.election_timeout = int(case.values("timeout")[0])

    def _tick(self, case: Case, *, election: bool) -> None:
        host = self._first(case)
        ticks = host.config.election_ticks if election else host.config.heartbeat_ticks
        for _ in range(ticks):
            host.raft.tick()

    def _transfer(self, case: Case) -> None:
        leader = self.hosts[int(case.values("from")[0]) - 1]
        leader.raft.transfer_leader(MemberId(int(case.values("to")[0])))

    def _stabilize(self, case: Case) -> None:
        level = self.level
        for name in case.values("log-level"):
            self._set_level(name)
        ids = [int(k) for k in case.names()] or list(range(1, len(self.hosts) + 1))
        while self._round(ids):
            pass
        self.level = level

    def _round(self, ids: list[int]) -> bool:
        busy = False
        for i in ids:
            if self.hosts[i - 1].raft.has_ready():
                self._write(f"> {i} handling Ready")
                self._indented(lambda i=i: self._process_ready(i))
                busy = True
        for i in ids:
            if any(m.to == i for m in self.messages):
                self._write(f"> {i} receiving messages")
                self._indented(lambda i=i: self._deliver(i, []))
                busy = True
        for i in ids:
            if self.hosts[i - 1].append_work:
                self._write(f"> {i} processing append thread")
                while self.hosts[i - 1].append_work:
                    self._indented(lambda i=i: self._append_thread(i))
                busy = True
        for i in ids:
            if self.hosts[i - 1].apply_work:
                self._write(f"> {i} processing apply thread")
                while self.hosts[i - 1].apply_work:
                    self._indented(lambda i=i: self._apply_thread(i))
                busy = True
        return busy
