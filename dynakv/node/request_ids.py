"""Request ids of a node's own: for commands whose client gave none, so that retries run once.

A state machine remembers the outcomes of a client's requests from the lowest one that is not
settled on, up to a bound (`core/state_machine.py`); an id below what is remembered would not be run
any more. So ids come in lanes, each a client of its own: a lane gives out no id that is further
above its oldest open one than half of that bound. One slow command holds up its lane only.
"""

from xxhash import xxh3_64_intdigest

from dynakv import limits

Id = tuple[int, int, int]  # client, sequence, settled below


class _Lane:
    __slots__ = ("client", "last", "open")

    def __init__(self, client: int) -> None:
        self.client = client
        self.last = 0
        self.open: dict[int, None] = {}  # sequences, in the order they were given out


class RequestIds:
    """Gives out ids that no other node and no other life of this one gives out."""

    __slots__ = ("_full", "_lanes", "_life")

    def __init__(self, incarnation: int, starts: int) -> None:
        """Begin the ids of one life."""
        self._life = b"raft requests\0%016x\0%d\0" % (incarnation, starts)
        self._lanes: dict[int, _Lane] = {}
        self._full: dict[int, _Lane] = {}

    def take(self) -> Id:
        """Return an id that is open until `settle`."""
        if not self._lanes:
            number = len(self._full)
            client = xxh3_64_intdigest(self._life + b"%d" % number) or 1
            self._lanes[client] = _Lane(client)
        lane = next(iter(self._lanes.values()))
        lane.last = sequence = lane.last + 1
        lane.open[sequence] = None
        oldest = next(iter(lane.open))
        if sequence - oldest + 1 >= limits.RAFT_ID_WINDOW:
            self._full[lane.client] = self._lanes.pop(lane.client)
        return lane.client, sequence, oldest

    def settle(self, client: int, sequence: int) -> None:
        """Take note that nobody waits for this id any more; ids of others are ignored."""
        lane = self._lanes.get(client) or self._full.get(client)
        if lane is None:
            return
        lane.open.pop(sequence, None)
        oldest = next(iter(lane.open), lane.last + 1)
        if client in self._full and lane.last - oldest + 2 < limits.RAFT_ID_WINDOW:
            self._lanes[client] = self._full.pop(client)
