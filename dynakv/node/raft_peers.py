"""Whose votes count in a node's name: the incarnation of each peer's data directory, per keyspace.

A member that lost its directory comes back empty and would take part as if it had never voted. So
each node binds a peer to the incarnation that it first hears of, durably and before it uses
anything that this peer says; what another incarnation says later is as good as lost. Whoever comes
back without its directory is therefore no member any more, for as long as nobody replaces it.

What this does not cover: a directory that is lost before a peer has ever heard of it, which is a
matter of seconds: peers are bound by their heartbeats as well.
"""

from collections.abc import Callable, Mapping
from functools import partial

from dynakv import limits
from dynakv.core.facts import RAFT_PEER
from dynakv.core.table import Remember
from dynakv.node.context import Context
from dynakv.node.messages import STORE


class RaftPeers:
    """The bound incarnations, by keyspace and node."""

    def __init__(self, ctx: Context) -> None:
        """Take up what the data directory remembers."""
        self._ctx = ctx
        self._bound = _bound_in(ctx.remembered.facts)
        self._binding: dict[str, list[Callable[[], None]]] = {}
        self._strangers: dict[str, None] = {}

    def when_known(
        self, keyspace: int, node: str, incarnation: int, then: Callable[[], None]
    ) -> None:
        """Call `then` if this incarnation's word counts: now, or once it is bound; else never."""
        name = f"{RAFT_PEER}/{keyspace:016x}/{node}"
        bound = self._bound.get(name)
        if bound == incarnation:
            then()
        elif bound is not None:
            if name not in self._strangers:
                self._strangers[name] = None
                self._ctx.note("raft_member_forgot", peer=node, incarnation=f"{incarnation:016x}")
        elif name in self._binding:
            if len(self._binding[name]) < limits.RAFT_UNBOUND_MAX:
                self._binding[name].append(partial(self._again, name, incarnation, then))
        else:
            self._binding[name] = [then]
            fact = Remember({name: incarnation.to_bytes(8, "big")})
            self._ctx.ask(STORE, fact, 0, partial(self._durable, name, incarnation))

    def bind_heard(self) -> None:
        """Bind peers that were heard of, though no Raft group has had a word from them yet."""
        ctx = self._ctx
        for keyspace, placement in ctx.by_id.items():
            if not placement.raft:
                continue
            for node in dict.fromkeys(node for nodes in placement.replicas for node in nodes):
                incarnation, _ = ctx.peer_epochs.get(node, (0, 0))
                if incarnation and f"{RAFT_PEER}/{keyspace:016x}/{node}" not in self._bound:
                    self.when_known(keyspace, node, incarnation, _nothing)

    def stranger(self, keyspace: int, node: str, incarnation: int) -> bool:
        """Say whether another incarnation of the node's directory is the one that counts."""
        bound = self._bound.get(f"{RAFT_PEER}/{keyspace:016x}/{node}")
        return bound is not None and bound != incarnation

    def forget_dropped(self) -> None:
        """Forget the peers of keyspaces that the layout does not have any more."""
        kept = {f"{keyspace:016x}" for keyspace in self._ctx.by_id}
        gone = [name for name in self._bound if name.split("/")[1] not in kept]
        for name in gone:
            del self._bound[name]
        if gone:
            self._ctx.ask(STORE, Remember(dict.fromkeys(gone)), 0, _ignored)

    def _durable(self, name: str, incarnation: int, _: object) -> None:
        self._bound[name] = incarnation
        for then in self._binding.pop(name):
            then()

    def _again(self, name: str, incarnation: int, then: Callable[[], None]) -> None:
        if self._bound[name] == incarnation:
            then()


def _nothing() -> None:
    """All that was wanted is that it is bound."""


def _ignored(_: object) -> None:
    """Nobody waits for it."""


def _bound_in(facts: Mapping[str, bytes]) -> dict[str, int]:
    return {
        name: int.from_bytes(fact, "big")
        for name, fact in facts.items()
        if name.startswith(f"{RAFT_PEER}/")
    }
