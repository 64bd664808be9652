"""What a node works on beside its requests, repair and recovery on demand, on the wire."""

from typing import Final

from dynakv.core.layout import Layout
from dynakv.errors import UsageError
from dynakv.node.tasks import State, TaskFigures
from dynakv.rpc.ports import Inbox
from dynakv.v1 import tasks_pb2 as pb

_STATES: Final = {
    State.RUNNING.value: pb.TASK_STATE_RUNNING,
    State.DONE.value: pb.TASK_STATE_DONE,
    State.FAILED.value: pb.TASK_STATE_FAILED,
}


class NodeTasks:
    """Answers for one node."""

    def __init__(self, inbox: Inbox) -> None:
        """Serve `inbox`."""
        self._inbox = inbox

    async def list(self, request: pb.ListTasksRequest, context: object) -> pb.ListTasksResponse:
        """Return the tasks that run and the last ones that ended."""
        del request, context
        figures, paused = self._inbox.tasks()
        return pb.ListTasksResponse(
            node_id=self._inbox.header().node_id,
            tasks=list(map(_task, figures)),
            repair_paused=paused,
        )

    async def repair(
        self, request: pb.StartRepairRequest, context: object
    ) -> pb.StartRepairResponse:
        """Begin to compare with every peer. Raises UsageError for what does not exist."""
        del context
        group = request.group if request.HasField("group") else None
        keyspace_id = keyspace_id_of(self._inbox.layout(), request.keyspace, group)
        ids = self._inbox.repair(keyspace_id, group)
        return pb.StartRepairResponse(node_id=self._inbox.header().node_id, task_ids=ids)

    async def pause(
        self, request: pb.PauseRepairRequest, context: object
    ) -> pb.PauseRepairResponse:
        """Stop or resume what runs in the background; sessions under way end."""
        del context
        self._inbox.pause_repair(paused=request.paused)
        return pb.PauseRepairResponse(node_id=self._inbox.header().node_id)

    async def accept_loss(
        self, request: pb.AcceptLossRequest, context: object
    ) -> pb.AcceptLossResponse:
        """Let groups that recover answer with what they hold."""
        del context
        groups = self._inbox.accept_loss(
            keyspace_id_of(self._inbox.layout(), request.keyspace, None)
        )
        return pb.AcceptLossResponse(node_id=self._inbox.header().node_id, groups=groups)


def keyspace_id_of(layout: Layout, name: str, group: int | None) -> int | None:
    """Return the id of a keyspace, None for no name. Raises UsageError for what does not exist."""
    if not name:
        if group is not None:
            raise UsageError(f"group {group} of which keyspace? name it in `keyspace`")
        return None
    keyspace = layout.keyspace(name)
    if keyspace is None:
        known = ", ".join(sorted(k.settings.name for k in layout.keyspaces))
        raise UsageError(f"keyspace {name!r} does not exist; there are: {known}")
    if group is not None and group >= len(keyspace.placement):
        last = len(keyspace.placement) - 1
        raise UsageError(f"keyspace {name!r} has no group {group}: they are 0 to {last}")
    return int(keyspace.keyspace_id)


def _task(figures: TaskFigures) -> pb.Task:
    return pb.Task(
        task_id=figures.task_id,
        kind=figures.kind,
        about=figures.about,
        state=_STATES[figures.state],
        done=figures.done,
        total=figures.total,
        bytes=figures.bytes,
        age_ms=figures.age_ms,
        took_ms=figures.took_ms,
        left_ms=figures.left_ms,
        why=figures.why,
    )
