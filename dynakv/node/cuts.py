"""The fence and the floor of each shard group of this node: what may enter, what may be forgotten.

Both are readings, durable as facts (`core/facts.py`, CUT), 0 at first, and never fall.

* A register at or below the *fence* does not enter this replica any more, unless it holds it
  already or a newer one, or it comes from a replica under the same floor (`Save.floors`). A fence
  is up from the moment it is asked for, and promised once it is durable: what was asked of STORE
  before is on disk by then.
* At or below the *floor* all replicas have been equal (`core/floors.py` says what follows). It is
  in force once it is durable; only then is anything dropped.

State only; `node/fencing.py` makes it durable, `node/dropping.py` drops.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct, msgpack

from dynakv.core import facts
from dynakv.core.record import Record, droppable

Where = tuple[int, int]  # keyspace id, group


class CutFact(Struct, frozen=True, array_like=True):
    """What is durable of one group. Invariant: swept <= floor <= fence."""

    fence: int
    floor: int
    swept: int  # everything droppable under this floor was dropped


_NONE = CutFact(0, 0, 0)
_decoder = msgpack.Decoder(CutFact)


class Cuts:
    """Fences and floors of all groups; nothing is looked up while no group has one."""

    __slots__ = ("_asked", "_fences", "_floors", "floors", "heard", "on_heard")

    def __init__(self, remembered: Mapping[str, bytes]) -> None:
        """Begin with the facts of a data directory."""
        self.floors: dict[Where, int] = {}  # in force; a group without one is absent
        self.heard: dict[Where, int] = {}  # higher floors that peers stand under, not yet adopted
        self.on_heard: Callable[[], None] = lambda: None  # called at the first of `heard`
        self._asked: dict[Where, CutFact] = {}  # what is durable, or will be next
        self._fences: dict[int, list[int]] = {}  # keyspace id -> fence of each group
        self._floors: dict[int, list[int]] = {}
        for keyspace, group, fact in facts.about_groups(remembered, facts.CUT):
            cut = _decoder.decode(fact)
            self._asked[keyspace, group] = cut
            self._set(self._fences, keyspace, group, cut.fence)
            self._set_floor(keyspace, group, cut.floor)

    # --- what requests look at ---------------------------------------------------------------

    def fences_of(self, keyspace: int) -> list[int] | None:
        """Return the fences by group, as far as the list goes (0 beyond); None: there is none."""
        return self._fences.get(keyspace)

    def any_floor(self, keyspace: int) -> bool:
        """Say whether a group of the keyspace has a floor."""
        return keyspace in self._floors

    def floors_of(self, keyspace: int, groups: list[int]) -> list[int] | None:
        """Return the floors of these groups in a list of its own; None where all are 0."""
        floors = self._floors.get(keyspace)
        if floors is None:
            return None
        count = len(floors)
        found = [floors[group] if group < count else 0 for group in groups]
        return found if any(found) else None

    def fence(self, keyspace: int, group: int) -> int:
        """Return the fence of a group, durable or about to be."""
        return self._asked.get((keyspace, group), _NONE).fence

    def floor(self, keyspace: int, group: int) -> int:
        """Return the floor of a group that is in force."""
        return self.floors.get((keyspace, group), 0)

    def fences_for(
        self, keyspace: int, groups: list[int], records: list[Record], vouched: list[int] | None
    ) -> list[int] | None:
        """Return the fence that each record has to pass, None where none stands in the way.

        `vouched`: the floors under which the records were read (`Save.floors`). What would be
        dropped at once passes no fence, whoever vouches for it.
        """
        fences = self._fences.get(keyspace)
        if fences is None:
            return None
        count = len(fences)
        stopped: list[int] | None = None
        for i, (group, record) in enumerate(zip(groups, records, strict=True)):
            fence = fences[group] if group < count else 0
            if record.value_time > fence and record.expiry_time > fence:
                continue
            if not (0 < record.value_time <= fence or 0 < record.expiry_time <= fence):
                continue  # the one register that it has is above
            if vouched is not None:
                floor = self.floor(keyspace, group)
                if vouched[i] == floor and not droppable(record, floor):
                    continue
            if stopped is None:
                stopped = [0] * len(records)
            stopped[i] = fence
        return stopped

    def hear(self, keyspace: int, group: int, floor: int) -> None:
        """Take note of the floor under which a peer stands.

        It was proven on all replicas, so it holds here as well; unless this replica has no fence
        there, which means that it forgot what the proof was about.
        """
        where = keyspace, group
        if floor > self.floors.get(where, 0) and floor <= self.fence(keyspace, group):
            if not self.heard:
                self.on_heard()
            self.heard[where] = max(floor, self.heard.get(where, 0))

    # --- changes -----------------------------------------------------------------------------

    def fence_up(self, keyspace: int, group: int, fence: int) -> bytes | None:
        """Raise a fence at once; return the fact to make durable, None if it stood there."""
        cut = self._asked.get((keyspace, group), _NONE)
        if fence <= cut.fence:
            return None
        self._set(self._fences, keyspace, group, fence)
        return self._ask(keyspace, group, CutFact(fence, cut.floor, cut.swept))

    def floor_asked(self, keyspace: int, group: int, floor: int) -> bytes | None:
        """Return the fact that makes a floor durable, None if it is or will be.

        It is in force after `floor_raised`. Not above the fence.
        """
        cut = self._asked.get((keyspace, group), _NONE)
        if floor <= cut.floor:
            return None
        assert floor <= cut.fence, "a floor above its fence was never proven"
        return self._ask(keyspace, group, CutFact(cut.fence, floor, cut.swept))

    def floor_raised(self, keyspace: int, group: int, floor: int) -> None:
        """Put a floor in force that is durable now."""
        if floor > self.floor(keyspace, group):
            self._set_floor(keyspace, group, floor)

    def swept(self, keyspace: int, group: int, floor: int) -> bytes:
        """Take note that what is droppable under `floor` was dropped; return the fact."""
        cut = self._asked[keyspace, group]
        return self._ask(keyspace, group, CutFact(cut.fence, cut.floor, max(cut.swept, floor)))

    def unswept(self) -> list[Where]:
        """Return the groups under whose floor something may be left to drop, in order."""
        return [
            where
            for where, cut in sorted(self._asked.items())
            if cut.swept < self.floors.get(where, 0)
        ]

    def forget_keyspace(self, keyspace: int) -> list[str]:
        """Drop everything about a keyspace that is no more; return the names of its facts."""
        gone = [where for where in self._asked if where[0] == keyspace]
        for where in gone:
            del self._asked[where]
            self.floors.pop(where, None)
            self.heard.pop(where, None)
        self._fences.pop(keyspace, None)
        self._floors.pop(keyspace, None)
        return [facts.group_name(facts.CUT, keyspace, group) for _, group in gone]

    def _ask(self, keyspace: int, group: int, cut: CutFact) -> bytes:
        self._asked[keyspace, group] = cut
        return msgpack.encode(cut)

    def _set_floor(self, keyspace: int, group: int, floor: int) -> None:
        if floor:
            self.floors[keyspace, group] = floor
            self._set(self._floors, keyspace, group, floor)

    @staticmethod
    def _set(lists: dict[int, list[int]], keyspace: int, group: int, reading: int) -> None:
        by_group = lists.setdefault(keyspace, [])
        by_group += [0] * (group + 1 - len(by_group))
        by_group[group] = reading
