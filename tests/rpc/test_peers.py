"""Links to peers: a real server at the other end, its inbox a fake."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from dynakv import limits
from dynakv.core.record import written
from dynakv.node.messages import (
    Ask,
    Beat,
    Beaten,
    Failed,
    Load,
    Loaded,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Scanned,
)
from dynakv.rpc.peers import Peers
from dynakv.rpc.servers import serve_peers

Run = Callable[[Coroutine[Any, Any, None]], None]
RECORD = written(b"k", b"v", 0, 3, 4)
SAVE = Save(1, 2, [RECORD])
LOAD = Load(1, 2, [b"k"])
SCAN = Scan(1, 2, [3], b"", None, None, 10, keys_only=False)
BEAT = Beat(1, 2, 3)


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.mono_ms = 0

    def __call__(self) -> int:
        return self.mono_ms


def ask(call: int, message: PeerMessage = SAVE, to: str = "n2") -> Ask:
    return Ask(call, to, message, 60_000)


def save_of_bytes(size: int) -> Save:
    return Save(1, 2, [written(b"k", bytes(size), 0, 3, 4)])


@contextlib.asynccontextmanager
async def linked(inbox: Any, peer_inbox: Any) -> AsyncIterator[tuple[Peers, Clock, Any]]:
    """Yield links whose three lanes to n2 are open."""
    clock = Clock()
    server = await serve_peers(peer_inbox, "127.0.0.1:0")
    peers = Peers(inbox, {"n2": f"127.0.0.1:{server.port}"}, mono_ms=clock)
    await inbox.until(lambda: len(inbox.headers) >= 3)
    yield peers, clock, server
    await peers.close()
    await server.stop()


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (SAVE, Saved(None, [RECORD])),
        (LOAD, Loaded(None, [RECORD])),
        (SCAN, Scanned([RECORD], b"k")),
        (BEAT, Beaten(4, 5, 6)),
        (SAVE, Failed(Reason.WRONG_EPOCH)),
    ],
)
def test_an_ask_ends_in_its_reply(
    inbox: Any, peer_inbox: Any, run: Run, message: PeerMessage, reply: PeerReply
) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda message: reply
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1 << 90, message))
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.replies == {1 << 90: reply}
    assert peer_inbox.peer_asked == [("n1", message)]
    assert {header.node_id for header in peer_inbox.headers} == {"n1"}


def test_asks_of_one_turn_leave_in_one_frame(inbox: Any, peer_inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda message: Saved(None, None)
        async with linked(inbox, peer_inbox) as (peers, _, _):
            for call in range(100):
                peers.send(ask(call))
            await inbox.until(lambda: len(inbox.replies) == 100)
            assert peers.counters.frames_sent == 1

    run(scenario())
    assert len(peer_inbox.headers) == 1


def test_a_frame_of_the_data_lane_keeps_to_its_size(inbox: Any, peer_inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda message: Saved(None, None)
        async with linked(inbox, peer_inbox) as (peers, _, _):
            for call in range(8):
                peers.send(ask(call, save_of_bytes(limits.FRAME_BYTES_MAX // 3)))
            await inbox.until(lambda: len(inbox.replies) == 8)
            assert peers.counters.frames_sent == 4

    run(scenario())


def test_heartbeats_pass_a_large_value_and_a_full_window(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda m: Beaten(1, 2, 3) if isinstance(m, Beat) else None
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, save_of_bytes(limits.OUTSTANDING_BYTES_MAX + 1)))
            peers.send(ask(2, save_of_bytes(1)))
            peers.send(ask(3, BEAT))
            await inbox.until(lambda: 3 in inbox.replies)
            assert inbox.replies == {2: Failed(Reason.OVERLOADED), 3: Beaten(1, 2, 3)}
            await peer_inbox.until(lambda: len(peer_inbox.peer_asked) == 2)

    run(scenario())
    assert inbox.reason(1) == Reason.BROKEN  # the links were closed before its reply came


def test_a_refusal_is_never_reported_from_within_send(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, to="n9"))
            assert inbox.replies == {}
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.reason(1) == Reason.UNREACHABLE


def test_more_unanswered_asks_than_allowed_fail_at_once_and_count_again_when_answered(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    count = limits.OUTSTANDING_ASKS_MAX

    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            for call in range(count + 1):
                peers.send(ask(call, LOAD))
            await inbox.until(lambda: inbox.replies)
            assert inbox.replies == {count: Failed(Reason.OVERLOADED)}
            assert peers.counters.overloaded == 1
            await peer_inbox.until(lambda: peer_inbox.peer_answers)
            peer_inbox.peer_answers[0](Loaded(None, [None]))
            await inbox.until(lambda: 0 in inbox.replies)
            peers.send(ask(count + 1, LOAD))
            await peer_inbox.until(lambda: len(peer_inbox.peer_asked) == count + 1)

    run(scenario())


def test_answered_bytes_count_no_longer(inbox: Any, peer_inbox: Any, run: Run) -> None:
    half = save_of_bytes(limits.OUTSTANDING_BYTES_MAX // 2)

    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            for call in (1, 2):
                peers.send(ask(call, half))
                await peer_inbox.until(lambda: len(peer_inbox.peer_answers) == 1)
            await inbox.until(lambda: inbox.replies)
            assert inbox.replies == {2: Failed(Reason.OVERLOADED)}
            peer_inbox.peer_answers[0](Saved(None, None))
            await inbox.until(lambda: 1 in inbox.replies)
            peers.send(ask(3, save_of_bytes(1)))
            peers.send(ask(4, half))
            await peer_inbox.until(lambda: len(peer_inbox.peer_answers) == 3)

    run(scenario())


def test_an_unanswered_heartbeat_leaves_room_for_the_largest_request(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, BEAT))
            peers.send(ask(2, save_of_bytes(limits.REQUEST_BYTES_MAX)))
            await peer_inbox.until(lambda: len(peer_inbox.peer_asked) == 2)

    run(scenario())


def test_an_ask_too_large_for_any_message_is_refused(inbox: Any, peer_inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, save_of_bytes(limits.MESSAGE_BYTES_MAX)))
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.reason(1) == Reason.OVERLOADED


def test_a_peer_that_does_not_answer_the_phone_is_unreachable_at_once(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        peers = Peers(inbox, {"n2": "127.0.0.1:1"}, mono_ms=Clock())
        for call, message in enumerate((SAVE, BEAT, save_of_bytes(limits.FRAME_BYTES_MAX))):
            peers.send(ask(call, message))
        await inbox.until(lambda: len(inbox.replies) == 3)
        await peers.close()

    run(scenario())
    assert set(inbox.replies.values()) == {Failed(Reason.UNREACHABLE)}


def test_a_broken_stream_breaks_its_asks_and_is_opened_again(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, server):
            peers.send(ask(1))
            await peer_inbox.until(lambda: peer_inbox.peer_asked)
            inbox.headers.clear()
            await server.stop()
            await inbox.until(lambda: inbox.replies)
            assert inbox.reason(1) == Reason.BROKEN
            peers.send(ask(2))
            await inbox.until(lambda: 2 in inbox.replies)
            assert inbox.reason(2) == Reason.UNREACHABLE
            again = await serve_peers(peer_inbox, f"127.0.0.1:{server.port}")
            await inbox.until(lambda: len(inbox.headers) >= 3)
            peer_inbox.peer_reply = lambda message: Saved(None, None)
            peers.send(ask(3))
            await inbox.until(lambda: 3 in inbox.replies)
            await again.stop()

    run(scenario())
    assert inbox.replies[3] == Saved(None, None)


def test_what_was_never_written_is_unreachable_when_the_links_close(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, save_of_bytes(7 << 20)))
            peers.send(ask(2, save_of_bytes(7 << 20)))
            frames_before = peers.counters.frames_sent
            await asyncio.sleep(0)  # the first is being written, the second waits for it
            await peers.close()
            # How long the first takes is gRPC's affair; a second frame means it was long over.
            frames.append(peers.counters.frames_sent - frames_before)

    frames: list[int] = []
    run(scenario())
    assert inbox.reason(1) == Reason.BROKEN
    assert inbox.reason(2) == (Reason.UNREACHABLE if frames == [1] else Reason.BROKEN)


def test_an_ask_past_its_deadline_is_forgotten_and_its_reply_is_late(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, clock, _):
            peers.send(ask(1))
            await peer_inbox.until(lambda: peer_inbox.peer_answers)
            clock.mono_ms = 60_001
            await inbox.until(lambda: inbox.replies)
            assert inbox.reason(1) == Reason.BROKEN
            peer_inbox.peer_answers[0](Saved(None, None))
            peers.send(Ask(2, "n2", LOAD, 99_000))
            await peer_inbox.until(lambda: len(peer_inbox.peer_answers) == 2)
            peer_inbox.peer_answers[1](Loaded(None, [None]))
            await inbox.until(lambda: 2 in inbox.replies)
            assert peers.counters.late_replies == 1

    run(scenario())


def test_an_ask_whose_deadline_has_passed_is_not_sent(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        async with linked(inbox, peer_inbox) as (peers, clock, _):
            clock.mono_ms = 60_000
            peers.send(ask(1))
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.reason(1) == Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (SAVE, Loaded(None, [None])),
        (LOAD, Loaded(None, [])),
        (LOAD, Beaten(1, 2, 3)),
        (SAVE, Saved(None, [None, None])),
        (BEAT, Scanned([], None)),
    ],
)
def test_a_reply_that_does_not_fit_its_ask_breaks_the_stream(
    inbox: Any, peer_inbox: Any, run: Run, message: PeerMessage, reply: PeerReply
) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda message: reply
        async with linked(inbox, peer_inbox) as (peers, _, _):
            peers.send(ask(1, message))
            await inbox.until(lambda: inbox.replies)
            await inbox.until(lambda: len(inbox.headers) >= 5)  # the lane is open again
            assert peers.counters.peer_errors == 1

    run(scenario())
    assert inbox.reason(1) == Reason.BROKEN


def test_a_stranger_s_reply_counts_for_nothing(inbox: Any, peer_inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        peer_inbox.peer_reply = lambda message: Saved(None, None)
        async with linked(inbox, peer_inbox) as (peers, _, _):
            inbox.known = False
            peers.send(ask(1))
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.reason(1) == Reason.BROKEN


def test_a_stranger_s_refusal_is_believed(inbox: Any, peer_inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        peer_inbox.known = False
        async with linked(inbox, peer_inbox) as (peers, _, _):
            inbox.known = False
            peers.send(ask(1))
            await inbox.until(lambda: inbox.replies)

    run(scenario())
    assert inbox.reason(1) == Reason.FOREIGN


def test_an_address_that_leads_to_another_node_is_never_used(
    inbox: Any, peer_inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        server = await serve_peers(peer_inbox, "127.0.0.1:0")
        peers = Peers(inbox, {"n3": f"127.0.0.1:{server.port}"}, mono_ms=Clock())
        while peers.counters.peer_errors == 0:  # noqa: ASYNC110 - a counter sets no event
            await asyncio.sleep(0)
        peers.send(ask(1, to="n3"))
        await inbox.until(lambda: inbox.replies)
        await peers.close()
        await server.stop()

    run(scenario())
    assert inbox.reason(1) == Reason.UNREACHABLE
    assert inbox.headers == []
    assert peer_inbox.peer_asked == []


@pytest.mark.slow
def test_a_peer_that_falls_silent_is_noticed_before_it_would_be_suspected(
    inbox: Any, peer_inbox: Any, proxy: Any, run: Run
) -> None:
    async def scenario() -> None:
        server = await serve_peers(peer_inbox, "127.0.0.1:0")
        async with proxy.before(server.port) as port:
            peers = Peers(inbox, {"n2": f"127.0.0.1:{port}"}, mono_ms=Clock())
            await inbox.until(lambda: len(inbox.headers) >= 3)
            proxy.silent = True
            peers.send(ask(1))
            async with asyncio.timeout(limits.SUSPECT_MS / 1000):
                await inbox.until(lambda: inbox.replies)
            assert inbox.reason(1) == Reason.BROKEN
            await peers.close()
        await server.stop()

    run(scenario())
