"""What a node works on beside its requests, for operators: rounds of repair, rebuilds and the like.

Whoever does such work begins a task, counts on it, and ends it; nothing is decided by it.
"""

from collections import deque
from enum import Enum
from operator import attrgetter

from msgspec import Struct

from dynakv import limits


class Kind(Enum):
    """What a task is about."""

    ROUND = "anti-entropy"  # comparing everything shared with a peer
    REPAIR = "repair"  # the same, because an operator asked
    REBUILD = "rebuild"  # of hash trees, after a crash or damage
    SCRUB = "scrub"  # reading every row, verifying it, and rebuilding the trees
    SWEEP = "sweep"  # dropping what nobody needs any more
    RECOVERY = "recovery"
    HINTS = "hints"
    SNAPSHOT = "snapshot"


class State(Enum):
    """How far a task is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TaskFigures(Struct, frozen=True):
    """A task as operators see it."""

    task_id: int
    kind: str
    about: str  # what it works on, such as a peer
    state: str
    done: int  # units, mostly shard groups
    total: int
    bytes: int  # shipped
    age_ms: int  # since it began
    took_ms: int  # until it ended; 0 while it runs
    left_ms: int  # an estimate from the pace so far; 0: none, or ended
    why: str  # of one that failed


class Task:
    """One piece of work; its owner counts on `done`, `total` and `bytes`."""

    __slots__ = (
        "about",
        "began_ms",
        "bytes",
        "done",
        "ended_ms",
        "kind",
        "state",
        "task_id",
        "total",
        "why",
    )

    def __init__(self, task_id: int, kind: Kind, about: str, total: int, now_ms: int) -> None:
        """Begin at the monotonic moment `now_ms`; for `Tasks.begin` only."""
        self.task_id = task_id
        self.kind = kind
        self.about = about
        self.total = total
        self.done = 0
        self.bytes = 0
        self.began_ms = now_ms
        self.ended_ms = 0
        self.state = State.RUNNING
        self.why = ""


class LastRound(Struct, frozen=True):
    """When everything of a keyspace that a peer shares was last found or made equal."""

    ended_ms: int  # monotonic
    took_ms: int


class Tasks:
    """The tasks that run, the last ones of each kind that ended, and the last whole rounds."""

    def __init__(self) -> None:
        """Begin with none."""
        self._last_id = 0
        self._running: dict[int, Task] = {}
        # By kind, so that small ones that come often leave the others in sight.
        self._ended: dict[Kind, deque[Task]] = {}
        self.rounds: dict[tuple[int, str], LastRound] = {}  # by keyspace id and peer

    def begin(self, kind: Kind, about: str, total: int, now_ms: int) -> Task:
        """Return a new task that runs; its id is unique in this life of the node."""
        self._last_id += 1
        task = Task(self._last_id, kind, about, total, now_ms)
        self._running[task.task_id] = task
        return task

    def end(self, task: Task, now_ms: int, why: str = "") -> None:
        """End a task, well or (`why`) not."""
        del self._running[task.task_id]
        task.ended_ms = now_ms
        task.state = State.FAILED if why else State.DONE
        task.why = why
        self._ended.setdefault(task.kind, deque(maxlen=limits.TASKS_ENDED_MAX)).append(task)

    def drop(self, keyspace: int) -> None:
        """Forget the rounds of a keyspace that is gone. O(rounds)."""
        self.rounds = {of: last for of, last in self.rounds.items() if of[0] != keyspace}

    def figures(self, now_ms: int) -> list[TaskFigures]:
        """Return all tasks, those that ended first; rising ids among each."""
        ended = sorted((t for tasks in self._ended.values() for t in tasks), key=_task_id)
        return [_figures(task, now_ms) for task in (*ended, *self._running.values())]


_task_id = attrgetter("task_id")


def _figures(task: Task, now_ms: int) -> TaskFigures:
    age_ms = now_ms - task.began_ms
    running = task.state is State.RUNNING
    left_ms = age_ms * (task.total - task.done) // task.done if running and task.done else 0
    return TaskFigures(
        task.task_id,
        task.kind.value,
        task.about,
        task.state.value,
        task.done,
        task.total,
        task.bytes,
        age_ms,
        0 if running else task.ended_ms - task.began_ms,
        max(0, left_ms),
        task.why,
    )
