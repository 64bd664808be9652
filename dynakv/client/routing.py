"""Where a key's request goes first, and where next.

A node that holds the key saves a hop between nodes, so its replicas come first; any other node
serves as well. The layout says which node holds what, but not where clients reach it: that comes
from handshakes with the endpoints that the user named. Without a layout every endpoint is as good
as another. No I/O, no clock of its own.
"""

from collections.abc import Iterable, Sequence
from random import Random

from dynakv.client import settings
from dynakv.core.layout import group_shift, token_of
from dynakv.v1 import ring_pb2


class _Places:
    """Of one keyspace: for each shard group all endpoints, replicas first."""

    __slots__ = ("hash_tags", "orders", "shift")

    def __init__(self, shift: int, hash_tags: bool, orders: list[tuple[str, ...]]) -> None:
        self.shift = shift
        self.hash_tags = hash_tags
        self.orders = orders

    def order(self, key: bytes) -> tuple[str, ...]:
        return self.orders[token_of(key, hash_tags=self.hash_tags) >> self.shift]


class Router:
    """Knows the endpoints, what they hold and which of them failed."""

    def __init__(self, endpoints: Sequence[str], random: Random) -> None:
        """Route among `endpoints`, which are tried in an order of this client's own.

        Clients that all began with the first one would make it the coordinator of everything.
        """
        assert endpoints
        self.endpoints = tuple(endpoints)
        self.ring: ring_pb2.GetRingStateResponse | None = None
        self._shuffled = tuple(random.sample(self.endpoints, len(self.endpoints)))
        self._nodes: dict[str, str] = {}  # endpoint -> node id
        self._places: dict[str, _Places] = {}
        self._down: dict[str, None] = {}  # a dict: its order is that of failing
        self._avoided_until_ms: dict[str, int] = {}

    # --- what is known -----------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """That of the layout known; 0: none."""
        return 0 if self.ring is None else self.ring.epoch

    def identify(self, endpoint: str, node_id: str) -> None:
        """Take note of which node answers at an endpoint."""
        if self._nodes.get(endpoint) != node_id:
            self._nodes[endpoint] = node_id
            self._arrange()

    def learn(self, ring: ring_pb2.GetRingStateResponse) -> None:
        """Take a layout in, unless a newer one is known."""
        if ring.epoch >= self.epoch:
            self.ring = ring
            self._arrange()

    def endpoints_by_node(self) -> dict[str, str]:
        """Return where each node is reached, of those that have answered."""
        return {node_id: endpoint for endpoint, node_id in self._nodes.items()}

    def is_known(self, endpoint: str) -> bool:
        """Say whether a node of this cluster has answered there."""
        return endpoint in self._nodes

    def _arrange(self) -> None:
        if self.ring is None:
            return
        endpoints = self.endpoints_by_node()
        members = [endpoints.get(member.node_id) for member in self.ring.members]
        self._places = {}
        for keyspace in self.ring.keyspaces:
            count = len(keyspace.groups)
            if count < 1 or count & (count - 1):
                continue  # not of a kind that this client knows how to cut: any node serves it
            orders = [self._order(members, group.replicas) for group in keyspace.groups]
            self._places[keyspace.name] = _Places(group_shift(count), keyspace.hash_tags, orders)

    def _order(self, members: Sequence[str | None], replicas: Iterable[int]) -> tuple[str, ...]:
        holders = {endpoint for i in replicas if (endpoint := members[i]) is not None}
        return (
            *(endpoint for endpoint in self._shuffled if endpoint in holders),
            *(endpoint for endpoint in self._shuffled if endpoint not in holders),
        )

    # --- what failed -------------------------------------------------------------------------

    @property
    def down(self) -> tuple[str, ...]:
        """The endpoints that failed and have not answered a handshake since."""
        return tuple(self._down)

    def failed(self, endpoint: str) -> None:
        """Take note that an endpoint was silent or its connection broke."""
        self._down[endpoint] = None

    def refused(self, endpoint: str, now_ms: int) -> None:
        """Take note that a node could not do what it was asked; others come first for a moment."""
        self._avoided_until_ms[endpoint] = now_ms + settings.AVOID_MS

    def answered(self, endpoint: str) -> None:
        """Take note that an endpoint answered a handshake."""
        self._down.pop(endpoint, None)

    # --- where to go -------------------------------------------------------------------------

    def choose(self, keyspace: str, key: bytes, tried: Sequence[str], now_ms: int) -> str:
        """Return the endpoint of the next attempt; `tried` holds those of the failed ones."""
        places = self._places.get(keyspace)
        order = self._shuffled if places is None else places.order(key)
        if not tried and not self._down and not self._avoided_until_ms:
            return order[0]
        return self._best(order, tried, now_ms)

    def choose_any(self, tried: Sequence[str], now_ms: int) -> str:
        """Return the endpoint of the next attempt of what concerns no single key."""
        return self._best(self._shuffled, tried, now_ms)

    def has_fresh(self, tried: Sequence[str], now_ms: int) -> bool:
        """Say whether there is a node that nobody complains of and that was not tried yet."""
        return any(
            endpoint not in tried
            and endpoint not in self._down
            and self._avoided_until_ms.get(endpoint, 0) <= now_ms
            for endpoint in self.endpoints
        )

    def _best(self, order: Sequence[str], tried: Sequence[str], now_ms: int) -> str:
        avoided = self._avoided_until_ms
        for endpoint in [e for e, until_ms in avoided.items() if until_ms <= now_ms]:
            del avoided[endpoint]
        # The sort of min is stable: among equals the order decides.
        return min(order, key=lambda e: (e in self._down, tried.count(e), e in avoided))
