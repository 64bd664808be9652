"""Gives followers the pages of the snapshots that this node's groups have offered them.

A page is read while the group takes no Ready (`Group.paused`), so that it shows exactly what is
applied; that holds the group up for one read of a bounded page at a time.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.raft.messages import MemberId
from dynakv.core.raft_rows import data_keyspace, session_keyspace
from dynakv.core.table import Page, ScanRecords
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import STORE, PeerReply
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import FetchSnapshot, SnapshotPage
from dynakv.node.raft_offers import Offer

GONE = SnapshotPage(True, [], [], last=False)
Reply = Callable[[PeerReply], None]


class RaftSending:
    """Serves FetchSnapshot."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Serve for the node of this context."""
        self._ctx = ctx
        self._consensus = consensus

    def fetch(self, sender: str, message: FetchSnapshot, reply: Reply) -> None:
        """Answer with the page asked for: the next one, or the last one again."""
        group = self._consensus.groups.get((message.keyspace, message.group))
        member = None if group is None else _offered_to(group, sender)
        offer = None if group is None or member is None else group.offers.get(member)
        if group is None or member is None or offer is None or offer.index != message.index:
            reply(GONE)
            return
        offer.used_ms = self._ctx.now.mono_ms
        if message.page == offer.pages:
            group.when_quiet(partial(self._read, group, member, offer, message.page, reply))
            self._consensus.busy(group.where)
        else:
            reply(_page_again(offer, message.page))

    def _read(self, group: Group, member: MemberId, offer: Offer, page: int, reply: Reply) -> None:
        """Read the next page; the group is paused until it is here."""
        if group.offers.get(member) is not offer or page != offer.pages:
            # Given up meanwhile, or asked for twice: then it was read for the first who asked.
            group.paused = False
            self._consensus.busy(group.where)
            reply(_page_again(offer, page) if group.offers.get(member) is offer else GONE)
            return
        keyspace, number = group.where
        place = session_keyspace if offer.part is offer.sessions else data_keyspace
        scan = ScanRecords(
            place(keyspace, offer.generation),
            [number],
            b"",
            offer.part.read_to,
            None,
            self._ctx.config.raft_page_rows,
            limits.RAFT_PAGE_BYTES_MAX,
        )
        self._ctx.ask(STORE, scan, 0, partial(self._have, group, member, offer, reply))

    def _have(
        self, group: Group, member: MemberId, offer: Offer, reply: Reply, found: object
    ) -> None:
        assert isinstance(found, Page)
        group.paused = False
        self._consensus.busy(group.where)
        page = offer.take(found)
        if page is None:
            self._ctx.note("raft_snapshot_damaged", group=group.where[1])
            group.end_offer(member, failed=True)
            reply(GONE)
            return
        if page.last:
            group.raft.report_snapshot(member, failed=False)
        reply(page)


def _offered_to(group: Group, node: str) -> MemberId | None:
    """Return the member of a node that was offered a snapshot."""
    return next((member for member in group.offers if group.nodes.get(member) == node), None)


def _page_again(offer: Offer, page: int) -> SnapshotPage:
    """Return the page that was read last, if it is that one: what it came from may have changed."""
    again = page == offer.pages - 1
    return offer.last_page if again and offer.last_page is not None else GONE
