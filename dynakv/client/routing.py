"""Where a key's request goes first, and where next.

A node that holds the key saves a hop between nodes, so its replicas come first; any other node
serves as well. The layout says which node holds what; who answers where comes from handshakes.

Endpoints that the user gave always take part. Addresses learned from the layout do so only from a
handshake that the right node answered until they fail: one that cannot be reached from here is
never chosen. Without a layout every endpoint is as good as another. No I/O, no clock of its own.
"""

from collections.abc import Iterable, Sequence
from random import Random

from dynakv import limits
from dynakv.client import settings
from dynakv.core import address
from dynakv.core.layout import group_shift, token_of
from dynakv.v1 import ring_pb2


class _Places:
    """Of one keyspace: for each shard group all endpoints, replicas first.

    Made for a group when a key of it is first asked for: endpoints come and go one by one, and
    thousands of groups times hundreds of endpoints each time would hold up calls.
    """

    __slots__ = ("_keyspace", "_led", "_members", "_orders", "_shift", "_shuffled")

    def __init__(
        self, keyspace: ring_pb2.Keyspace, members: Sequence[str | None], shuffled: tuple[str, ...]
    ) -> None:
        self._keyspace = keyspace
        self._members = members
        self._shuffled = shuffled
        self._shift = group_shift(len(keyspace.groups))
        self._orders: dict[int, tuple[str, ...]] = {}
        self._led: dict[int, str] = {}  # group -> the endpoint of its leader

    def group(self, key: bytes) -> int:
        return token_of(key, hash_tags=self._keyspace.hash_tags) >> self._shift

    def lead(self, group: int, endpoint: str) -> None:
        self._led[group] = endpoint

    def order(self, key: bytes, *, any_replica: bool) -> tuple[str, ...]:
        group = self.group(key)
        order = self._order(group)
        leader = self._led.get(group) if self._led and not any_replica else None
        if leader is None or order[0] == leader:
            return order
        return (leader, *(endpoint for endpoint in order if endpoint != leader))

    def _order(self, group: int) -> tuple[str, ...]:
        order = self._orders.get(group)
        if order is None:
            order = self._orders[group] = self._made(self._keyspace.groups[group].replicas)
        return order

    def _made(self, replicas: Iterable[int]) -> tuple[str, ...]:
        holders = {e for i in replicas if (e := self._members[i]) is not None}
        return (
            *(endpoint for endpoint in self._shuffled if endpoint in holders),
            *(endpoint for endpoint in self._shuffled if endpoint not in holders),
        )


class Router:
    """Knows the endpoints, what they hold and which of them failed."""

    def __init__(self, endpoints: Sequence[str], random: Random, *, learns: bool = True) -> None:
        """Route among `endpoints`, which are tried in an order of this client's own.

        Clients that all began with the first one would make it the coordinator of everything.
        With `learns` the addresses of the layout come in as well, once they have answered.
        """
        assert endpoints
        self.given = tuple(endpoints)
        self.endpoints = self.given  # those given, then those learned that answer
        self._learns = learns
        self._random = random
        self._addresses: dict[str, str] = {}  # node id -> where the layout says it is
        self._wanted: dict[str, str] = {}  # endpoint to be learned -> node id
        self._lost: dict[str, None] = {}  # wanted, took part before and failed
        self._dropped: list[str] = []
        self.ring: ring_pb2.GetRingStateResponse | None = None
        self._shuffled = tuple(random.sample(self.endpoints, len(self.endpoints)))
        self._nodes: dict[str, str] = {}  # endpoint -> node id
        self._places: dict[str, _Places] = {}
        self._modes: dict[str, int] = {}  # of the keyspaces known
        self._leaders: dict[str, dict[int, str]] = {}  # keyspace -> group -> node id
        self._down: dict[str, None] = {}  # a dict: its order is that of failing
        self._avoided_until_ms: dict[str, int] = {}

    # --- what is known -----------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """That of the layout known; 0: none."""
        return 0 if self.ring is None else self.ring.epoch

    def identify(self, endpoint: str, node_id: str) -> None:
        """Take note of which node answers at an endpoint; a learned one takes part from now on."""
        if self._nodes.get(endpoint) == node_id:
            return
        self._nodes[endpoint] = node_id
        self._lost.pop(endpoint, None)
        if endpoint not in self.endpoints:
            self.endpoints = (*self.endpoints, endpoint)
            place = self._random.randint(0, len(self._shuffled))
            self._shuffled = (*self._shuffled[:place], endpoint, *self._shuffled[place:])
        self._revise()
        self._arrange()

    def learn(self, ring: ring_pb2.GetRingStateResponse) -> None:
        """Take a layout in, unless a newer one is known."""
        if ring.epoch < self.epoch:
            return
        self.ring = ring
        if self._learns:
            # Whoever answers may not have heard of all: what another one said still holds.
            members = ring.members[: limits.MEMBERS_MAX]
            known = self._addresses
            self._addresses = {
                m.node_id: found
                for m in members
                if (found := _checked(m.client_address) or known.get(m.node_id, ""))
            }
        self._revise()
        self._arrange()

    def _revise(self) -> None:
        """Decide which learned addresses are of use, and let go of the others."""
        before = self._wanted
        # A node that a given endpoint reaches needs no second name: it would fail a second time.
        reached = {self._nodes[e] for e in self.given if e in self._nodes}
        self._wanted = {
            endpoint: node_id
            for node_id, endpoint in self._addresses.items()
            if endpoint not in self.given and node_id not in reached
        }
        for endpoint, node_id in before.items():
            if self._wanted.get(endpoint) != node_id:
                self._lost.pop(endpoint, None)
                self._leave(endpoint)
                if endpoint not in self._wanted:
                    self._dropped.append(endpoint)

    def _leave(self, endpoint: str) -> None:
        self._nodes.pop(endpoint, None)
        self._avoided_until_ms.pop(endpoint, None)
        self.endpoints = tuple(e for e in self.endpoints if e != endpoint)
        self._shuffled = tuple(e for e in self._shuffled if e != endpoint)

    def admits(self, endpoint: str, node_id: str) -> bool:
        """Say whether this node may take part there; at a given endpoint any may."""
        return endpoint in self.given or self._wanted.get(endpoint) == node_id

    @property
    def absent(self) -> tuple[str, ...]:
        """The learned addresses that do not take part: they failed or never answered."""
        return tuple(endpoint for endpoint in self._wanted if endpoint not in self._nodes)

    @property
    def lost(self) -> tuple[str, ...]:
        """Those among the absent that took part before."""
        return tuple(self._lost)

    @property
    def lacks_addresses(self) -> bool:
        """Whether a node of the layout is not reached, so that asking anew may help."""
        if not self._learns or self.ring is None:
            return False
        reached = set(self._nodes.values())
        return any(member.node_id not in reached for member in self.ring.members)

    def take_dropped(self) -> list[str]:
        """Return, once, the learned addresses that the layout no longer calls for."""
        dropped, self._dropped = self._dropped, []
        return [endpoint for endpoint in dropped if endpoint not in self._wanted | self._nodes]

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
        self._modes = {keyspace.name: keyspace.mode for keyspace in self.ring.keyspaces}
        self._leaders = {n: led for n, led in self._leaders.items() if n in self._modes}
        for keyspace in self.ring.keyspaces:
            count = len(keyspace.groups)
            if count < 1 or count & (count - 1):
                continue  # not of a kind that this client knows how to cut: any node serves it
            places = self._places[keyspace.name] = _Places(keyspace, members, self._shuffled)
            for group, node_id in self._leaders.get(keyspace.name, {}).items():
                if node_id in endpoints and group < count:
                    places.lead(group, endpoints[node_id])

    # --- Raft keyspaces ----------------------------------------------------------------------

    def knows(self, keyspace: str) -> bool:
        """Say whether the layout known has this keyspace."""
        return keyspace in self._modes

    def is_raft(self, keyspace: str) -> bool:
        """Say whether a keyspace is in Raft mode; one that is not known is not."""
        return self._modes.get(keyspace) == ring_pb2.MODE_RAFT

    def group_of(self, keyspace: str, key: bytes) -> int:
        """Return the shard group of a key, -1 where it is not known."""
        places = self._places.get(keyspace)
        return -1 if places is None else places.group(key)

    def lead(self, keyspace: str, key: bytes, node_id: str) -> None:
        """Take note of which node leads a key's group: its requests go there first."""
        places = self._places.get(keyspace)
        if places is None:
            return
        leaders = self._leaders.setdefault(keyspace, {})
        group = places.group(key)
        if leaders.get(group) == node_id:
            return
        leaders[group] = node_id
        endpoint = self.endpoints_by_node().get(node_id)
        if endpoint is not None:
            places.lead(group, endpoint)
            # What it could not do may be what it can do now that it leads.
            self._avoided_until_ms.pop(endpoint, None)

    # --- what failed -------------------------------------------------------------------------

    @property
    def down(self) -> tuple[str, ...]:
        """The given endpoints that failed and have not answered a handshake since."""
        return tuple(self._down)

    def failed(self, endpoint: str) -> None:
        """Take note that an endpoint was silent or its connection broke."""
        if endpoint in self.given:
            self._down[endpoint] = None
        elif endpoint in self._nodes:
            self._lost[endpoint] = None
            self._leave(endpoint)
            self._arrange()

    def refused(self, endpoint: str, now_ms: int) -> None:
        """Take note that a node could not do what it was asked; others come first for a moment."""
        if endpoint in self.endpoints:
            self._avoided_until_ms[endpoint] = now_ms + settings.AVOID_MS

    def answered(self, endpoint: str) -> None:
        """Take note that an endpoint answered a handshake."""
        self._down.pop(endpoint, None)

    # --- where to go -------------------------------------------------------------------------

    def choose(
        self,
        keyspace: str,
        key: bytes,
        tried: Sequence[str],
        now_ms: int,
        *,
        any_replica: bool = False,
    ) -> str:
        """Return the endpoint of the next attempt; `tried` holds those of the failed ones.

        With `any_replica` the leader of the key's group is as good as its followers.
        """
        places = self._places.get(keyspace)
        order = self._shuffled if places is None else places.order(key, any_replica=any_replica)
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


def _checked(text: str) -> str:
    """Return an address as endpoints are written; empty where it is none."""
    try:
        host, port = address.parsed(text)
    except ValueError:
        return ""
    return address.joined(host, port) if port else ""
