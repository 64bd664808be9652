"""Who leads the Raft groups: leaders spread evenly over the nodes, or as somebody asked for.

A group is led by the member whose turn it is: the groups of a keyspace go round its nodes. Leaders
hand over what is not theirs by themselves. What an operator gave to a node stays there until it
loses the leadership, or until somebody asks for balance.
"""

from collections.abc import Callable, Mapping

from dynakv.core.layout import NodeId
from dynakv.core.raft.messages import MemberId
from dynakv.node.context import Context
from dynakv.node.raft_group import Group, Where


class RaftLeadership:
    """The leaderships of one node: which it gives away, which it asks for."""

    def __init__(
        self, ctx: Context, groups: Mapping[Where, Group], busy: Callable[[Where], None]
    ) -> None:
        """Look after `groups`; `busy` is told of those that have something to do."""
        self._ctx = ctx
        self._groups = groups
        self._busy = busy
        self._wanted: dict[Where, None] = {}  # somebody asked that this node leads them
        self._resigned = False  # the node is shutting down: others lead

    def balance(self) -> int:
        """Hand over what others should lead; return how many groups that are."""
        if self._resigned:
            return 0
        led = [group for group in self._groups.values() if group.leads]
        return sum(self._hand_over(group) for group in led if group.where not in self._wanted)

    def rebalance(self, keyspace: int | None) -> int:
        """Forget who was asked to lead (None: anywhere), then hand over; as `balance`."""
        for where in [w for w in self._wanted if keyspace in (None, w[0])]:
            del self._wanted[where]
        return self.balance()

    def take(self, where: Where) -> str:
        """Ask the leader of a group to hand over to this node; return why not, or nothing.

        Whether it did shows in who leads: it must be up, and this member up to date.
        """
        group = self._groups.get(where)
        if group is None:
            return "this node is no member of it, or takes part in nothing any more"
        self._wanted[where] = None
        if group.leads:
            return ""
        if group.leader is None:
            del self._wanted[where]
            return "no leader is known that could hand over"
        self._busy(where)
        group.raft.transfer_leader(group.raft.member.id)
        return ""

    def resign(self) -> None:
        """Hand every group that this node leads to a member that is up and up to date."""
        self._resigned = True
        for group in self._groups.values():
            if group.leads:
                nodes = (group.nodes.get(m) for m in group.raft.member.tracker.progress)
                any(self._give(group, node) for node in nodes if node is not None)

    def changed(self, group: Group) -> None:
        """Take note that another member leads a group, or nobody."""
        if group.leader not in (None, self._ctx.node_id) and group.where in self._wanted:
            del self._wanted[group.where]

    def forget(self, where: Where) -> None:
        """Let go of a group that is gone."""
        self._wanted.pop(where, None)

    def _hand_over(self, group: Group) -> bool:
        """Let the group be led by the node whose turn it is."""
        node = group.nodes.get(preferred(group))
        return node is not None and self._give(group, node)

    def _give(self, group: Group, node: NodeId) -> bool:
        """Hand a group to another node, if that one is up and up to date; say whether."""
        member = group.raft.member
        mine = [m for m in member.tracker.progress if group.nodes.get(m) == node]
        to = next((m for m in mine if m in group.state.membership.voters), None)
        if to is None or to == member.id or not self._ctx.members.up(node):
            return False
        if member.tracker.progress[to].match != member.log.last:
            return False
        self._busy(group.where)
        group.raft.transfer_leader(to)
        return True


def preferred(group: Group) -> MemberId:
    """Return the member that should lead: each of a keyspace's nodes has its share of groups."""
    voters = group.state.membership.voters
    by_node = sorted(voters, key=lambda member: group.nodes.get(member, NodeId("")))
    return by_node[group.where[1] % len(by_node)]
