"""The knobs of one Raft group, the same on all its members except `member_id`.

Defaults are those of a DynaKV node. What etcd's scenarios assume instead is set by their test.
"""

from msgspec import Struct

from dynakv import limits
from dynakv.core.raft.messages import APPLY_THREAD, NOBODY, MemberId


class Config(Struct, frozen=True, gc=False):
    """How a member behaves. Ticks are the node's; bytes count `log.entry_bytes`."""

    member_id: MemberId
    election_ticks: int = limits.RAFT_ELECTION_TICKS  # timeouts are drawn from [n, 2n)
    heartbeat_ticks: int = limits.RAFT_HEARTBEAT_TICKS
    pre_vote: bool = True  # ask before raising the term (dissertation, section 9.6)
    check_quorum: bool = True  # a leader without a majority steps down; followers hold to a leader
    step_down_on_removal: bool = True
    read_leases: bool = False  # answer reads without a round: trusts clocks, needs check_quorum
    eager_commits: bool = False  # tell followers at once, not with the next append or heartbeat
    forward_proposals: bool = True  # followers pass proposals on to the leader
    validate_changes: bool = True  # refuse a membership change that cannot be applied as things are
    changes_need_own_commit: bool = True  # no change before an entry of the leader's own term
    async_storage: bool = False  # storage work as messages instead of ready and advance
    message_bytes_max: int = limits.RAFT_MESSAGE_BYTES_MAX  # entries of one append
    committed_bytes_max: int = limits.RAFT_COMMITTED_BYTES_MAX  # handed out to be applied at once
    uncommitted_bytes_max: int = limits.RAFT_UNCOMMITTED_BYTES_MAX  # payloads of a leader's tail
    inflight_messages_max: int = limits.RAFT_INFLIGHT_MESSAGES_MAX  # appends to one follower ...
    inflight_bytes_max: int = limits.RAFT_INFLIGHT_BYTES_MAX  # ... and their payloads; 0: no bound
    reads_max: int = limits.RAFT_READS_MAX  # waiting for a majority or for the first commit

    def __post_init__(self) -> None:
        """Refuse what cannot work: our own mistake, since operators set no single knob of these."""
        assert NOBODY < self.member_id < APPLY_THREAD, self.member_id
        assert 0 < self.heartbeat_ticks < self.election_ticks, "an election outlasts heartbeats"
        assert self.inflight_messages_max > 0
        assert not self.read_leases or self.check_quorum, "a lease rests on check_quorum"
