"""What a node works on is told with progress and an estimate."""

from dynakv import limits
from dynakv.node.tasks import Kind, Tasks


def test_a_task_runs_then_ends_well_or_with_a_reason() -> None:
    tasks = Tasks()
    one = tasks.begin(Kind.ROUND, "with n2", 10, 1_000)
    two = tasks.begin(Kind.REBUILD, "all", 5, 1_500)
    one.done, one.bytes = 4, 77
    first, second = tasks.figures(3_000)
    assert (first.state, first.done, first.total, first.bytes) == ("running", 4, 10, 77)
    assert (first.age_ms, first.took_ms, first.left_ms) == (2_000, 0, 3_000)
    assert (second.left_ms, second.why) == (0, "")
    tasks.end(one, 4_000)
    tasks.end(two, 4_500, "no peer")
    figures = {figure.task_id: figure for figure in tasks.figures(9_000)}
    assert (figures[one.task_id].state, figures[one.task_id].took_ms) == ("done", 3_000)
    assert (figures[two.task_id].state, figures[two.task_id].why) == ("failed", "no peer")
    assert figures[one.task_id].left_ms == 0


def test_small_tasks_that_come_often_do_not_drive_others_out_of_sight() -> None:
    tasks = Tasks()
    tasks.end(tasks.begin(Kind.REPAIR, "with n2", 0, 0), 0)
    for _ in range(2 * limits.TASKS_ENDED_MAX):
        tasks.end(tasks.begin(Kind.SWEEP, "", 0, 0), 0)
    figures = tasks.figures(0)
    assert figures[0].kind == "repair"
    assert [figure.task_id for figure in figures] == sorted(f.task_id for f in figures)


def test_only_the_last_ended_tasks_are_kept() -> None:
    tasks = Tasks()
    for _ in range(limits.TASKS_ENDED_MAX + 5):
        tasks.end(tasks.begin(Kind.ROUND, "", 0, 0), 0)
    ids = [figure.task_id for figure in tasks.figures(0)]
    assert ids == list(range(6, limits.TASKS_ENDED_MAX + 6))
