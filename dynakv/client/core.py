"""The way of a request: stamp, lane, message, reply, and again where that is safe.

One core per client and event loop. Callers hand in an `Op` and wait for its future; there is no
task per key, only one per message. All decisions are in machines without I/O: where (`routing`),
when (`coalesce`), whether again (`retry`), under which stamp (`clock`) or id (`request_ids`).

Invariant: every op handed in ends in exactly one result or error, or its caller has gone away.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any, Final

from dynakv.client import commands, retry, settings, wire
from dynakv.client.coalesce import AnswerSize, Lane, LaneKey
from dynakv.client.operation import Kind, Op
from dynakv.client.request_ids import RequestIds, Window, no_room
from dynakv.client.retry import Cause, Next, Trouble
from dynakv.client.session import Session, mono_ms
from dynakv.client.settings import Settings
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError
from dynakv.v1 import kvstore_pb2 as pb

STAMPED: Final = (Kind.PUT, Kind.DELETE)


class Core:
    """Carries out requests for one client, in the event loop it is used in."""

    def __init__(self, chosen: Settings, random: Random) -> None:
        """Prepare; the first call opens the session."""
        self.session = Session(chosen, random)
        self._router = self.session.router
        self._random = random
        self._keys_max = settings.BATCH_KEYS_MAX if chosen.coalesce else 1
        self._ids = RequestIds(random)
        self._lanes: dict[LaneKey, Lane] = {}
        self._answers = AnswerSize()
        self.unfinished_max = settings.OPERATIONS_MAX
        self.unfinished = 0  # requests counted in and not yet ended
        self._unanswered: set[Op] = set()  # between attempts or in a lane: `close` ends them
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_closed = False

    # --- in ----------------------------------------------------------------------------------

    def attach(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, the same one at every call.

        Raises RefusedError once the client is closed, and in another loop than before.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                raise RefusedError(
                    "this client belongs to another event loop: make one client per loop, "
                    "or use the synchronous Client, which has a loop of its own"
                )
            self._loop = loop
        if self.is_closed:
            raise RefusedError("this client is closed; nothing was sent")
        return loop

    def submit(self, op: Op) -> None:
        """Begin a request; the session must be open. Raises RefusedError where nothing is begun."""
        self.admit(op)
        if op.kind is Kind.EXECUTE:
            self._begin(op)
        else:
            self._route(op, mono_ms())

    def admit(self, op: Op) -> None:
        """Count a request in and stamp it. Raises RefusedError where it cannot be begun.

        A write in a Raft keyspace becomes an EXECUTE, which gets an id from `identify`.
        """
        if self.unfinished >= self.unfinished_max:
            raise RefusedError(
                f"this client has {self.unfinished} unfinished requests, the most it holds; "
                "nothing was sent"
            )
        if self._router.is_raft(op.terms.keyspace):
            commands.batched(op)
        elif op.kind in STAMPED and not op.time:
            self.stamp(op)
        op.is_counted = True
        self.unfinished += 1

    def admit_all(self, ops: Sequence[Op]) -> None:
        """Admit all of these requests or, with a RefusedError, none."""
        try:
            for op in ops:
                self.admit(op)
        except RefusedError:
            for op in ops:
                self._leave(op)
            raise

    def stamp(self, op: Op) -> None:
        """Give a write its stamp. Raises RefusedError while the clock stands.

        Where its keyspace turned out to be in Raft mode it becomes an EXECUTE instead.
        """
        if self._router.is_raft(op.terms.keyspace):
            op.time = 0
            commands.batched(op)
            return
        time = self.session.clock.issue(mono_ms())
        if time is None:
            raise RefusedError(
                "the clock of the cluster stands behind stamps that this client issued; "
                "nothing was sent, try again later"
            )
        op.time = time

    # --- request ids -------------------------------------------------------------------------

    def _begin(self, op: Op) -> None:
        """Send an EXECUTE as soon as it has its id."""
        if self.identify(op, partial(self._admitted, op)):
            self._route(op, mono_ms())
        else:
            assert self._loop is not None
            left_ms = max(op.deadline_ms - mono_ms(), 0)
            self._loop.call_later(left_ms / 1000, self._waited_out, op)

    def identify(self, op: Op, later: Callable[[], None]) -> bool:
        """Give a request its id; False: there is no room now, and `later` will be called."""
        keyspace = op.terms.keyspace
        window = self._ids.window(keyspace, self._router.group_of(keyspace, op.key))
        if window.is_full or window.waiting:
            window.waiting.append(later)
            return False
        self._name(op, window)
        return True

    def _name(self, op: Op, window: Window) -> None:
        op.window = window
        op.sequence = window.issue()
        op.issued_ms = self.session.clock.wall_ms(mono_ms())

    def _admitted(self, op: Op) -> None:
        """Send a request that waited for its id, unless it has ended meanwhile."""
        if op.done.done():
            self._leave(op)
        elif self.is_closed:
            self.fail(op, _closed_error(op, is_sent=False))
        else:
            keyspace = op.terms.keyspace
            self._name(op, self._ids.window(keyspace, self._router.group_of(keyspace, op.key)))
            self._route(op, mono_ms())

    def _waited_out(self, op: Op) -> None:
        if not op.sequence and not op.done.done():
            self.fail(op, no_room())

    # --- out ---------------------------------------------------------------------------------

    def succeed(self, op: Op, result: Any) -> None:
        """End a request with its result; that of an EXECUTE may be an error."""
        if op.kind is Kind.EXECUTE and isinstance(result, DynaKVError):
            self.fail(op, result)
            return
        self._leave(op)
        if not op.done.done():
            op.done.set_result(result)

    def fail(self, op: Op, error: BaseException) -> None:
        """End a request with an error."""
        self._leave(op)
        if not op.done.done():
            op.done.set_exception(error)

    def abandon(self, op: Op) -> None:
        """End a request whose caller has gone away."""
        self._leave(op)
        op.done.cancel()

    def _leave(self, op: Op) -> None:
        if op.is_counted:
            op.is_counted = False
            self.unfinished -= 1
            if op.window is not None:
                op.window.settle(op.sequence)
                while op.window.waiting and not op.window.is_full:
                    op.window.waiting.popleft()()

    async def close(self) -> None:
        """End all that is under way; what waits fails, what was sent may have happened."""
        if self.is_closed:
            return
        self.is_closed = True
        for call in self._ids.take_waiting():
            call()
        waiting = [op for lane in self._lanes.values() for op in lane.drain()]
        for op in (*waiting, *self._unanswered):
            self.fail(op, _closed_error(op, is_sent=False))
        await self.session.close()  # ends the messages under way

    # --- lanes -------------------------------------------------------------------------------

    def _route(self, op: Op, now_ms: int) -> None:
        """Put a request into the lane of its next attempt."""
        attempt_ms = op.attempt_ms
        left_ms = op.deadline_ms - now_ms
        if left_ms < attempt_ms:
            # At least 1 ms: whether time is up was decided before.
            attempt_ms = max(retry.cut_ms(left_ms, attempt_ms), 1)
        any_replica = op.terms.max_age_ms > 0
        endpoint = self._router.choose(
            op.terms.keyspace, op.key, op.tried, now_ms, any_replica=any_replica
        )
        key = LaneKey(endpoint, op.terms, attempt_ms, op.kind is Kind.GET)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, self._keys_max)
        lane.add(op)
        if not lane.is_flushing:
            lane.is_flushing = True
            assert self._loop is not None
            self._loop.call_soon(self._flush, lane)

    def _reroute(self, ops: Iterable[Op]) -> None:
        """Send requests on their way again, except those whose caller has gone away."""
        now_ms = mono_ms()
        for op in ops:
            self._unanswered.discard(op)
            if op.done.done():
                self._leave(op)
            elif op.kind is Kind.EXECUTE and not op.sequence:
                self._begin(op)
            else:
                self._route(op, now_ms)

    def _flush(self, lane: Lane, *, overdue: bool = False) -> None:
        """Send what may leave."""
        lane.is_flushing = False
        most = self._keys_max
        if lane.key.reads or lane.key.terms.previous:
            most = self._answers.keys_max()
        while batch := lane.take(most, overdue=overdue):
            task = self.session.spawn(self._send(lane, batch))
            task.add_done_callback(partial(self._sent, lane, batch))
            overdue = False
        if len(lane) and not lane.is_lingering:
            lane.is_lingering = True
            assert self._loop is not None
            self._loop.call_later(settings.LINGER_MS / 1000, self._linger_over, lane)

    def _linger_over(self, lane: Lane) -> None:
        lane.is_lingering = False
        self._flush(lane, overdue=True)

    async def _send(self, lane: Lane, batch: list[Op]) -> None:
        """Make one attempt of a message and see to what comes of it."""
        steps = wire.steps_of(wire.ordered_for_steps(batch))
        endpoint = lane.key.endpoint
        request = wire.request_of(steps, self.session.clock.writer)
        reply = await self.session.channels.pipeline(endpoint, request, lane.key.attempt_ms)
        if isinstance(reply, Trouble):
            if reply.cause is Cause.TOO_LARGE:
                self._answers.was_too_large(len(batch))
            self._troubled(endpoint, [(op, reply) for op in batch], len(batch))
            return
        now_ms = mono_ms()
        self.session.hear(reply.hlc, now_ms)
        if lane.key.reads or lane.key.terms.previous:
            self._answers.saw(reply.ByteSize(), len(batch))
        failed = self._settle(endpoint, steps, reply)
        if failed:
            self._troubled(endpoint, failed, len(batch))

    def _sent(self, lane: Lane, batch: list[Op], task: "asyncio.Task[None]") -> None:
        """Let the lane go on; end what a message that was broken off leaves open."""
        lane.returned()
        if task.cancelled():
            for op in batch:
                self.fail(op, _closed_error(op))
        elif (error := task.exception()) is not None:  # a mistake of ours: all callers hear of it
            for op in batch:
                self.fail(op, error)
        if len(lane):
            self._flush(lane)
        elif lane.is_idle and len(self._lanes) > settings.LANES_MAX:
            self._lanes.pop(lane.key, None)

    def _settle(
        self, endpoint: str, steps: Sequence[Sequence[Op]], reply: pb.PipelineResponse
    ) -> list[tuple[Op, Trouble]]:
        """End the requests that were answered; return the others."""
        self.learn_leaders(steps, reply)
        failed: list[tuple[Op, Trouble]] = []
        for op, result in zip(*wire.answers_of(endpoint, steps, reply), strict=True):
            if type(result) is Trouble:
                failed.append((op, result))
            else:
                self.succeed(op, result)
        return failed

    def learn_leaders(self, steps: Sequence[Sequence[Op]], reply: pb.PipelineResponse) -> None:
        """Remember which nodes lead the groups of these requests, as far as the reply says."""
        for step, result in zip(steps, reply.results, strict=False):
            for entry, node_id in wire.leaders_of(result):
                if entry < len(step):
                    self._router.lead(step[entry].terms.keyspace, step[entry].key, node_id)

    # --- failures ----------------------------------------------------------------------------

    def _troubled(
        self, endpoint: str, failed: Sequence[tuple[Op, Trouble]], batch_keys: int
    ) -> None:
        """Decide for each request whether and how it goes on."""
        now_ms = mono_ms()
        self._note(endpoint, failed, now_ms)
        again: dict[int, list[Op]] = {}  # by the wait before it
        restamped: list[tuple[Op, Trouble]] = []
        for op, trouble in failed:
            wait_ms: int | None = None
            match retry.take(op, trouble, batch_keys):
                case Next.END:
                    op.attempts += 1
                case Next.SMALLER:
                    wait_ms = 0
                case Next.AGAIN:
                    wait_ms = self.wait_ms(op, trouble, endpoint, now_ms, again)
                case Next.RESTAMPED:
                    restamped.append((op, trouble))
                    continue
            if wait_ms is None:
                self.fail(op, retry.final_error(op, trouble))
            else:
                again.setdefault(wait_ms, []).append(op)
        self._go_on(again, restamped)

    def _note(self, endpoint: str, failed: Sequence[tuple[Op, Trouble]], now_ms: int) -> None:
        for trouble in {id(trouble): trouble for _, trouble in failed}.values():
            self.session.note(endpoint, trouble, now_ms)
            if trouble.cause.is_node_gone:
                self._empty_lanes(endpoint)

    def _go_on(self, again: dict[int, list[Op]], restamped: list[tuple[Op, Trouble]]) -> None:
        assert self._loop is not None
        for wait_ms, ops in again.items():
            self._unanswered.update(ops)
            self._loop.call_later(wait_ms / 1000, self._reroute, ops)
        if restamped:
            self._unanswered.update(op for op, _ in restamped)
            self.session.spawn(self._restamp(restamped))

    def wait_ms(
        self, op: Op, trouble: Trouble, endpoint: str, now_ms: int, waits: Iterable[int] = ()
    ) -> int | None:
        """Count a failed attempt; return the wait before the next, None where there is no time.

        A wait among `waits` is taken where it fits, so that what failed together stays together.
        """
        op.attempts += 1
        op.tried = (*op.tried, endpoint)
        fresh = self._router.has_fresh(op.tried, now_ms)
        least_ms, most_ms = retry.backoff_ms(op.attempts, trouble.cause, has_fresh=fresh)
        wait_ms = next((ms for ms in waits if least_ms <= ms <= most_ms), None)
        if wait_ms is None:
            wait_ms = self._random.randint(least_ms, most_ms)
        has_time = now_ms + wait_ms < op.deadline_ms and not self.is_closed
        return wait_ms if has_time else None

    def _empty_lanes(self, endpoint: str) -> None:
        """Send what waits for a node that has gone away to the others."""
        for lane in list(self._lanes.values()):
            if lane.key.endpoint == endpoint and len(lane):
                self._reroute(lane.drain())

    async def _restamp(self, refused: Sequence[tuple[Op, Trouble]]) -> None:
        """Learn the time anew and give requests that were certainly not done a new stamp."""
        await self.session.refresh()
        for op, trouble in refused:
            op.attempts += 1
            try:
                self.stamp(op)
            except RefusedError:
                self.fail(op, retry.final_error(op, trouble))
        self._reroute([op for op, _ in refused])


def _closed_error(op: Op, *, is_sent: bool = True) -> DynaKVError:
    if not op.is_read and (is_sent or op.is_maybe_done):
        return UnknownOutcomeError("the client was closed; the write may have happened")
    return RefusedError("the client was closed; nothing was changed")
