"""What a seed decides of a run in Raft mode: the common knobs, and those that only Raft has."""

from dataclasses import replace
from random import Random

from dynakv.sim.knobs import Knobs, draw

# Disks damage no rows and are not set back: where two members of a group would doubt what they know
# at the same time, the group has no majority, and the budget of these faults does not count that.
# What a member does that has forgotten is shown by `wipe`, one at a time.
FAULTS_LEFT_OUT = ("bit_flip", "fresh_flip", "away", "older_image")


def draw_raft(seed: int, seconds: int, nodes: int | None = None) -> Knobs:
    """Return the universe of a seed; `nodes` overrides the size of its cluster."""
    random = Random(seed ^ 0x5AF7)  # noqa: S311 - a seed decides, nothing is secret
    knobs = draw(seed, seconds, nodes)
    faults = tuple(fault for fault in knobs.faults if fault not in FAULTS_LEFT_OUT)
    size = random.choice((1, 3, 3, 3, 3, 4, 5, 5))
    kept_max = random.choice((10, 60, 4_096))
    made = replace(
        knobs,
        nodes=nodes if nodes is not None else size,
        replicas=random.choice((3, 3, 3, 5)),
        groups=random.choice((1, 2)),
        faults=faults,
        corrupt_share=0.0,
        raft_tick_ms=random.choice((20, 50, 100)),
        raft_attempt_ms=random.choice((200, 500, 1_000)),
        raft_log_entries_max=kept_max,
        raft_log_entries_kept=kept_max // random.choice((2, 4)),
    )
    # Behind all other draws, so that those stay what they were for their seeds.
    made = replace(made, faults=(*faults, "wipe")) if random.random() < 0.6 else made
    return replace(made, raft_log_bytes_max=random.choice((2_000, 16 << 20, 16 << 20)))
