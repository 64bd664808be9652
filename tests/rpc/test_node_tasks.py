"""Tasks are shown as the node counts them; repair begins where the keyspace and group exist."""

import asyncio

import pytest

from dynakv.errors import UsageError
from dynakv.node.tasks import TaskFigures
from dynakv.rpc.node_tasks import NodeTasks
from dynakv.v1 import tasks_pb2 as pb
from tests.rpc.conftest import FakeInbox


class Inbox(FakeInbox):
    """A node with one task of each state, which takes note of what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.repairs: list[tuple[int | None, int | None]] = []
        self.paused = False

    def tasks(self) -> tuple[list[TaskFigures], bool]:
        states = ("done", "failed", "running")
        figures = [
            TaskFigures(i, "repair", "with n2", state, i, 9, 77, 1_000, 500, 250, "why")
            for i, state in enumerate(states)
        ]
        return figures, self.paused

    def repair(self, keyspace_id: int | None, group: int | None) -> list[int]:
        self.repairs.append((keyspace_id, group))
        return [4, 5]

    def accept_loss(self, keyspace_id: int | None) -> int:
        self.repairs.append((keyspace_id, None))
        return 37

    def pause_repair(self, *, paused: bool) -> None:
        self.paused = paused


def test_every_task_is_shown_with_all_it_counts() -> None:
    told = asyncio.run(NodeTasks(Inbox()).list(pb.ListTasksRequest(), None))  # type: ignore[arg-type]
    assert told.node_id == "n1"
    assert [task.state for task in told.tasks] == [
        pb.TASK_STATE_DONE,
        pb.TASK_STATE_FAILED,
        pb.TASK_STATE_RUNNING,
    ]
    task = told.tasks[1]
    assert (task.task_id, task.kind, task.about, task.why) == (1, "repair", "with n2", "why")
    assert (task.done, task.total, task.bytes) == (1, 9, 77)
    assert (task.age_ms, task.took_ms, task.left_ms) == (1_000, 500, 250)


def test_repair_of_everything_a_keyspace_and_a_group() -> None:
    inbox = Inbox()
    tasks = NodeTasks(inbox)  # type: ignore[arg-type]
    keyspace_id = int(inbox.the_layout.keyspaces[0].keyspace_id)
    for request in (
        pb.StartRepairRequest(),
        pb.StartRepairRequest(keyspace="default"),
        pb.StartRepairRequest(keyspace="default", group=0),
    ):
        assert list(asyncio.run(tasks.repair(request, None)).task_ids) == [4, 5]
    assert inbox.repairs == [(None, None), (keyspace_id, None), (keyspace_id, 0)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.StartRepairRequest(keyspace="no"), "keyspace 'no' does not exist; there are: default"),
        (pb.StartRepairRequest(keyspace="default", group=4), "no group 4: they are 0 to 3"),
        (pb.StartRepairRequest(group=1), "group 1 of which keyspace?"),
    ],
)
def test_what_does_not_exist_is_named(request_: pb.StartRepairRequest, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        asyncio.run(NodeTasks(Inbox()).repair(request_, None))  # type: ignore[arg-type]


def test_repair_is_paused_and_resumed() -> None:
    inbox = Inbox()
    tasks = NodeTasks(inbox)  # type: ignore[arg-type]
    for paused in (True, False):
        asyncio.run(tasks.pause(pb.PauseRepairRequest(paused=paused), None))
        told = asyncio.run(tasks.list(pb.ListTasksRequest(), None))
        assert told.repair_paused is paused


def test_a_loss_is_accepted_in_all_keyspaces_or_in_one() -> None:
    inbox = Inbox()
    tasks = NodeTasks(inbox)  # type: ignore[arg-type]
    keyspace_id = int(inbox.the_layout.keyspaces[0].keyspace_id)
    for request in (pb.AcceptLossRequest(), pb.AcceptLossRequest(keyspace="default")):
        told = asyncio.run(tasks.accept_loss(request, None))
        assert (told.node_id, told.groups) == ("n1", 37)
    assert inbox.repairs == [(None, None), (keyspace_id, None)]
    with pytest.raises(UsageError, match="keyspace 'x' does not exist"):
        asyncio.run(tasks.accept_loss(pb.AcceptLossRequest(keyspace="x"), None))
