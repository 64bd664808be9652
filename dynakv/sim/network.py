"""The simulated network: frames between processes, and everything that happens to them.

Each directed link delays, loses, duplicates, reorders, clogs and is cut on its own. What the sender
learns follows the contract of `node.messages.Reason`: UNREACHABLE only where the frame was
certainly never handed over, BROKEN where anything may have happened; and often it learns nothing.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from msgspec import structs

from dynakv.core.record import Record
from dynakv.node.messages import (
    Header,
    Loaded,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
)
from dynakv.rpc import codec
from dynakv.sim.knobs import Knobs
from dynakv.sim.timeline import MS, SECOND, Timeline

_DELAY_US_MAX = 50 * MS
_TAIL_US_MAX = 5 * SECOND


class Envelope:
    """One frame on its way. `copied`: a second copy of it travels, too."""

    __slots__ = ("asks", "copied", "header", "replies", "sender", "target")

    def __init__(
        self,
        sender: str,
        target: str,
        header: Header,
        asks: list[tuple[int, PeerMessage]],
        replies: list[tuple[int, PeerReply]],
    ) -> None:
        """Hold (call, message) and (call, reply) pairs."""
        self.sender = sender
        self.target = target
        self.header = header
        self.asks = asks
        self.replies = replies
        self.copied = False


class Link:
    """One direction between two processes. `cuts` counts the faults that cut it now."""

    __slots__ = ("clogged_until_us", "cuts")

    def __init__(self) -> None:
        """Begin whole."""
        self.cuts = 0
        self.clogged_until_us = 0


class Network:
    """All links; `deliver(envelope)` hands a frame over and says whether anybody took it.

    `fail(sender, calls, reason)` tells a sender what became of its asks.
    """

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        knobs: Knobs,
        names: Sequence[str],
        deliver: Callable[[Envelope], bool],
        fail: Callable[[str, list[int], Reason], None],
    ) -> None:
        """Connect every process with every other."""
        self._timeline = timeline
        self._random = random
        self._knobs = knobs
        self._deliver = deliver
        self._fail = fail
        self.links = {(a, b): Link() for a in names for b in names if a != b}
        self.calm = False  # nothing is lost, copied, corrupted or refused any more
        self.on_send: Callable[[Envelope], None] = lambda _: None
        self.counts = dict.fromkeys(
            ("sent", "lost", "cut", "duplicated", "corrupted", "tail", "overloaded"), 0
        )

    def send(self, envelope: Envelope) -> None:
        """Take a frame; what becomes of it is decided now."""
        random, knobs, counts = self._random, self._knobs, self.counts
        link = self.links[envelope.sender, envelope.target]
        counts["sent"] += 1
        self.on_send(envelope)
        if link.cuts:
            counts["cut"] += 1
            self._report(envelope, Reason.UNREACHABLE)
            return
        if self.calm:
            self._timeline.after(self._delay_us(link), self._arrive, envelope)
            return
        if random.random() < knobs.loss_share:
            counts["lost"] += 1
            if random.random() < 0.2:
                self._report(envelope, Reason.BROKEN)
            return
        if random.random() < knobs.corrupt_share:
            envelope = self._corrupted(envelope)
        if random.random() < knobs.duplicate_share:
            counts["duplicated"] += 1
            envelope.copied = True
            self._timeline.after(self._delay_us(link), self._arrive, envelope)
        self._timeline.after(self._delay_us(link), self._arrive, envelope)

    def cut(self, sender: str, target: str) -> None:
        """Cut one direction; cuts add up."""
        self.links[sender, target].cuts += 1

    def mend(self, sender: str, target: str) -> None:
        """Take one cut back."""
        self.links[sender, target].cuts -= 1

    def heal(self) -> None:
        """Take every cut and clog back, and let everything pass from now on."""
        self.calm = True
        for link in self.links.values():
            link.cuts = 0
            link.clogged_until_us = 0

    def _arrive(self, envelope: Envelope) -> None:
        link = self.links[envelope.sender, envelope.target]
        if link.cuts:  # cut while it was on its way
            self.counts["cut"] += 1
            self._report(envelope, Reason.BROKEN)
            return
        refused = not self.calm and self._random.random() < self._knobs.overload_share
        if refused and envelope.asks and not envelope.copied:
            self.counts["overloaded"] += 1
            self._tell(envelope, Reason.OVERLOADED)
            envelope.asks = []
        if not self._deliver(envelope):
            self._report(envelope, Reason.UNREACHABLE)

    def _report(self, envelope: Envelope, reason: Reason) -> None:
        """Tell the sender, where this run's transport notices such things."""
        if self._knobs.loud and envelope.asks:
            self._tell(envelope, Reason.BROKEN if envelope.copied else reason)

    def _tell(self, envelope: Envelope, reason: Reason) -> None:
        calls = [call for call, _ in envelope.asks]
        delay_us = 1 + int(self._random.random() * 5 * MS)
        self._timeline.after(delay_us, self._fail, envelope.sender, calls, reason)

    def _delay_us(self, link: Link) -> int:
        random, knobs = self._random, self._knobs
        if not self.calm and random.random() < knobs.tail_share:
            self.counts["tail"] += 1
            delay_us = int(random.random() * _TAIL_US_MAX)
        else:
            delay_us = MS + min(int(random.expovariate(1 / (knobs.delay_ms * MS))), _DELAY_US_MAX)
        return delay_us + max(0, link.clogged_until_us - self._timeline.now_us)

    def _corrupted(self, envelope: Envelope) -> Envelope:
        """Return the frame with a flipped bit in the first record that has a value."""
        asks, replies = list(envelope.asks), list(envelope.replies)
        for i, (call, message) in enumerate(asks):
            if isinstance(message, Save) and (bad := _flipped(message.records)) is not None:
                asks[i] = (call, structs.replace(message, records=bad))
                break
        else:
            for i, (call, reply) in enumerate(replies):
                if isinstance(reply, Loaded) and (bad := _flipped(reply.records)) is not None:
                    replies[i] = (call, structs.replace(reply, records=bad))
                    break
            else:
                return envelope
        self.counts["corrupted"] += 1
        return Envelope(envelope.sender, envelope.target, envelope.header, asks, replies)


def through_codec(envelope: Envelope) -> Envelope:
    """Return the frame as it comes out of the real wire form."""
    parts = [codec.ask_part(call, 0, message) for call, message in envelope.asks]
    parts += [codec.reply_part(call, reply) for call, reply in envelope.replies]
    frame = codec.decode_frame(codec.frame(envelope.header, parts))
    asks: list[tuple[int, PeerMessage]] = []
    for call, message in frame.asks:
        assert message is not None, "the codec does not know its own message"
        asks.append((call, message))
    return Envelope(envelope.sender, envelope.target, frame.header, asks, frame.replies)


def _flipped(records: Sequence[Record | None]) -> list[Any] | None:
    for i, record in enumerate(records):
        if record is not None and record.value:
            bad = bytes([record.value[0] ^ 1]) + record.value[1:]
            return [*records[:i], structs.replace(record, value=bad), *records[i + 1 :]]
    return None


def between(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str, str]]:
    """Return both directions between two sets."""
    return [pair for a in ours for b in theirs for pair in ((a, b), (b, a))]
