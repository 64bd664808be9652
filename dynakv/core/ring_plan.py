"""A planned change of the ring: the layout that members who come, go or differ would lead to.

A plan is computed from one layout and a list of changes, applied in order, and is nothing but the
two layouts: which groups move, how much that is and how even the outcome is, follow from them.
Nothing here knows how a change is carried out without breaking a quorum; that takes several epochs
per shard group, of which `after` is the last.

The effective N of a keyspace follows the number of members that hold data, up to the wanted N, and
Rq and Wq follow N. All three are stored: which nodes are up never changes them.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from dynakv import limits
from dynakv.core import ring
from dynakv.core.layout import Keyspace, Layout, Member, NodeId, quorums_of


class Join(Struct, frozen=True):
    """A new member comes; with weight 0 it holds no data."""

    member: Member


class Leave(Struct, frozen=True):
    """A member goes, alive or dead, and what it holds goes to the others."""

    node_id: NodeId


class Replace(Struct, frozen=True):
    """A new member takes the place of another one: its groups, as far as weight and zone allow."""

    node_id: NodeId
    member: Member


class SetWeight(Struct, frozen=True):
    """A member shall hold more or less."""

    node_id: NodeId
    weight: int


class SetZone(Struct, frozen=True):
    """A member stands, or is now known to stand, in another failure domain."""

    node_id: NodeId
    zone: str


Change = Join | Leave | Replace | SetWeight | SetZone


class Refused(Struct, frozen=True):
    """The changes make no layout; `why` names the first that does not fit, its limit and value."""

    why: str


class Plan(Struct, frozen=True):
    """Two layouts, the second one epoch later. Invariant: the same keyspaces in the same order."""

    before: Layout
    after: Layout


class Move(Struct, frozen=True):
    """One shard group of one keyspace whose replicas change."""

    group: int
    gained: tuple[NodeId, ...]  # these have to copy it
    lost: tuple[NodeId, ...]


def plan(layout: Layout, changes: Sequence[Change]) -> Plan | Refused:
    """Return the layout after all changes, placed near the present one.

    The changes are seen as one: nodes that come and go together move less than one after the other.
    """
    members = {member.node_id: member for member in layout.members}
    heirs: dict[NodeId, NodeId] = {}
    for change in changes:
        why = _apply(change, members, heirs)
        if why is not None:
            return Refused(why)
    if len(members) > limits.MEMBERS_MAX:
        return Refused(f"{len(members)} members are more than {limits.MEMBERS_MAX}")
    if not any(member.weight for member in members.values()):
        return Refused("no member with a weight would be left to hold data")
    after = tuple(members[node_id] for node_id in sorted(members))
    epoch = layout.epoch + 1
    keyspaces = tuple(_placed(layout, k, after, heirs, epoch) for k in layout.keyspaces)
    return Plan(layout, replace(layout, epoch=epoch, members=after, keyspaces=keyspaces))


def moves(before: Keyspace, after: Keyspace) -> list[Move]:
    """Return the groups whose replicas change, in order of the groups."""
    found = []
    for group, (old, new) in enumerate(zip(before.placement, after.placement, strict=True)):
        gained = tuple(node_id for node_id in new if node_id not in old)
        lost = tuple(node_id for node_id in old if node_id not in new)
        if gained or lost:
            found.append(Move(group, gained, lost))
    return found


def copies(before: Keyspace, after: Keyspace) -> int:
    """Return how many replicas of groups have to be copied to a node that did not hold them."""
    return sum(len(move.gained) for move in moves(before, after))


def loads(keyspace: Keyspace) -> dict[NodeId, int]:
    """Return how many groups each node holds that holds any."""
    return dict(Counter(node_id for replicas in keyspace.placement for node_id in replicas))


def ideal_loads(members: Sequence[Member], keyspace: Keyspace) -> dict[NodeId, Fraction]:
    """Return how many groups each member with a weight should hold, by weights and zones."""
    shares = ring.shares_of(_candidates(members), keyspace.n)
    return {NodeId(k): share * len(keyspace.placement) for k, share in shares.items()}


def ideal_copies(change: Plan, name: str) -> Fraction:
    """Return how many groups of a keyspace would be copied if only rising shares moved any.

    For a join that is the share of who comes. What is copied can be less, where the nodes that gain
    held more than their share before.
    """
    before, after = change.before.keyspace(name), change.after.keyspace(name)
    assert before is not None
    assert after is not None
    former = ideal_loads(change.before.members, before)
    ideal = ideal_loads(change.after.members, after)
    rises = (share - former.get(node_id, 0) for node_id, share in ideal.items())
    return sum((rise for rise in rises if rise > 0), Fraction())


def _apply(
    change: Change, members: dict[NodeId, Member], heirs: dict[NodeId, NodeId]
) -> str | None:
    """Change the members; return why that is not possible, if so."""
    if not isinstance(change, Join) and change.node_id not in members:
        known = ", ".join(sorted(members))
        return f"{change.node_id!r} is no member; members are {known}"
    comes: Member | None
    match change:
        case Join(member) | Replace(_, member):
            if member.node_id in members or member.node_id in heirs:
                return f"{member.node_id!r} is a member already, or is being replaced"
            comes = member
        case Leave():
            comes = None
        case SetWeight(node_id, weight):
            comes = replace(members[node_id], weight=weight)
        case SetZone(node_id, zone):
            comes = replace(members[node_id], zone=zone)
    if not isinstance(change, Join):
        del members[change.node_id]
    if isinstance(change, Replace):
        heirs[change.node_id] = change.member.node_id
    if comes is None:
        return None
    members[comes.node_id] = comes
    return _unfit(comes)


def _unfit(member: Member) -> str | None:
    if not 0 <= member.weight <= limits.WEIGHT_MAX:
        return f"{member.node_id!r}: weight {member.weight} is not from 0 to {limits.WEIGHT_MAX}"
    for what, text, most in (
        ("node id", member.node_id, limits.NODE_ID_BYTES_MAX),
        ("zone", member.zone, limits.ZONE_BYTES_MAX),
    ):
        if len(text.encode()) > most:
            return f"{member.node_id!r}: a {what} of {len(text.encode())} bytes exceeds {most}"
    return None if member.node_id else "a node id must not be empty"


def _placed(
    layout: Layout,
    keyspace: Keyspace,
    members: Sequence[Member],
    heirs: dict[NodeId, NodeId],
    epoch: int,
) -> Keyspace:
    """Return the keyspace as the new members shall hold it; itself where nothing changes."""
    n = min(keyspace.settings.replicas, sum(member.weight > 0 for member in members))
    # Who is replaced is seen as if its heir held its groups: then those are what the heir keeps.
    # An heir may have been replaced by another one in its turn.
    former = [replace(c, node_id=_heir(c.node_id, heirs)) for c in _candidates(layout.members)]
    replicas = [[_heir(r, heirs) for r in replicas] for replicas in keyspace.placement]
    proposed = ring.propose(
        _candidates(members),
        len(keyspace.placement),
        n,
        ring.Placed(former, keyspace.n, replicas),
    )
    placement = tuple(tuple(NodeId(r) for r in replicas) for replicas in proposed)
    rq, wq = quorums_of(n)
    if (n, rq, wq, placement) == (keyspace.n, keyspace.rq, keyspace.wq, keyspace.placement):
        return keyspace
    return replace(keyspace, n=n, rq=rq, wq=wq, placement=placement, epoch=epoch)


def _heir(node_id: str, heirs: dict[NodeId, NodeId]) -> str:
    """Return who stands in a node's place in the end. No circle: nobody replaced is an heir."""
    while node_id in heirs:
        node_id = heirs[NodeId(node_id)]
    return node_id


def _candidates(members: Sequence[Member]) -> list[ring.Candidate]:
    return [ring.Candidate(m.node_id, m.zone, m.weight) for m in members]
