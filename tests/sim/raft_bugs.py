"""Planted bugs of Raft mode: each patches one rule of the node's side while its context lasts.

Those of the core alone are in `tests/core/raft/bugs.py`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import count
from typing import Any

from msgspec import structs

from dynakv.core import raft_write
from dynakv.core.facts import RAFT_PEER
from dynakv.core.raft import replication
from dynakv.core.raft.messages import Kind, MemberId, Membership
from dynakv.core.record import Record
from dynakv.core.state_machine import Session, session_bytes
from dynakv.node import (
    raft_errands,
    raft_group,
    raft_offers,
    raft_peers,
    raft_reads,
    raft_router,
)
from dynakv.node.messages import Reason
from dynakv.node.raft_messages import SnapshotPage, Verdict
from tests.sim.bugs import Patch, patched


def _state_row(**fields: Any) -> list[Patch]:
    original = raft_write.state_row
    return [(raft_write, "state_row", lambda state: original(structs.replace(state, **fields)))]


def _session_row(client: int, session: bytes) -> Record:
    del session
    return raft_write_session_row(client, session_bytes(Session(0, 0, ())))


raft_write_session_row = raft_write.session_row


def _without_sessions(
    self: raft_offers.Offer, page: Any, of: Callable[..., SnapshotPage | None]
) -> SnapshotPage | None:
    made = of(self, page)
    return None if made is None else structs.replace(made, sessions=[])


_READS_ALONE: list[Patch] = [(replication, "_decides_alone", lambda member: True)]
_ATTEMPTS = count(1)


def _new_ids(original: Callable[..., Any], self: raft_errands.CommandErrand) -> Any:
    message = original(self)
    number = next(_ATTEMPTS)
    moved = [structs.replace(c, client=c.client ^ number) for c in message.commands]
    return structs.replace(message, commands=moved)


def _known_once(
    self: raft_peers.RaftPeers, known: tuple[Any, ...], of: Callable[..., None]
) -> None:
    keyspace, node, _, then = known
    if f"{RAFT_PEER}/{keyspace:016x}/{node}" in self._bound:
        then()
    else:
        of(self, *known)


def _bugs() -> dict[str, list[Patch]]:
    offer = raft_offers.Offer
    return {
        "answers_before_durable": [(raft_group, "EARLY_KINDS", frozenset(Kind))],
        "vote_not_persisted": _state_row(vote=MemberId(0)),
        "term_not_persisted": _state_row(term=1),
        "outcomes_forgotten": [(raft_write, "session_row", _session_row)],
        "snapshot_of_two_moments": [(raft_offers._Part, "changed", lambda self, before: 0)],
        "snapshot_without_sessions": [
            (
                offer,
                "take",
                lambda self, page, of=offer.take: _without_sessions(self, page, of),
            )
        ],
        "snapshot_without_members": [
            (
                raft_group,
                "snapshot_of",
                lambda state, term, of=raft_group.snapshot_of: structs.replace(
                    of(state, term), membership=Membership()
                ),
            )
        ],
        "retry_under_another_id": [
            (
                raft_errands.CommandErrand,
                "message",
                lambda self, of=raft_errands.CommandErrand.message: _new_ids(of, self),
            )
        ],
        "broken_means_nothing_done": [(raft_router, "NOTHING_DONE", frozenset(Reason))],
        "lost_means_nothing_done": [
            (raft_router, "NOTHING_DONE_VERDICTS", frozenset(Verdict)),
        ],
        # Who lost its directory takes part as the member that it was.
        "wiped_member_votes": [
            (raft_peers.RaftPeers, "stranger", lambda self, *known: False),
            (
                raft_peers.RaftPeers,
                "when_known",
                lambda self, *known, of=raft_peers.RaftPeers.when_known: _known_once(
                    self, known, of
                ),
            ),
        ],
        # A leader answers reads without asking whether it still leads.
        "read_without_quorum": _READS_ALONE,
        # Nor does it notice that it leads nobody.
        "leads_without_quorum": [*_READS_ALONE, (replication, "check_quorum", lambda member: True)],
        "stale_of_any_age": [
            (raft_reads.RaftReads, "fresh_enough", lambda self, group, max_age_ms: True)
        ],
    }


BUGS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    name: partial(patched, *patches) for name, patches in _bugs().items()
}
