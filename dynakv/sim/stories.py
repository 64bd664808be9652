"""Short scripts, each on a key of its own, that lead it into a corner where stores go wrong.

A story is a generator: it yields a pause in milliseconds, or a step that sends a call and resumes
with that call when it is over. The checker needs no hint what a story is about: on a key that few
writes touch, it can decide what a busy key leaves open.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from dynakv.core.hlc import reading
from dynakv.core.layout import Level
from dynakv.sim.calls import Call
from dynakv.sim.history import Write
from dynakv.sim.timeline import MS

if TYPE_CHECKING:
    from dynakv.sim.workload import Workload

Then = Callable[[Call], None]
Step = Callable[[Then], None]
Story = Generator["Step | int", Call | None, None]


def tell(story: Story, workload: "Workload") -> None:
    """Run a story to its end, beginning now; what is left of it when everything heals is not told.

    Else its last write may be under way when the replicas are compared at the end of the run.
    """

    def go_on(call: Call | None) -> None:
        if workload.calm:
            return
        try:
            step = story.send(call)
        except StopIteration:
            return
        if isinstance(step, int):
            workload.timeline.after(step * MS, go_on, None)
        else:
            step(go_on)

    go_on(None)


def _put(workload: "Workload", *writes: Write, **how: Level | int) -> Step:
    return lambda then: workload.put(list(writes), then=then, **how)  # type: ignore[arg-type]


def _expire(workload: "Workload", write: Write, **how: Level | int) -> Step:
    return lambda then: workload.expire([write], then=then, **how)  # type: ignore[arg-type]


def _get(workload: "Workload", key: bytes, **how: Level | int) -> Step:
    return lambda then: workload.get([key], then=then, **how)  # type: ignore[arg-type]


def _reads(workload: "Workload", key: bytes, count: int) -> Story:
    """Read at different nodes, one after the other."""
    first = workload.random.randrange(len(workload.processes))
    for i in range(count):
        yield _get(workload, key, node=first + i)


def _past(workload: "Workload", ttl_ms: int) -> int:
    """Return a pause after which nobody may still think that a TTL runs."""
    return ttl_ms + 2 * workload.knobs.clock_error_ms + 600


def revival(workload: "Workload", key: bytes) -> Story:
    """Persist or extend a value that has expired: it must stay gone."""
    ttl_ms = 100 + workload.random.randrange(400)
    yield _put(workload, Write(key, workload.value(), ttl_ms=ttl_ms))
    yield _past(workload, ttl_ms)
    later_ms = workload.random.choice((0, 60_000))
    yield _expire(workload, Write(key, changes="expire", ttl_ms=later_ms))
    yield from _reads(workload, key, 2)


def spent_deadline(workload: "Workload", key: bytes) -> Story:
    """Write with a kept expiry after it has passed: the new value has no deadline."""
    ttl_ms = 50 + workload.random.randrange(200)
    yield _put(workload, Write(key, workload.value(), ttl_ms=ttl_ms))
    yield _past(workload, ttl_ms)
    yield _put(workload, Write(key, workload.value(), keeps=True))
    yield from _reads(workload, key, 2)


def sliding(workload: "Workload", key: bytes) -> Story:
    """Move the expiry between writes that keep it."""
    yield _put(workload, Write(key, workload.value(), ttl_ms=60_000))
    for _ in range(2):
        moved = Write(key, changes="expire", ttl_ms=workload.random.choice((0, 30_000, 90_000)))
        yield _expire(workload, moved)
        yield 2 * workload.knobs.clock_error_ms + 50
        yield _get(workload, key)
        yield _put(workload, Write(key, workload.value(), keeps=True))
    yield from _reads(workload, key, 2)


def around_expiry(workload: "Workload", key: bytes) -> Story:
    """Read a short-lived value everywhere, before and after its end."""
    ttl_ms = 100 + workload.random.randrange(300)
    yield _put(workload, Write(key, workload.value(), ttl_ms=ttl_ms))
    for _ in range(3):
        yield ttl_ms // 2
        yield _get(workload, key, level=workload.random.choice((Level.ONE, Level.QUORUM)))
    yield _past(workload, 0)
    yield _get(workload, key, level=Level.ONE)


def tie(workload: "Workload", key: bytes) -> Story:
    """Two clients stamp with one reading; their writers decide, everywhere alike."""
    random = workload.random
    writers = random.sample(range(1 << 20, 1 << 21), 2)
    time = reading(workload.wall_ms(), random.randrange(4))
    writes = [Write(key, workload.value(), stamp=(time, writer)) for writer in writers]
    for write in writes:
        yield _put(workload, write)
    yield from _reads(workload, key, 2)


def late_stamp(workload: "Workload", key: bytes) -> Story:
    """A write arrives after one that is stamped later, by its counter only."""
    random = workload.random
    writer = random.randrange(1 << 20, 1 << 21)
    wall_ms, counter = workload.wall_ms(), random.randrange(100)
    for step in (9, 3):
        stamp = (reading(wall_ms, counter + step), writer)
        yield _put(workload, Write(key, workload.value(), stamp=stamp))
    yield from _reads(workload, key, 2)


def partial(workload: "Workload", key: bytes) -> Story:
    """A write that reaches few replicas, read again and again: no read may take it back."""
    random = workload.random
    yield _put(workload, Write(key, workload.value()))
    for _ in range(2):
        weak = Write(key, workload.value())
        first = random.randrange(len(workload.processes))
        workload.put([weak], w=1, node=first)
        yield random.randrange(12)
        for i in range(4):
            yield _get(workload, key, node=first + i)


def crossing(workload: "Workload", key: bytes) -> Story:
    """Writes and reads of one key cross each other on their ways: replicas differ all the time."""
    random, nodes = workload.random, len(workload.processes)
    yield _put(workload, Write(key, workload.value()))
    for _ in range(4):
        workload.put([Write(key, workload.value())], w=1, node=random.randrange(nodes))
        for _ in range(3):
            yield 1 + random.randrange(2 * workload.knobs.delay_ms)
            workload.get([key], node=random.randrange(nodes))
    yield from _reads(workload, key, 2)


def twice(workload: "Workload", key: bytes) -> Story:
    """One key several times in one message: entries apply in order."""
    values = [Write(key, workload.value()) for _ in range(3)]
    if workload.random.random() < 0.5:
        values.append(Write(key))
    yield _put(workload, *values)
    yield from _reads(workload, key, 2)


def overtaken(workload: "Workload", key: bytes) -> Story:
    """Reads of all kinds while writes of the same key are under way at the same node."""
    random = workload.random
    node = random.randrange(len(workload.processes))
    yield _put(workload, Write(key, workload.value()))
    for _ in range(3):
        workload.get([key], Level.ONE, node=node)
        yield _put(workload, Write(key, workload.value()), node=node)
        yield _get(workload, key, node=node)


def together(workload: "Workload", key: bytes) -> Story:
    """Several clients turn to one node at one moment, for the same key and others."""
    random = workload.random
    node = random.randrange(len(workload.processes))
    for _ in range(3):
        for i in range(2 + random.randrange(4)):
            if random.random() < 0.5:
                writes = [Write(key, workload.value()), Write(b"%s/%d" % (key, i % 2))]
                workload.put(writes, node=node)
            else:
                workload.get([b"%s/%d" % (key, i % 2), key], node=node)
        yield random.randrange(20)
    yield from _reads(workload, key, 2)


def under_way(workload: "Workload", key: bytes) -> Story:
    """Quorum writes; reads while each is under way, and everywhere when it is acknowledged."""
    random, nodes = workload.random, len(workload.processes)

    def read_everywhere(call: Call) -> None:
        for node in range(nodes if call.ok else 0):
            workload.get([key], node=node)

    yield _put(workload, Write(key, workload.value()))
    for _ in range(3):
        write = Write(key, workload.value())
        workload.put([write], node=random.randrange(nodes), then=read_everywhere)
        for node in random.sample(range(nodes), min(nodes, 3)):
            yield 1 + random.randrange(4 * workload.knobs.delay_ms)
            workload.get([key], node=node)
    yield from _reads(workload, key, 2)


def gone(workload: "Workload", key: bytes) -> Story:
    """A deleted key stays deleted, and comes back only by a new write."""
    yield _put(workload, Write(key, workload.value()))
    yield _put(workload, Write(key))
    yield from _reads(workload, key, 2)
    yield _expire(workload, Write(key, changes="expire"))
    yield _get(workload, key)


def _collected(workload: "Workload") -> int:
    """Return a pause after which what was written before it may have been collected."""
    knobs = workload.knobs
    return knobs.cut_age_ms + knobs.clock_error_ms + 3 * knobs.collect_every_ms


def forgotten(workload: "Workload", key: bytes) -> Story:
    """A client whose write was deleted and collected meanwhile sends it once more, late."""
    random = workload.random
    write = Write(key, workload.value())
    workload.stamp([write])
    yield _put(workload, write)
    if write.refused:  # it was certainly not done, and is not sent again
        return
    yield _put(workload, Write(key))
    yield _collected(workload)
    yield from _reads(workload, key, 2)
    if write.stamp is not None and workload.collected(key, write.stamp[0]):
        workload.count("clients' stamps sent after a collection")
    yield _put(workload, write, w=random.choice((0, 1)))
    yield from _reads(workload, key, 3)
    yield _put(workload, Write(key, workload.value()))
    yield from _reads(workload, key, 2)


def half_deleted(workload: "Workload", key: bytes) -> Story:
    """A value lies on few replicas, its deletion on others, and nobody reads it for long."""
    random = workload.random
    nodes = len(workload.processes)
    yield _put(workload, Write(key, workload.value()))
    for node in random.sample(range(nodes), min(nodes, 2)):
        workload.put([Write(key, workload.value())], w=1, node=node)
        yield random.randrange(12)
    yield _put(workload, Write(key), node=random.randrange(nodes))
    for _ in range(3):
        yield _collected(workload) // 2
        yield from _reads(workload, key, 2)
    yield _expire(workload, Write(key, changes="expire", ttl_ms=60_000))
    yield from _reads(workload, key, 2)


def around_collection(workload: "Workload", key: bytes) -> Story:
    """A deleted key is read, listed and written again while its tombstone is being collected."""
    random, nodes = workload.random, len(workload.processes)
    yield _put(workload, Write(key, workload.value()))
    yield _put(workload, Write(key))
    yield workload.knobs.cut_age_ms
    for _ in range(12):
        yield random.randrange(300)
        workload.get([key], node=random.randrange(nodes))
    if random.random() < 0.5:
        yield _put(workload, Write(key, workload.value(), keeps=True))
    else:
        yield _put(workload, Write(key, workload.value(), ttl_ms=300))
    yield from _reads(workload, key, 2)
    yield _collected(workload)
    yield from _reads(workload, key, 2)


def ahead(workload: "Workload", key: bytes) -> Story:
    """A stamp beyond the clock bound is refused, and a proper write still wins."""
    early = Write(key, workload.value())
    workload.stamp([early], beyond=True)
    yield _put(workload, early)
    yield _get(workload, key)
    yield _put(workload, Write(key, workload.value()))
    yield _get(workload, key)


STORIES: tuple[Callable[["Workload", bytes], Story], ...] = (
    revival,
    spent_deadline,
    sliding,
    around_expiry,
    tie,
    late_stamp,
    partial,
    partial,
    crossing,
    twice,
    overtaken,
    together,
    under_way,
    gone,
    forgotten,
    half_deleted,
    around_collection,
    ahead,
)
