"""The messages of `core/gossip_messages.py` as parts of a frame; a part of `rpc/codec.py`.

Rumours and claims travel as columns. A state that is newer than this node ends the stream, as every
frame does that is not understood.
"""

from collections.abc import Iterable
from typing import Final, assert_never

from dynakv.core.gossip_messages import (
    Probe,
    Probed,
    ProbedFor,
    ProbeFor,
    Question,
    Sync,
    Vitals,
)
from dynakv.core.rumors import Rumor
from dynakv.core.suspicion import Claim, State
from dynakv.errors import PeerError
from dynakv.node.messages import GossipReply
from dynakv.v1 import node_internal_pb2 as pb
from dynakv.v1 import ring_pb2

STATES_OUT: Final[dict[State, ring_pb2.GossipState]] = {
    state: getattr(ring_pb2, f"GOSSIP_STATE_{state.name}") for state in State
}
_STATES_IN: Final = {int(wire): state for state, wire in STATES_OUT.items()}


def fill_gossip_ask(ask: pb.Ask, question: Question) -> None:
    """Write a question into an ask."""
    match question:
        case Probe():
            ask.probe.cluster_id = question.cluster_id
            _fill_vitals(ask.probe.vitals, question.vitals)
            _fill_rumors(ask.probe.rumors, question.rumors)
        case ProbeFor():
            ask.probe_for.cluster_id = question.cluster_id
            ask.probe_for.target = question.target
            _fill_rumors(ask.probe_for.rumors, question.rumors)
        case Sync():
            _fill_sync(ask.sync, question)
        case _:
            assert_never(question)


def fill_gossip_reply(out: pb.Reply, reply: GossipReply) -> None:
    """Write an answer into a reply."""
    match reply:
        case Probed():
            out.probed.cluster_id = reply.cluster_id
            _fill_vitals(out.probed.vitals, reply.vitals)
            _fill_rumors(out.probed.rumors, reply.rumors)
        case ProbedFor():
            out.probed_for.cluster_id = reply.cluster_id
            out.probed_for.reached = reply.reached
            _fill_rumors(out.probed_for.rumors, reply.rumors)
        case Sync():
            _fill_sync(out.synced, reply)
        case _:
            assert_never(reply)


def gossip_message_of(kind: str | None, ask: pb.Ask) -> Question | None:
    """Return the question of an ask of this kind; None if it is none of gossip.

    Raises PeerError where its columns do not fit together.
    """
    match kind:
        case "probe":
            probe = ask.probe
            return Probe(probe.cluster_id, _vitals_of(probe.vitals), _rumors_of(probe.rumors))
        case "probe_for":
            wanted = ask.probe_for
            return ProbeFor(wanted.cluster_id, wanted.target, _rumors_of(wanted.rumors))
        case "sync":
            return _sync_of(ask.sync)
        case _:
            return None


def gossip_reply_of(kind: str | None, reply: pb.Reply) -> GossipReply | None:
    """Return the answer in a reply of this kind; None if it is none of gossip."""
    match kind:
        case "probed":
            probed = reply.probed
            return Probed(probed.cluster_id, _vitals_of(probed.vitals), _rumors_of(probed.rumors))
        case "probed_for":
            tried = reply.probed_for
            return ProbedFor(tried.cluster_id, tried.reached, _rumors_of(tried.rumors))
        case "synced":
            return _sync_of(reply.synced)
        case _:
            return None


def fits_gossip(question: object, reply: object) -> bool:
    """Say whether a reply is of the question's kind."""
    match question, reply:
        case (Probe(), Probed()) | (ProbeFor(), ProbedFor()) | (Sync(), Sync()):
            return True
        case _:
            return False


def _fill_vitals(out: pb.Vitals, vitals: Vitals) -> None:
    out.beat = vitals.beat
    out.version = vitals.version
    out.load = vitals.load
    out.clock_offset_ms = vitals.clock_offset_ms
    out.disk_used_bytes = vitals.disk_used_bytes
    out.disk_free_bytes = vitals.disk_free_bytes
    out.SetInParent()


def _vitals_of(vitals: pb.Vitals) -> Vitals:
    return Vitals(
        vitals.beat,
        vitals.version,
        vitals.load,
        vitals.clock_offset_ms,
        vitals.disk_used_bytes,
        vitals.disk_free_bytes,
    )


def _fill_rumors(out: pb.Claims, rumors: Iterable[Rumor]) -> None:
    for rumor in rumors:
        _add_claim(out, rumor.node_id, rumor.claim)
        out.accusers.append(rumor.accuser)


def _rumors_of(claims: pb.Claims) -> tuple[Rumor, ...]:
    found = _claims_of(claims)
    if len(claims.accusers) != len(found):
        raise PeerError(f"a peer sent {len(found)} rumours of {len(claims.accusers)} accusers")
    pairs = zip(found, claims.accusers, strict=True)
    return tuple(Rumor(node_id, claim, accuser) for (node_id, claim), accuser in pairs)


def _add_claim(out: pb.Claims, node_id: str, claim: Claim) -> None:
    out.node_ids.append(node_id)
    out.states.append(STATES_OUT[claim.state])
    out.counters.append(claim.counter)


def _claims_of(claims: pb.Claims) -> list[tuple[str, Claim]]:
    try:
        columns = zip(claims.node_ids, claims.states, claims.counters, strict=True)
        return [(name, Claim(_STATES_IN[state], counter)) for name, state, counter in columns]
    except ValueError as error:
        raise PeerError("a peer sent claims whose columns differ in length") from error
    except KeyError as error:
        raise PeerError(f"a peer claims state {error}, which this node does not know") from error


def _fill_sync(out: pb.Sync, sync: Sync) -> None:
    out.cluster_id = sync.cluster_id
    for node_id, claim, vitals in sync.members:
        _add_claim(out.claims, node_id, claim)
        _fill_vitals(out.vitals.add(), vitals)
    out.SetInParent()


def _sync_of(sync: pb.Sync) -> Sync:
    found = _claims_of(sync.claims)
    if len(sync.vitals) != len(found):
        raise PeerError(f"a peer sent {len(found)} claims and {len(sync.vitals)} vitals")
    pairs = zip(found, sync.vitals, strict=True)
    return Sync(
        sync.cluster_id,
        tuple((node_id, claim, _vitals_of(vitals)) for (node_id, claim), vitals in pairs),
    )
