"""Claims about `dynakv.sim.timeline` and `dynakv.sim.trace`."""

from dynakv.sim.timeline import Timeline
from dynakv.sim.trace import Trace


def test_events_run_by_moment_and_then_in_the_order_of_planning() -> None:
    timeline = Timeline()
    seen: list[tuple[int, str]] = []

    def note(what: str) -> None:
        seen.append((timeline.now_us, what))

    timeline.after(20, note, "late")
    timeline.after(10, note, "first")
    timeline.after(10, note, "second")
    timeline.after(30, note, "beyond the end")
    timeline.run_until(30)
    assert seen == [(10, "first"), (10, "second"), (20, "late")]
    assert timeline.now_us == 30


def test_an_event_may_plan_another_of_the_same_moment() -> None:
    timeline = Timeline()
    seen: list[int] = []
    timeline.after(5, lambda: timeline.after(0, lambda: seen.append(timeline.now_us)))
    timeline.run_until(6)
    assert seen == [5]


def test_a_trace_hash_tells_any_difference_and_keeps_the_last_lines() -> None:
    timeline = Timeline()
    traces = [Trace(timeline, 2) for _ in range(3)]
    for trace, last in zip(traces, "xxy", strict=True):
        for what in ("a", "b", last):
            trace.add(what)
    hashes = [trace.hexdigest() for trace in traces]
    assert hashes[0] == hashes[1] != hashes[2]
    assert list(traces[0].last) == ["0 b", "0 x"]
