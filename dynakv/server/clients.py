"""The clients of a node: what they asked and who waits for which answer."""

from collections.abc import Callable, Iterator

from dynakv import limits
from dynakv.node.messages import ClientMessage, ClientReply, Get, List, PeerMessage, Put, entries_in
from dynakv.node.put import put_bytes
from dynakv.node.raft_messages import Execute
from dynakv.node.validate_batches import batches_bytes
from dynakv.server.waves import Waves

# Call, message, sender (None: a client), and when, by the loop's clock, it is too late.
Waiting = tuple[int, ClientMessage | PeerMessage, str | None, float]


class _Caller:
    """A client's message that is not answered, or not wholly."""

    __slots__ = ("answer", "extra", "left", "left_s", "wave", "waves")

    def __init__(
        self, answer: Callable[[ClientReply], None], left: int, extra: int, waves: Waves[Waiting]
    ) -> None:
        self.answer = answer
        self.left = left  # entries unanswered
        self.extra = extra  # keys that its bytes weigh
        self.waves = waves  # where it waited
        self.wave = 0  # which it left with ...
        self.left_s = 0.0  # ... and when


class Clients:
    """Lets messages in, hands them out in waves, and takes answers to whoever asked."""

    def __init__(self, now_ms: int) -> None:
        """Begin without any; the time is monotonic."""
        self._callers: dict[int, _Caller] = {}
        # A write waits for disks and a read does not: neither waits behind the other.
        self._reads: Waves[Waiting] = Waves(now_ms)
        self._writes: Waves[Waiting] = Waves(now_ms)

    def unanswered(self) -> int:
        """Return how many keys wait for their answer; large values count as more."""
        return self._reads.admission.waiting + self._writes.admission.waiting

    def let_in(
        self,
        call: int,
        message: ClientMessage,
        answer: Callable[[ClientReply], None],
        now_s: float,
    ) -> bool:
        """Queue a message, or refuse it where too much waits already."""
        count = entries_in(message)
        extra = _value_bytes(message) // limits.BYTES_PER_KEY
        waves = self._reads if isinstance(message, Get | List) else self._writes
        timeout_ms = message.timeout_ms or limits.ATTEMPT_MS
        if self.unanswered() + count + extra > limits.INBOX_CLIENT_KEYS_MAX:
            return False
        if not waves.admission.admit(count + extra, timeout_ms, int(now_s * 1000)):
            return False
        self._callers[call] = _Caller(answer, count, extra, waves)
        waves.append((call, message, None, now_s + timeout_ms / 1000), count)
        return True

    def held_s(self, now_s: float) -> float | None:
        """Return how long what waits has to wait at most; 0: something may leave; None: nothing."""
        held = [waves.held_s(now_s) for waves in (self._reads, self._writes) if waves.queue]
        return min(held) if held else None

    def leaving(self, now_s: float) -> Iterator[Iterator[Waiting]]:
        """Yield each wave that may leave now: its messages, of which not all need be taken."""
        for waves in (self._reads, self._writes):
            if waves.queue and not waves.held_s(now_s):
                yield self._wave(waves, now_s)

    def _wave(self, waves: Waves[Waiting], now_s: float) -> Iterator[Waiting]:
        number = waves.begin(now_s)
        while waves.queue:
            waiting = waves.take()
            caller = self._callers[waiting[0]]
            caller.wave, caller.left_s = number, now_s
            yield waiting

    def answer(self, call: int, reply: ClientReply, now_s: float) -> bool:
        """Take a reply, which may be a part, to whoever asked; False: `call` is none of theirs."""
        caller = self._callers.get(call)
        if caller is None:
            return False
        count = len(reply.entries)
        waves = caller.waves
        caller.left -= count
        if caller.left:
            waves.admission.answered(count)
        else:
            del self._callers[call]
            waves.admission.answered(count + caller.extra)
        waves.answered(caller.wave, count, now_s - caller.left_s)
        caller.answer(reply)
        return True


def _value_bytes(message: ClientMessage) -> int:
    if isinstance(message, Put):
        return put_bytes(message)
    return batches_bytes(message.batches) if isinstance(message, Execute) else 0
