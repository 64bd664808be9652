"""Claims about `dynakv.sim.network`: what becomes of a frame, and what its sender is told."""

from dataclasses import replace
from random import Random

from dynakv.core.record import intact, with_expiry, written
from dynakv.node.messages import (
    Beat,
    Failed,
    Header,
    Load,
    Loaded,
    Outcome,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
)
from dynakv.sim.knobs import Knobs, draw
from dynakv.sim.network import Envelope, Network, through_codec
from dynakv.sim.timeline import SECOND, Timeline

HEADER = Header(1, "a", 2, 3, 4, 5, 6)
QUIET = replace(
    draw(1, 10),
    tail_share=0.0,
    loss_share=0.0,
    duplicate_share=0.0,
    corrupt_share=0.0,
    overload_share=0.0,
    loud=True,
)


class Pair:
    """Two processes that write down what reaches them."""

    def __init__(self, knobs: Knobs, *, listening: bool = True) -> None:
        self.timeline = Timeline()
        self.listening = listening
        self.delivered: list[Envelope] = []
        self.failed: list[tuple[str, list[int], Reason]] = []
        self.network = Network(
            self.timeline, Random(3), knobs, ["a", "b"], self._deliver, self._fail
        )

    def _deliver(self, envelope: Envelope) -> bool:
        if self.listening:
            self.delivered.append(envelope)
        return self.listening

    def _fail(self, sender: str, calls: list[int], reason: Reason) -> None:
        self.failed.append((sender, calls, reason))

    def send(self, *messages: PeerMessage, replies: tuple[PeerReply, ...] = ()) -> None:
        asks = list(enumerate(messages, 1))
        self.network.send(Envelope("a", "b", HEADER, asks, list(enumerate(replies, 50))))

    def run(self) -> None:
        self.timeline.run_until(self.timeline.now_us + 10 * SECOND)


def test_a_whole_link_delivers_once() -> None:
    pair = Pair(QUIET)
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert len(pair.delivered) == 1
    assert pair.failed == []


def test_a_cut_is_one_way_and_its_sender_learns_that_nothing_was_handed_over() -> None:
    pair = Pair(QUIET)
    pair.network.cut("a", "b")
    pair.send(Load(1, 1, [b"k"]))
    pair.network.send(Envelope("b", "a", HEADER, [(9, Load(1, 1, [b"k"]))], []))
    pair.run()
    assert [envelope.target for envelope in pair.delivered] == ["a"]
    assert pair.failed == [("a", [1], Reason.UNREACHABLE)]


def test_a_silent_network_tells_nobody() -> None:
    pair = Pair(replace(QUIET, loud=False), listening=False)
    pair.send(Load(1, 1, [b"k"]))
    pair.network.cut("a", "b")
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert pair.delivered == pair.failed == []


def test_cuts_add_up_and_are_mended_one_by_one() -> None:
    pair = Pair(QUIET)
    pair.network.cut("a", "b")
    pair.network.cut("a", "b")
    pair.network.mend("a", "b")
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert pair.delivered == []
    pair.network.mend("a", "b")
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert len(pair.delivered) == 1


def test_a_dead_target_is_unreachable_but_a_copied_frame_is_never_called_so() -> None:
    pair = Pair(QUIET, listening=False)
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert pair.failed == [("a", [1], Reason.UNREACHABLE)]
    copying = Pair(replace(QUIET, duplicate_share=1.0), listening=False)
    copying.send(Load(1, 1, [b"k"]))
    copying.run()
    assert {reason for _, _, reason in copying.failed} == {Reason.BROKEN}


def test_duplicates_arrive_twice_and_lost_frames_never() -> None:
    copying = Pair(replace(QUIET, duplicate_share=1.0))
    copying.send(Load(1, 1, [b"k"]))
    copying.run()
    assert len(copying.delivered) == 2
    losing = Pair(replace(QUIET, loss_share=1.0))
    losing.send(Load(1, 1, [b"k"]))
    losing.run()
    assert losing.delivered == []


def test_frames_overtake_each_other() -> None:
    pair = Pair(QUIET)
    for i in range(40):
        pair.send(Load(1, i, [b"k"]))
    pair.run()
    order = [envelope.asks[0][1].epoch for envelope in pair.delivered]  # type: ignore[union-attr]
    assert sorted(order) == list(range(40))
    assert order != sorted(order)


def test_a_clogged_link_delivers_late() -> None:
    pair = Pair(QUIET)
    pair.network.links["a", "b"].clogged_until_us = 2 * SECOND
    pair.send(Load(1, 1, [b"k"]))
    pair.timeline.run_until(2 * SECOND)
    assert pair.delivered == []
    pair.run()
    assert len(pair.delivered) == 1


def test_a_refusing_door_takes_no_ask_but_every_reply() -> None:
    pair = Pair(replace(QUIET, overload_share=1.0))
    pair.send(Load(1, 1, [b"k"]), replies=(Saved(None, None),))
    pair.run()
    assert [(e.asks, len(e.replies)) for e in pair.delivered] == [([], 1)]
    assert pair.failed == [("a", [1], Reason.OVERLOADED)]


def test_corruption_breaks_a_checksum() -> None:
    pair = Pair(replace(QUIET, corrupt_share=1.0))
    pair.send(Save(1, 1, [written(b"k", None, 0, 1, 1), written(b"k", b"v", 0, 2, 1)]))
    pair.send(replies=(Loaded(None, [None, written(b"k", b"v", 0, 2, 1)]),))
    pair.run()
    records = [
        record
        for envelope in pair.delivered
        for _, message in [*envelope.asks, *envelope.replies]
        for record in message.records  # type: ignore[union-attr]
        if record is not None and record.value
    ]
    assert [intact(record) for record in records] == [False, False]


def test_healing_ends_every_cut_and_every_loss() -> None:
    pair = Pair(replace(QUIET, loss_share=1.0))
    pair.network.cut("a", "b")
    pair.network.heal()
    pair.send(Load(1, 1, [b"k"]))
    pair.run()
    assert len(pair.delivered) == 1


def test_the_codec_changes_nothing() -> None:
    record = written(b"k", b"v", 9, 2, 1)
    asks: list[tuple[int, PeerMessage]] = [
        (1, Save(1, 1, [record, with_expiry(b"l", 4, 3, 2)], previous=True)),
        (2, Save(1, 1, [record], heals=True)),
        (3, Load(1, 1, [b"k"])),
        (4, Beat(1, 2, 3)),
    ]
    replies: list[tuple[int, PeerReply]] = [
        (5, Saved([Outcome.OK, Outcome.AHEAD], None)),
        (6, Loaded(None, [None, record])),
        (7, Failed(Reason.BROKEN)),
    ]
    after = through_codec(Envelope("a", "b", HEADER, asks, replies))
    assert (after.header, after.asks, after.replies) == (HEADER, asks, replies)
