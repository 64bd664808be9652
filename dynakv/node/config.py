"""The knobs of one node; the shell fills them from its settings, the simulator from its seed."""

from msgspec import Struct

from dynakv import limits
from dynakv.core.layout import NodeId


class Config(Struct, frozen=True):
    """The knobs of one node; the defaults are the product's. Times in milliseconds."""

    node_id: NodeId
    client_address: str = ""  # where clients reach this node; told to the peers
    value_bytes_max: int = limits.VALUE_BYTES_MAX
    cache_bytes_max: int = limits.CACHE_BYTES_MAX
    clock_bound_ms: int = limits.CLOCK_BOUND_MS
    stamp_age_ms_max: int = limits.STAMP_AGE_MS_MAX
    attempt_ms: int = limits.ATTEMPT_MS
    hedge_ms: int = limits.HEDGE_MS
    heartbeat_ms: int = limits.HEARTBEAT_MS
    suspect_ms: int = limits.SUSPECT_MS
    gossip: bool = True
    heal_after_ms: int = limits.HEAL_AFTER_MS
    repair: bool = True  # replicas are compared in the background
    repair_page_rows: int = limits.REPAIR_PAGE_ROWS_MAX  # looked at per page
    repair_settle_ms: int = limits.REPAIR_SETTLE_MS  # 0: what differs once is made equal at once
    repair_pause_ms: int = limits.REPAIR_PAUSE_MS
    recover_pause_ms: int = limits.RECOVER_PAUSE_MS
    recover_after_ms: int = limits.RECOVER_AFTER_MS
    horizon_ms: int = limits.HORIZON_MS
    repair_attempt_ms: int = limits.REPAIR_ATTEMPT_MS
    repair_sessions: int = limits.REPAIR_SESSIONS
    cut_age_ms: int = limits.CUT_AGE_MS
    collect_every_ms: int = limits.COLLECT_EVERY_MS
    collect_pause_ms: int = limits.COLLECT_PAUSE_MS
    hint_bytes_max: int = limits.HINT_BYTES_MAX  # per target
    hint_age_ms: int = limits.HINT_AGE_MS
    hint_pause_ms: int = limits.HINT_PAUSE_MS
    repair_interval_ms: int = limits.REPAIR_INTERVAL_MS
    clean_after_ms: int = limits.CLEAN_AFTER_MS
    scrub_every_ms: int = limits.SCRUB_EVERY_MS
    raft_tick_ms: int = limits.RAFT_TICK_MS
    raft_balance_ms: int = limits.RAFT_BALANCE_MS
    raft_sweep_ms: int = limits.RAFT_SWEEP_MS
    raft_attempt_ms: int = limits.RAFT_ATTEMPT_MS
    raft_log_entries_max: int = limits.RAFT_LOG_ENTRIES_MAX
    raft_log_entries_kept: int = limits.RAFT_LOG_ENTRIES_KEPT
    raft_page_rows: int = limits.RAFT_PAGE_ROWS_MAX
    raft_log_bytes_max: int = limits.RAFT_LOG_BYTES_MAX

    @property
    def look_ms(self) -> int:
        """How often to look whether something of repair is due."""
        wanted_ms = self.repair_interval_ms // limits.REPAIR_LOOKS
        return min(max(wanted_ms, limits.LOOK_MS_MIN), limits.LOOK_MS_MAX)
