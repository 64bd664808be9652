"""Keyspaces come and go: one member changes the layout, all make it durable, nobody stops serving.

Until a Raft group does it, the member with the smallest id alone changes the layout. Whoever is
asked hands the change to it. It refuses while a member is down or has another layout; else it makes
the layout of the next epoch durable at its own disk, sends it to every member, and answers when all
have it in force, which each has only when its disk does. So no epoch is ever made twice.

Whatever is interrupted finishes by itself (`node/layouts.py`): a layout once durable at its maker
is never taken back. Who waits too long for the answer hears that the outcome is unknown.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec.structs import replace

from dynakv import limits
from dynakv.core import keyspaces
from dynakv.core.keyspaces import KeyspaceChange, name_of
from dynakv.core.layout import KeyspaceId, Layout, NodeId, encode
from dynakv.errors import Failure, Kind
from dynakv.node.context import Context
from dynakv.node.layout_messages import (
    AdoptLayout,
    Changed,
    ChangeKeyspaces,
    FetchLayout,
    KeyspacesChanged,
    LayoutAdopted,
    LayoutFetched,
)
from dynakv.node.layouts import Layouts
from dynakv.node.messages import (
    NOTHING_DONE,
    Answer,
    Failed,
    PeerReply,
    Reason,
    Refused,
)
from dynakv.node.validate import wrong_timeout

# What is left of a deadline goes along with a change that is handed on, less this: the answer of
# the member that makes it says more than the silence that would end the wait here.
_ON_THE_WAY_MS: Final = 2 * limits.DEADLINE_BUCKET_MS


class _Pending:
    """A change at the member that makes it, until it is answered."""

    __slots__ = ("answer", "change", "deadline_ms", "epoch", "keyspace_id")

    def __init__(
        self,
        change: KeyspaceChange,
        deadline_ms: int,
        answer: Callable[[KeyspacesChanged], None],
    ) -> None:
        self.change = change
        self.deadline_ms = deadline_ms
        self.answer = answer
        self.epoch = 0  # that the layout has with it; 0: not begun
        self.keyspace_id = 0


class Keyspaces:
    """Takes the changes of one node, and makes them where it is the member that does."""

    def __init__(self, ctx: Context, layouts: Layouts) -> None:
        """Serve changes of the layout that `layouts` keeps."""
        self._ctx = ctx
        self._layouts = layouts
        layouts.progress = self._answer_if_all_have_it
        self._driver = min(member.node_id for member in ctx.layout.members)
        self._waiting: deque[_Pending] = deque()
        self._current: _Pending | None = None

    def asked(
        self,
        message: ChangeKeyspaces | AdoptLayout | FetchLayout,
        reply: Callable[[PeerReply], None],
    ) -> None:
        """Serve a peer."""
        match message:
            case ChangeKeyspaces():
                self._forwarded(message.change, reply)
            case AdoptLayout():
                self._layouts.take(message.layout, reply)
            case FetchLayout():
                reply(LayoutFetched(encode(self._ctx.layout)))

    # --- changing ----------------------------------------------------------------------------

    def change(self, call: int, change: KeyspaceChange) -> None:
        """Serve a client's change: here, or by the member that makes changes."""
        ctx = self._ctx

        def answer(reply: KeyspacesChanged) -> None:
            if reply.failure is None:
                ctx.effects.append(Answer(call, Changed([0], reply.epoch, reply.keyspace_id)))
            else:
                ctx.counters.failed_entries += 1
                ctx.effects.append(Answer(call, Refused([0], reply.failure)))

        reason = wrong_timeout(change.timeout_ms)
        if reason is not None:
            answer(_refused(Kind.INVALID, reason))
            return
        deadline_ms = ctx.deadline(change.timeout_ms)
        if self._driver == ctx.node_id:
            self._submit(_Pending(change, deadline_ms, answer))
            return
        left_ms = max(deadline_ms - ctx.now.mono_ms - _ON_THE_WAY_MS, 1)
        message = ChangeKeyspaces(replace(change, timeout_ms=min(left_ms, limits.DEADLINE_MS_MAX)))
        then = partial(self._handed_on, self._driver, change, answer)
        ctx.ask(self._driver, message, deadline_ms, then)

    def _handed_on(
        self,
        driver: NodeId,
        change: KeyspaceChange,
        answer: Callable[[KeyspacesChanged], None],
        reply: object,
    ) -> None:
        if isinstance(reply, KeyspacesChanged):
            answer(reply)
            return
        assert isinstance(reply, Failed)
        if reply.reason in NOTHING_DONE:
            why = f"nothing was done: member {driver}, which alone changes keyspaces, is down"
            if reply.reason is not Reason.UNREACHABLE:
                why = f"nothing was done: member {driver} refused: {reply.reason.name.lower()}"
            answer(_refused(Kind.UNAVAILABLE, why))
        else:
            why = f"member {driver}, which alone changes keyspaces, did not answer in time"
            answer(_refused(Kind.UNKNOWN, _maybe(change, why)))

    def _forwarded(self, change: KeyspaceChange, reply: Callable[[PeerReply], None]) -> None:
        """Serve a change that another member was asked for."""
        ctx = self._ctx
        if self._driver != ctx.node_id:
            why = f"nothing was done: member {self._driver} changes keyspaces, not {ctx.node_id}"
            reply(_refused(Kind.UNAVAILABLE, why))
        else:
            self._submit(_Pending(change, ctx.deadline(change.timeout_ms), reply))

    def _submit(self, pending: _Pending) -> None:
        if len(self._waiting) >= limits.KEYSPACE_CHANGES_MAX:
            pending.answer(
                _refused(
                    Kind.EXHAUSTED,
                    f"nothing was done: {len(self._waiting)} changes of keyspaces wait already, the"
                    " most that may; come back later",
                )
            )
            return
        self._waiting.append(pending)
        self._ctx.at(pending.deadline_ms, self._expire)
        self._next()

    def _next(self) -> None:
        while self._waiting and self._current is None:
            pending = self._waiting.popleft()
            failure = self._refusal(pending.change) or self._begin(pending)
            if failure is not None:
                pending.answer(KeyspacesChanged(self._layouts.epoch, 0, failure))

    def _refusal(self, change: KeyspaceChange) -> Failure | None:
        ctx = self._ctx
        if ctx.newest_epoch > self._layouts.epoch or self._layouts.keeping:
            return _unavailable(
                f"member {ctx.node_id} has layout epoch {self._layouts.epoch} and fetches epoch"
                f" {ctx.newest_epoch}; try again"
            )
        failure = keyspaces.refusal(ctx.layout, change)
        if failure is not None:
            return failure
        if self._layouts.restored:
            return _unavailable(
                f"member {ctx.node_id} was restored, and has not heard yet from every member"
                " which layout it has; try again"
            )
        for peer in ctx.peers:
            if not ctx.members.up(peer):
                return _unavailable(
                    f"member {peer} is down, and keyspaces change only while every member is up"
                )
        for late in self._layouts.behind():
            theirs = ctx.epoch_of(late) or "unknown"
            return _unavailable(
                f"member {late} has layout epoch {theirs}, not {self._layouts.epoch} yet;"
                " it will fetch it; try again"
            )
        return None

    def _begin(self, pending: _Pending) -> Failure | None:
        ctx = self._ctx
        keyspace_id = self._new_id()
        layout = keyspaces.changed(ctx.layout, pending.change, keyspace_id)
        failure = keyspaces.too_large(layout)
        if failure is not None:
            return failure
        pending.epoch = layout.epoch
        known = ctx.layout.keyspace(name_of(pending.change))
        pending.keyspace_id = int(keyspace_id if known is None else known.keyspace_id)
        self._current = pending
        self._layouts.keep(layout, partial(self._send, layout, pending.deadline_ms))
        return None

    def _new_id(self) -> KeyspaceId:
        """Return an id that no keyspace has or had: 64 random bits do not come twice."""
        while True:
            found = self._ctx.random.getrandbits(64)
            if found and found not in self._ctx.by_id:
                return KeyspaceId(found)

    def _send(self, layout: Layout, deadline_ms: int) -> None:
        """Hand the layout, durable here, to all; who misses it fetches it when it can."""
        ctx = self._ctx
        message = AdoptLayout(encode(layout))
        until_ms = max(deadline_ms, ctx.now.mono_ms + ctx.config.attempt_ms)
        for peer in ctx.peers:
            ctx.ask(peer, message, until_ms, partial(self._adopted, peer))
        self._answer_if_all_have_it()

    def _adopted(self, peer: NodeId, reply: object) -> None:
        if isinstance(reply, LayoutAdopted):
            epochs = self._ctx.peer_epochs
            incarnation, epoch = epochs.get(peer, (0, 0))
            epochs[peer] = (incarnation, max(epoch, reply.epoch))
            self._answer_if_all_have_it()

    def _answer_if_all_have_it(self) -> None:
        current = self._current
        if current is None or self._layouts.epoch < current.epoch:
            return
        if all(self._layouts.has(peer, current.epoch) for peer in self._ctx.peers):
            self._current = None
            current.answer(KeyspacesChanged(current.epoch, current.keyspace_id))
            self._next()

    def _expire(self) -> None:
        """Answer what waited until its deadline; a change that was begun goes on without us."""
        now_ms = self._ctx.now.mono_ms
        late = [pending for pending in self._waiting if pending.deadline_ms <= now_ms]
        for pending in late:
            self._waiting.remove(pending)
            why = "nothing was done: earlier changes of keyspaces took until the deadline"
            pending.answer(_refused(Kind.UNAVAILABLE, why))
        current = self._current
        if current is not None and current.deadline_ms <= now_ms:
            self._current = None
            missing = ", ".join(
                p for p in self._ctx.peers if not self._layouts.has(p, current.epoch)
            )
            why = f"layout epoch {current.epoch} is made, and not confirmed by {missing} yet"
            current.answer(_refused(Kind.UNKNOWN, _maybe(current.change, why)))
            self._next()


def _maybe(change: KeyspaceChange, why: str) -> str:
    return (
        f"the change of keyspace {name_of(change)!r} may have happened or happen still: {why};"
        " the list of keyspaces shows what became of it"
    )


def _refused(kind: Kind, why: str) -> KeyspacesChanged:
    return KeyspacesChanged(0, 0, Failure(kind, why))


def _unavailable(why: str) -> Failure:
    return Failure(Kind.UNAVAILABLE, f"nothing was done: {why}")
