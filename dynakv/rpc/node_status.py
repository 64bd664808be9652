"""GetNodeStatus and InspectKey: what one node knows of itself and holds itself, on the wire.

InspectKey asks the node's own replica exactly what a coordinator would ask it (`Load`), past all
quorums: it works while the clock is doubted and while the others are away. A node that is no
replica of the key says that it holds nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from dynakv import __version__, limits
from dynakv.core.layout import DEFAULT_KEYSPACE, Keyspace, Layout, group_shift, token_of
from dynakv.core.record import Record, expired
from dynakv.errors import Failure, Kind, StorageError, UsageError
from dynakv.node.figures import Figures, StoreFigures
from dynakv.node.messages import Failed, Header, Load, Loaded, Outcome, PeerReply
from dynakv.rpc.collector import FULL
from dynakv.rpc.methods import Context, timeout_ms
from dynakv.rpc.ports import Inbox
from dynakv.v1 import node_status_pb2 as pb

_DAMAGED: Final = (Outcome.DAMAGED, Outcome.HEALABLE)


class NodeStatus:
    """Answers for one node."""

    def __init__(
        self, inbox: Inbox, wall_ms: Callable[[], int], disk_ms: int = limits.STATUS_DISK_MS
    ) -> None:
        """Serve `inbox`; `wall_ms` is the wall clock, `disk_ms` how long to wait for the disk."""
        self._inbox = inbox
        self._disk_ms = disk_ms
        self._wall_ms = wall_ms

    async def get(
        self, request: pb.GetNodeStatusRequest, context: object
    ) -> pb.GetNodeStatusResponse:
        """Return what the node knows of itself."""
        del request, context
        response = _status_of(self._inbox.figures(), self._inbox.header(), self._wall_ms())
        # A node whose disk hangs or failed still tells the rest.
        with contextlib.suppress(TimeoutError, StorageError):
            async with asyncio.timeout(self._disk_ms / 1000):
                response.store.CopyFrom(_store_status_of(await self._inbox.store_figures()))
        return response

    async def inspect(
        self, request: pb.InspectKeyRequest, context: Context
    ) -> pb.InspectKeyResponse | Failure:
        """Return what the node itself holds under a key."""
        keyspace = _keyspace(self._inbox.layout(), request.keyspace or DEFAULT_KEYSPACE)
        key = request.key
        if not 1 <= len(key) <= limits.KEY_BYTES_MAX:
            raise UsageError(
                f"key has {len(key)} bytes: 1 to {limits.KEY_BYTES_MAX} bytes are allowed"
            )
        header = self._inbox.header()
        reply = await self._own(header, Load(keyspace.keyspace_id, keyspace.epoch, [key]), context)
        if isinstance(reply, Failure):
            return reply
        token = token_of(key, hash_tags=keyspace.settings.hash_tags)
        group = token >> group_shift(keyspace.settings.groups)
        response = pb.InspectKeyResponse(
            node_id=header.node_id,
            hlc=header.hlc,
            token=token,
            group=group,
            replica=header.node_id in keyspace.placement[group],
        )
        if reply.outcomes is not None and reply.outcomes[0] in _DAMAGED:
            response.held = pb.HELD_DAMAGED
        else:
            _fill(response, reply.records[0], self._wall_ms())
        return response

    async def _own(self, header: Header, load: Load, context: Context) -> Loaded | Failure:
        """Return the answer of this node's own replica."""
        answered: asyncio.Future[PeerReply] = asyncio.get_running_loop().create_future()

        def take(reply: PeerReply) -> None:
            if not answered.done():  # done: the caller has gone away
                answered.set_result(reply)

        if not self._inbox.peer(header.node_id, load, take, timeout_ms(context)):
            return FULL
        reply = await answered
        if isinstance(reply, Failed):  # the layout changed since we looked, or it waited too long
            return Failure(Kind.UNAVAILABLE, f"this node's replica refused: {reply.reason.name}")
        assert isinstance(reply, Loaded)
        return reply


def _keyspace(layout: Layout, name: str) -> Keyspace:
    keyspace = layout.keyspace(name)
    if keyspace is None:
        known = ", ".join(sorted(k.settings.name for k in layout.keyspaces))
        raise UsageError(f"keyspace {name!r} does not exist; there are: {known}")
    return keyspace


def _fill(response: pb.InspectKeyResponse, record: Record | None, now_ms: int) -> None:
    if record is None:
        response.held = pb.HELD_NOTHING
        return
    if record.value is None:
        response.held = pb.HELD_TOMBSTONE
    else:
        response.held = pb.HELD_EXPIRED if expired(record, now_ms) else pb.HELD_VALUE
        response.value_bytes = len(record.value)
    response.value_time = record.value_time
    response.value_writer = record.value_writer
    response.expires_at_ms = record.expiry_ms
    response.expiry_time = record.expiry_time
    response.expiry_writer = record.expiry_writer
    response.checksum = record.checksum


def _status_of(figures: Figures, header: Header, wall_ms: int) -> pb.GetNodeStatusResponse:
    node, queues = figures.node, figures.queues
    return pb.GetNodeStatusResponse(
        node_id=header.node_id,
        version=__version__,
        cluster_id=header.cluster_id,
        epoch=header.epoch,
        layout_digest=node.layout_digest,
        hlc=header.hlc,
        wall_ms=wall_ms,
        incarnation=header.incarnation,
        starts=node.starts,
        uptime_ms=figures.uptime_ms,
        commit_sequence=node.commit_sequence,
        clock=pb.ClockStatus(trusted=node.clock_trusted, leaps=node.clock_leaps),
        peers=[
            pb.PeerStatus(
                node_id=p.node_id,
                up=p.up,
                clock_offset_ms=p.clock_offset_ms,
                silent_ms=p.silent_ms,
            )
            for p in node.peers
        ],
        load=pb.LoadStatus(
            client_keys=queues.client_keys,
            peer_keys=queues.peer_keys,
            client_keys_max=queues.client_keys_max,
        ),
        cache=pb.CacheStatus(
            bytes=node.cache_bytes,
            bytes_max=node.cache_bytes_max,
            entries=node.cache_entries,
            hits=node.cache_hits,
            misses=node.cache_misses,
        ),
        counters=node.counters,
        disk_full=node.disk_full,
        recovering_groups=node.recovering_groups,
        hints=[
            pb.HintStatus(node_id=h.node_id, rows=h.rows, bytes=h.bytes, age_ms=h.age_ms)
            for h in node.hints
        ],
        rounds=[
            pb.RoundStatus(
                keyspace=r.keyspace, node_id=r.node_id, age_ms=r.age_ms, took_ms=r.took_ms
            )
            for r in node.rounds
        ],
        tree_drifts=node.tree_drifts,
        horizon_ms=node.horizon_ms,
        collection=pb.CollectionStatus(
            waiting=node.tombstones_waiting, waits_for=node.collection_waits_for
        ),
    )


def _store_status_of(store: StoreFigures) -> pb.StoreStatus:
    return pb.StoreStatus(
        rows=store.rows,
        rows_written=store.rows_written,
        database_bytes=store.database_bytes,
        wal_bytes=store.wal_bytes,
        disk_free_share=store.disk_free_share,
    )
