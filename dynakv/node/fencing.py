"""Serves Fence and RaiseFloor, and adopts the floors that peers stand under; all of it durably.

A fence is refused (`taken` False) where it would be younger than half of the age at which this node
cuts: then the asker's clock or knobs are wrong, and fresh writes would be refused. A floor is
refused where the own fence is below it: then this replica was no part of the proof.
"""

from collections.abc import Callable

from dynakv import limits
from dynakv.core import facts
from dynakv.core.hlc import reading
from dynakv.core.layout import NodeId
from dynakv.core.table import Remember
from dynakv.node.context import Context, Placement
from dynakv.node.messages import STORE
from dynakv.node.repair_messages import Fence, Fenced, FloorRaised, RaiseFloor
from dynakv.node.replica import Reply, placement_for


class Fencing:
    """Raises the fences and floors of this node's groups."""

    def __init__(self, ctx: Context, raised: Callable[[int, int], None]) -> None:
        """Serve on the node of this context; `raised(keyspace id, group)` hears of each floor."""
        self._ctx = ctx
        self._raised = raised
        ctx.cuts.on_heard = self._plan_to_adopt

    def fence(self, message: Fence, reply: Reply) -> None:
        """Raise fences, then reply; they stop registers at once, before they are durable."""
        ctx = self._ctx
        placement = placement_for(self._ctx, message.keyspace, message.epoch, reply)
        if placement is None:
            return
        keyspace = placement.keyspace_id
        newest = reading(ctx.believed_ms() - ctx.config.cut_age_ms // 2)
        taken: list[bool] = []
        changed: dict[str, bytes | None] = {}
        for group in message.groups:
            able = self._able(placement, group) and message.cut <= newest
            taken.append(able)
            fact = ctx.cuts.fence_up(keyspace, group, message.cut) if able else None
            if fact is not None:
                changed[facts.group_name(facts.CUT, keyspace, group)] = fact
        # Also where nothing changed: the fact may have been asked for and not be durable yet.
        ctx.ask(STORE, Remember(changed), 0, lambda _: reply(Fenced(taken)))

    def raise_floor(self, message: RaiseFloor, reply: Reply) -> None:
        """Raise floors, then reply."""
        ctx = self._ctx
        placement = placement_for(self._ctx, message.keyspace, message.epoch, reply)
        if placement is None:
            return
        keyspace, floor = placement.keyspace_id, message.floor
        taken = [
            self._able(placement, group) and ctx.cuts.fence(keyspace, group) >= floor
            for group in message.groups
        ]
        raised = [group for group, able in zip(message.groups, taken, strict=True) if able]
        self._raise(keyspace, raised, floor, lambda: reply(FloorRaised(taken)))

    def _raise(
        self, keyspace: int, groups: list[int], floor: int, then: Callable[[], None]
    ) -> None:
        ctx = self._ctx
        changed: dict[str, bytes | None] = {}
        for group in groups:
            fact = ctx.cuts.floor_asked(keyspace, group, floor)
            if fact is not None:
                changed[facts.group_name(facts.CUT, keyspace, group)] = fact

        def durable(_: object) -> None:
            for group in groups:
                ctx.cuts.floor_raised(keyspace, group, floor)
                self._raised(keyspace, group)
            then()

        ctx.ask(STORE, Remember(changed), 0, durable)

    def follow(
        self, placement: Placement, group: int, floor: int, then: Callable[[], None]
    ) -> None:
        """Put a recovering group under the floor of a replica that it merges, then call `then`.

        It answers nothing meanwhile, so nobody relies on what it does not hold yet.
        """
        ctx, keyspace = self._ctx, placement.keyspace_id
        if (keyspace, group) not in ctx.recovering:  # an operator ended it meanwhile
            then()
            return
        fact = ctx.cuts.fence_up(keyspace, group, floor)
        if fact is not None:
            name = facts.group_name(facts.CUT, keyspace, group)
            ctx.ask(STORE, Remember({name: fact}), 0, lambda _: None)
        self._raise(keyspace, [group], floor, then)

    def _plan_to_adopt(self) -> None:
        self._ctx.at(self._ctx.now.mono_ms + limits.ADOPT_MS, self._adopt)

    def _adopt(self) -> None:
        """Put in force what peers were heard to stand under."""
        ctx = self._ctx
        heard = ctx.cuts.heard
        for keyspace, group in list(heard)[: limits.FLOORS_ADOPTED_MAX]:
            floor = heard.pop((keyspace, group))
            placement = ctx.by_id.get(keyspace)
            if placement is not None and self._able(placement, group):
                ctx.counters.floors_adopted += 1
                self._raise(keyspace, [group], floor, lambda: None)
        if heard:
            self._plan_to_adopt()

    def _able(self, placement: Placement, group: int) -> bool:
        ctx = self._ctx
        held = placement.holds(group)
        return held and not ctx.disk_full and (placement.keyspace_id, group) not in ctx.recovering


def tell_floor(ctx: Context, placement: Placement, group: int, peer: NodeId) -> None:
    """Let a peer that has missed it raise its floor to the own one.

    What it has yet to drop makes the trees differ, and who compares with it ships nothing of that;
    by itself it learns the floor only when it asks.
    """
    keyspace = placement.keyspace_id
    message = RaiseFloor(keyspace, placement.epoch, [group], ctx.cuts.floor(keyspace, group))
    ctx.ask(peer, message, ctx.deadline(ctx.config.repair_attempt_ms), lambda _: None)
