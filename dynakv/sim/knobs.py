"""What a seed decides before a run begins.

A fixed workload on a fixed cluster finds the bugs that it finds at once and then none: so the seed
also draws the cluster, the workload and which faults exist at all in this run ("swarm testing",
Groce et al., ISSTA 2012). Rates are per second of virtual time, shares lie in 0..1.
"""

from dataclasses import dataclass, fields, replace
from random import Random

from dynakv.core.layout import NodeId
from dynakv.node.node import Config

GOSSIP_EVERY = 4  # seeds: in one of so many universes nodes gossip
FAULTS = (
    "halves",
    "isolate",
    "majorities_ring",
    "bridge",
    "one_way",
    "flapping",
    "clog",
    "crash",
    "crash_in_turn",
    "crash_all",
    "restart_all",
    "restart_behind",
    "pause",
    "pause_in_turn",
    "away",
    "clock_leap",
    "clock_offset",
    "write_error",
    "sync_error",
    "slow_disk",
    "full_disk",
    "bit_flip",
    "fresh_flip",
    "older_image",
)
DAMAGES = ("bit_flip", "fresh_flip")
HORIZON_MS = 12_000  # how long a member may be away before it has to rebuild, scaled down ...
SHORT_S = 60  # ... for runs up to this length; in longer ones it and all that goes with it is ...
LONG_SCALE = 5  # ... so many times as long
COMMIT_MS_MAX = 20  # of a disk that is not slow; the time of a read has the same bound
SLOWNESSES = (5, 20, 100)  # of a slow disk, as factors


@dataclass(frozen=True, slots=True)
class Knobs:
    """One universe. Times in milliseconds."""

    seed: int
    seconds: int  # of the phase with faults
    # --- cluster
    nodes: int
    replicas: int  # wanted N
    groups: int
    cache_bytes_max: int
    attempt_ms: int
    hedge_ms: int
    heartbeat_ms: int
    suspect_ms: int
    hint_bytes_max: int  # per target
    hint_age_ms: int
    hint_pause_ms: int
    turn_ms: int  # a turn waits up to this long for more; 0: each message is a turn of its own
    codec: bool  # messages pass the real wire form
    gossip: bool  # nodes gossip
    # --- network
    delay_ms: int  # mean of a frame's way, one way
    tail_share: float  # of frames that take up to 5 s
    loss_share: float
    duplicate_share: float
    corrupt_share: float  # of frames with a record that does not fit its checksum
    overload_share: float  # of frames that the receiver's door refuses
    loud: bool  # broken links and dead processes are reported to the sender
    # --- disk
    commit_ms: int  # mean
    read_ms: int  # mean
    # --- clocks
    offset_ms: int  # largest error of a wall clock that is not leaping
    drift_ppm: int
    # --- faults
    faults: tuple[str, ...]
    faults_per_s: float
    # --- workload
    calls_per_s: int
    keys: int
    keys_per_call_max: int
    value_bytes_max: int
    answer_loss_share: float  # of replies that never reach the client
    story_share: float  # of calls that begin a story (`stories.py`)
    follow_share: float  # of finished operations that are read again at once
    hurry_share: float  # of calls that name a deadline of their own, shorter than the node's
    weak_share: float  # of operations below the quorum level
    put_weight: int
    get_weight: int
    expire_weight: int
    list_weight: int
    # --- collection of deleted records
    cut_age_ms: int
    stamp_age_ms: int  # the oldest stamp of a client's write that is not refused at the door
    collect_every_ms: int
    collect_pause_ms: int
    # --- repair
    repair_interval_ms: int
    repair_pause_ms: int
    clean_after_ms: int
    scrub_every_ms: int
    changes_per_s: float  # of keyspaces, created and dropped beside the one under load
    # --- Raft mode, drawn apart (`raft_knobs.py`)
    raft_tick_ms: int = 100
    raft_attempt_ms: int = 1_000
    raft_log_entries_max: int = 4_096
    raft_log_entries_kept: int = 1_024
    raft_log_bytes_max: int = 16 << 20
    raft_page_rows: int = 256
    # --- drawn by `_with_extras`
    repair_page_rows: int = 1_024
    repair_settle_ms: int = 1_000

    @property
    def away_ms(self) -> int:
        """Return the absence of which nodes are away a half, the whole and three times."""
        return HORIZON_MS * _scale(self.seconds)

    @property
    def horizon_ms(self) -> int:
        """Return after which absence a node rebuilds.

        In runs that damage rows no absence is that long: a replica that rebuilds and a damaged row
        on another one are two that lost the same key, which is beyond the fault budget.
        """
        damages = any(fault in self.faults for fault in DAMAGES)
        return 10 * self.away_ms if damages else self.away_ms

    @property
    def clock_error_ms(self) -> int:
        """How far a clock that its node may trust can stand from true time."""
        return self.offset_ms + self.seconds * 1000 * self.drift_ppm // 1_000_000 + 20

    @property
    def heal_after_ms(self) -> int:
        """How long a row stays damaged: twice the longest deadline, and 500 ms for its bucket."""
        return 2 * self.attempt_ms + 500

    @property
    def recover_after_ms(self) -> int:
        """How long after a start nothing counts as recovered: the longest deadline, and 500 ms."""
        return self.attempt_ms + 500

    def config(self, name: str) -> Config:
        """Return the knobs of the node `name`."""
        return Config(
            node_id=NodeId(name),
            cache_bytes_max=self.cache_bytes_max,
            attempt_ms=self.attempt_ms,
            hedge_ms=self.hedge_ms,
            heartbeat_ms=self.heartbeat_ms,
            suspect_ms=self.suspect_ms,
            horizon_ms=self.horizon_ms,
            heal_after_ms=self.heal_after_ms,
            recover_after_ms=self.recover_after_ms,
            hint_bytes_max=self.hint_bytes_max,
            hint_age_ms=self.hint_age_ms,
            hint_pause_ms=self.hint_pause_ms,
            cut_age_ms=self.cut_age_ms,
            stamp_age_ms_max=self.stamp_age_ms,
            collect_every_ms=self.collect_every_ms,
            collect_pause_ms=self.collect_pause_ms,
            repair_page_rows=self.repair_page_rows,
            repair_settle_ms=self.repair_settle_ms,
            repair_interval_ms=self.repair_interval_ms,
            repair_pause_ms=self.repair_pause_ms,
            repair_attempt_ms=self.attempt_ms,
            clean_after_ms=self.clean_after_ms,
            scrub_every_ms=self.scrub_every_ms,
            raft_tick_ms=self.raft_tick_ms,
            raft_attempt_ms=self.raft_attempt_ms,
            raft_log_entries_max=self.raft_log_entries_max,
            raft_log_entries_kept=self.raft_log_entries_kept,
            raft_log_bytes_max=self.raft_log_bytes_max,
            raft_page_rows=self.raft_page_rows,
            gossip=self.gossip,
        )

    def lines(self) -> list[str]:
        """Return the knobs for a person, one a line."""
        return [f"  {field.name} = {getattr(self, field.name)}" for field in fields(self)]


def draw(seed: int, seconds: int, nodes: int | None = None) -> Knobs:
    """Return the universe of a seed; `nodes` overrides the size of its cluster."""
    return _with_extras(_drawn(seed, seconds, nodes))


def _drawn(seed: int, seconds: int, nodes: int | None) -> Knobs:
    """Return all that the first source of chance decides."""
    random = Random(seed)  # noqa: S311 - a seed decides, nothing is secret
    size = random.choice((1, 3, 3, 3, 3, 4, 5, 5, 5, 7))
    size = nodes if nodes is not None else size
    scale = _scale(seconds)
    return Knobs(
        seed=seed,
        seconds=seconds,
        nodes=size,
        replicas=random.choice((3, 3, 3, 3, 5, 2)),
        groups=random.choice((4, 16, 64)),
        cache_bytes_max=random.choice((0, 8_000, 20_000, 1 << 20)),
        attempt_ms=random.choice((500, 1_000, 2_000)),
        hedge_ms=random.choice((5, 20, 50, 200)),
        heartbeat_ms=random.choice((300, 1_000)),
        suspect_ms=random.choice((1_500, 5_000)),
        turn_ms=random.choice((0, 0, 4, 15)),
        codec=random.random() < 0.25,
        # Not drawn, so that the universes of the other seeds stay as they are.
        gossip=seed % GOSSIP_EVERY == 0,
        delay_ms=random.choice((2, 5, 10, 25)),
        tail_share=random.choice((0.0, 0.001, 0.01)),
        loss_share=random.choice((0.0, 0.0, 0.01, 0.05, 0.15)),
        duplicate_share=random.choice((0.0, 0.01, 0.05)),
        corrupt_share=random.choice((0.0, 0.0, 0.01)),
        overload_share=random.choice((0.0, 0.0, 0.005)),
        loud=random.random() < 0.6,
        commit_ms=random.choice((1, 2, 5)),
        read_ms=random.choice((1, 1, 5, 20)),
        offset_ms=random.choice((0, 10, 50, 100, 200)),
        drift_ppm=random.choice((0, 100, 500)),
        faults=tuple(f for f in FAULTS if f != "pause_in_turn" and random.random() < 0.6),
        faults_per_s=random.choice((0.3, 0.5, 1.0)),
        calls_per_s=random.choice((100, 120, 150)),
        keys=random.choice((3, 10, 40, 200)),
        keys_per_call_max=random.choice((1, 3, 10)),
        value_bytes_max=random.choice((20, 100, 2_000)),
        answer_loss_share=random.choice((0.0, 0.01, 0.05)),
        story_share=random.choice((0.1, 0.2, 0.3)),
        follow_share=random.choice((0.1, 0.4)),
        hurry_share=random.choice((0.0, 0.1)),
        weak_share=random.choice((0.0, 0.1, 0.3)),
        put_weight=random.choice((2, 5)),
        get_weight=random.choice((2, 5)),
        expire_weight=random.choice((0, 1, 2)),
        list_weight=random.choice((0, 0, 1)),
        hint_bytes_max=random.choice((2_000, 20_000, 1 << 30)),
        hint_age_ms=scale * random.choice((1_000, 6_000, 20_000)),
        hint_pause_ms=random.choice((10, 50, 300)),
        cut_age_ms=scale * random.choice((1_500, 3_000, 6_000)),
        stamp_age_ms=scale * random.choice((1_000, 60_000)),
        collect_every_ms=random.choice((500, 2_000)),
        collect_pause_ms=random.choice((0, 0, 10)),
        repair_interval_ms=random.choice((2_000, 5_000, 10_000)),
        repair_pause_ms=random.choice((0, 10, 50)),
        clean_after_ms=random.choice((100, 500, 3_000)),
        scrub_every_ms=random.choice((5_000, 8_000)),
        changes_per_s=random.choice((0.0, 0.5, 1.0, 2.0)),
    )


def _with_extras(knobs: Knobs) -> Knobs:
    """Draw what came later, from a source of its own: so it moved no other knob of any seed."""
    random = Random(knobs.seed + (1 << 32))  # noqa: S311 - a seed decides, nothing is secret
    faults = knobs.faults
    if random.random() < 0.4:
        faults = (*faults, "pause_in_turn")
    if random.random() < 0.5:  # else few runs would have a horizon that anybody is away for
        faults = tuple(fault for fault in faults if fault not in DAMAGES)
    rows = random.choice((8, 1_024, 1_024))
    settle_ms = random.choice((0, 100, 1_000))
    return replace(knobs, faults=faults, repair_page_rows=rows, repair_settle_ms=settle_ms)


def _scale(seconds: int) -> int:
    return 1 if seconds <= SHORT_S else LONG_SCALE
