"""One call of one client: what it asked, what the door still owes it, what reached it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dynakv.core.record import Record
from dynakv.node.messages import (
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Refused,
    Stored,
)
from dynakv.sim.history import Read, Violation, Write
from dynakv.sim.process import Process

if TYPE_CHECKING:
    from dynakv.sim.workload import Workload


Keyed = Put | Get | Expire  # a list has no keys and one entry


class Asked:
    """A message, and what the client and the checker keep of it."""

    __slots__ = (
        "applied",
        "attempt",
        "entries",
        "found",
        "keys",
        "kind",
        "message",
        "reads",
        "retried",
        "strong",
        "succeeded",
        "then",
        "writes",
    )

    def __init__(
        self,
        kind: str,
        message: Keyed | List,
        *,
        writes: Sequence[Write] = (),
        reads: Sequence[Read] = (),
        strong: bool,
        then: "Callable[[Call], None] | None",
    ) -> None:
        """Hold what is parallel to the message's keys; `then` runs when the call is over."""
        self.kind = kind
        self.message = message
        self.writes = writes
        self.reads = reads
        self.strong = strong
        self.then = then
        self.attempt = 1
        self.retried = False  # after an unknown outcome, with the same stamps
        self.succeeded = 0  # entries
        self.found: dict[int, Record | None] = {}
        self.keys = [] if isinstance(message, List) else message.keys
        self.entries = len(self.keys) or 1
        self.applied: dict[int, bool] = {}


class Call:
    """The path of one message to one process and of the parts of its answer back."""

    __slots__ = ("_arrived", "_life", "_open", "_owed", "_pauses", "asked", "process", "workload")

    def __init__(self, workload: "Workload", asked: Asked, process: Process) -> None:
        """Prepare; `arrive` hands the message over."""
        self.workload = workload
        self.asked = asked
        self.process = process
        self._owed = dict.fromkeys(range(asked.entries))  # by the process
        self._open = dict(self._owed)  # as the client sees it
        self._arrived = False
        self._life = 0
        self._pauses = 0

    @property
    def ok(self) -> bool:
        """Whether every entry succeeded."""
        return self.asked.succeeded == self.asked.entries

    def arrive(self) -> None:
        """Stand at the door of the process."""
        process = self.process
        self._arrived = True
        self._life = process.life
        self._pauses = -1 if process.paused else process.pauses
        process.client(self.asked.message, self)

    def answered(self, reply: object) -> bool:
        """Take a part of the answer at the door; the client may hear of it."""
        assert isinstance(reply, Stored | Found | Expired | Listed | Refused)
        for entry in reply.entries:
            if entry not in self._owed:
                raise Violation(
                    "answers",
                    f"{self.process.name} answers entry {entry} of {self.asked.message} twice",
                )
            del self._owed[entry]
        workload = self.workload
        workload.trace.add(f"{self.process.name} answers {type(reply).__name__} {reply.entries}")
        lost = workload.random.random() < workload.knobs.answer_loss_share
        if workload.calm or not lost:
            workload.timeline.after(workload.way_us(), self._hear, reply)
        else:
            workload.count("answers lost")
        return not self._owed

    def broken(self) -> None:
        """The process died."""
        if self._open:
            self.workload.timeline.after(self.workload.way_us(), self.give_up)

    def give_up(self) -> None:
        """End the call as a client does that waited long enough."""
        process = self.process
        served = self._arrived and self._life == process.life and process.node is not None
        if self._owed and served and not process.paused and self._pauses == process.pauses:
            raise Violation(
                "answers",
                f"{process.name} never answered entries {list(self._owed)} of {self.asked.message}",
            )
        if self._open:
            entries = list(self._open)
            self._open.clear()
            self.workload.count("failed unheard", len(entries))
            if self.asked.writes:
                self.workload.ended(self.asked, entries, sure=False)
            self._over()

    def _hear(self, reply: Stored | Found | Expired | Listed | Refused) -> None:
        if not self._open:
            return  # the client has given up
        for entry in reply.entries:
            del self._open[entry]
        self.workload.learn(self.asked, reply)
        if not self._open:
            self._over()

    def _over(self) -> None:
        if self.asked.then is not None:
            self.asked.then(self)
