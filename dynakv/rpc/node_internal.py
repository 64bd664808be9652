"""NodeInternal: the gRPC door for peers.

One Exchange stream carries many asks in one frame. Their replies come whenever the node has them;
those of one turn of the event loop leave as one frame, because a write of gRPC costs as much as the
work on a hundred keys. While a peer does not read its replies, no more of its asks are taken.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable
from functools import partial
from typing import Final

from grpc import stream_stream_rpc_method_handler
from grpc.aio import InternalError

from dynakv import limits
from dynakv.errors import Failure, Kind, PeerError
from dynakv.node.messages import (
    FRAME_VERSION,
    Beaten,
    Failed,
    Header,
    PeerMessage,
    PeerReply,
    Reason,
    Saved,
)
from dynakv.node.raft_messages import RaftStepped
from dynakv.rpc import codec, status
from dynakv.rpc.methods import Context, Method, unary
from dynakv.rpc.ports import Inbox
from dynakv.rpc.ring_state import RingState
from dynakv.rpc.tasks import start
from dynakv.v1 import node_internal_pb2 as pb
from dynakv.v1 import ring_pb2

SERVICE: Final = pb.DESCRIPTOR.services_by_name["NodeInternal"]


class NodeInternal:
    """Serves peers out of one node's inbox."""

    def __init__(self, inbox: Inbox) -> None:
        """Serve `inbox`."""
        self._inbox = inbox
        self._ring_state = RingState(inbox)
        self.malformed_frames = 0  # streams ended because a peer broke the protocol
        self.oversize_replies = 0  # replies that fit no message

    def handlers(self) -> dict[str, Method]:
        """Return the handler of each method of the service."""
        return {
            "Replicate": unary(self.replicate, pb.ReplicateRequest),
            "AddNode": unary(self.add_node, pb.AddNodeRequest),
            "Heartbeat": unary(self.heartbeat, pb.HeartbeatRequest),
            "GetRingState": unary(self._ring_state.get, ring_pb2.GetRingStateRequest),
            "Exchange": stream_stream_rpc_method_handler(self.exchange),
        }

    async def replicate(
        self, request: pb.ReplicateRequest, context: Context
    ) -> pb.ReplicateResponse:
        """Merge records into this node's."""
        del context
        reply = await self._ask(codec.header_of(request.header), codec.save_of(request.save))
        response = pb.ReplicateResponse(header=codec.to_header(self._inbox.header()))
        if isinstance(reply, Failed):
            response.failed.reason = codec.to_reason(reply)
        else:
            assert isinstance(reply, Saved)
            response.saved.SetInParent()
            codec.fill_saved(response.saved, reply)
        return response

    async def heartbeat(
        self, request: pb.HeartbeatRequest, context: Context
    ) -> pb.HeartbeatResponse:
        """Answer that this node lives."""
        del context
        reply = await self._ask(codec.header_of(request.header), codec.beat_of(request.beat))
        response = pb.HeartbeatResponse(header=codec.to_header(self._inbox.header()))
        if isinstance(reply, Failed):
            response.failed.reason = codec.to_reason(reply)
        else:
            assert isinstance(reply, Beaten)
            response.beaten.SetInParent()
            codec.fill_beaten(response.beaten, reply)
        return response

    async def add_node(self, request: pb.AddNodeRequest, context: Context) -> Failure:
        """Refuse: the member list is fixed when a cluster starts."""
        del context
        return Failure(
            Kind.PRECONDITION,
            f"node {request.node_id!r} was not added: this cluster's members are those of the "
            "member list that every node is started with; start all nodes with a longer list",
        )

    async def exchange(self, frames: AsyncIterable[bytes], context: Context) -> None:
        """Answer the asks of one peer until it closes the stream."""
        stream = _Stream(self, self._inbox, context)
        writer = start(stream.write())
        try:
            async for raw in frames:
                stream.take(codec.decode_frame(raw))
                await stream.drained()
        except PeerError as error:
            self.malformed_frames += 1
            await status.abort(context, Failure(Kind.INVALID, str(error)))
        finally:
            stream.close()
            writer.cancel()

    async def _ask(self, header: Header, message: PeerMessage) -> PeerReply:
        if header.version > FRAME_VERSION:
            return Failed(Reason.UNSUPPORTED)
        if not self._inbox.heard(header):
            return Failed(Reason.FOREIGN)
        whole: asyncio.Future[PeerReply] = asyncio.get_running_loop().create_future()

        def answer(reply: PeerReply) -> None:
            if not whole.done():  # the caller has gone away
                whole.set_result(reply)

        if not self._inbox.peer(header.node_id, message, answer):
            return Failed(Reason.OVERLOADED)
        return await whole


class _Stream:
    """One open Exchange."""

    def __init__(self, door: NodeInternal, inbox: Inbox, context: Context) -> None:
        self._door = door
        self._inbox = inbox
        self._context = context
        self._replies: deque[bytes] = deque()
        self._bytes = 0  # in `_replies`
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, frame: codec.Frame) -> None:
        """Hand the asks of a frame to the node. Raises PeerError where it holds replies."""
        header = frame.header
        if frame.replies:
            raise PeerError(f"{header.node_id} sent replies on a stream that carries its asks")
        known = header.version <= FRAME_VERSION
        heard = known and self._inbox.heard(header)
        for (call, message), timeout_ms in zip(frame.asks, frame.timeouts_ms, strict=True):
            if message is None:
                self._answer(call, Failed(Reason.UNSUPPORTED))
            elif not heard:
                self._answer(call, Failed(Reason.FOREIGN))
            else:
                answer = partial(self._answer, call)
                if not self._inbox.peer(header.node_id, message, answer, timeout_ms):
                    answer(Failed(Reason.OVERLOADED))

    async def drained(self) -> None:
        """Return when the peer has read enough of its replies to send more asks."""
        while self._bytes > limits.OUTSTANDING_BYTES_MAX:
            self._emptied.clear()
            await self._emptied.wait()

    async def write(self) -> None:
        """Send a frame without messages, which opens the stream, and then all replies."""
        # A write fails when the stream has ended: gRPC then cancels its reader as well.
        with contextlib.suppress(InternalError):
            await self._context.write(codec.frame(self._inbox.header()))
            while True:
                # Setting the event resumes this in the loop's next turn: by then the replies of
                # the current one are all there.
                await self._filled.wait()
                self._filled.clear()
                if self._later is not None:
                    self._later.cancel()
                    self._later = None
                while self._replies:
                    await self._context.write(codec.frame(self._inbox.header(), self._gather()))
                    self._emptied.set()

    def close(self) -> None:
        """Let replies that still come go nowhere: the peer has counted them as broken."""
        self._closed = True
        self._replies.clear()

    def _answer(self, call: int, reply: PeerReply) -> None:
        if self._closed:
            return
        part = codec.reply_part(call, reply)
        if len(part) > limits.PART_BYTES_MAX:
            self._door.oversize_replies += 1
            part = codec.reply_part(call, Failed(Reason.BROKEN))
        self._replies.append(part)
        self._bytes += len(part)
        if isinstance(reply, RaftStepped) and not reply.strangers:
            self._answer_later()
        else:
            self._filled.set()

    def _answer_later(self) -> None:
        """Let a reply that says nothing but that its ask was taken travel with others."""
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(
                limits.TAKEN_REPLY_MS / 1000, self._filled.set
            )

    def _gather(self) -> list[bytes]:
        parts: list[bytes] = []
        size = 0
        while self._replies and (
            not parts or size + len(self._replies[0]) <= limits.FRAME_BYTES_MAX
        ):
            part = self._replies.popleft()
            parts.append(part)
            size += len(part)
        self._bytes -= size
        return parts
