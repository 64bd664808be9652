"""`python -m dynakv.sim --seed 7`: run universes, say what happened, exit 1 at a violation."""

import argparse
import sys
import time
from collections.abc import Sequence

from dynakv.sim.cluster import simulate
from dynakv.sim.knobs import draw
from dynakv.sim.raft_cluster import simulate_raft
from dynakv.sim.raft_knobs import draw_raft
from dynakv.sim.universe import Result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds asked for; the last line is the trace hash of the last run."""
    parser = argparse.ArgumentParser(prog="python -m dynakv.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to run (default 1)")
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="virtual minutes under faults (default 1)"
    )
    parser.add_argument("--nodes", type=int, help="cluster size (default: the seed decides)")
    parser.add_argument("--raft", action="store_true", help="a keyspace in Raft mode")
    parser.add_argument("--quiet", action="store_true", help="one line a seed")
    chosen = parser.parse_args(arguments)
    trace_hash = ""
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        seconds = max(1, round(chosen.minutes * 60))
        began = time.perf_counter()
        if chosen.raft:
            result = simulate_raft(draw_raft(seed, seconds, chosen.nodes))
        else:
            result = simulate(draw(seed, seconds, chosen.nodes))
        real_s = time.perf_counter() - began
        say(result, real_s, quiet=chosen.quiet)
        trace_hash = result.trace_hash
        if result.violation:
            print(trace_hash)
            return 1
    print(trace_hash)
    return 0


def say(result: Result, real_s: float, *, quiet: bool) -> None:
    """Print what a run came to; all of it when it failed."""
    knobs = result.knobs
    verdict = "VIOLATION" if result.violation else "ok"
    failed = sum(c for what, c in result.counts.items() if what.startswith("failed"))
    print(
        f"seed {knobs.seed}: {verdict}, {knobs.nodes} nodes, {result.counts.get('ok', 0)} entries"
        f" ok, {failed} failed, {sum(result.faults.values())} faults,"
        f" {result.virtual_s / real_s:.0f} virtual seconds per second"
    )
    if quiet and not result.violation:
        return
    print("knobs:", *knobs.lines(), sep="\n")
    for title in ("counts", "faults", "network", "notes"):
        counts = getattr(result, title)
        print(f"{title}: " + ", ".join(f"{name} {counts[name]}" for name in sorted(counts)))
    if result.violation:
        print("last events:", *(f"  {line}" for line in result.last_lines), sep="\n")
        print(f"seed {knobs.seed} broke {result.violation}")


if __name__ == "__main__":
    sys.exit(main())
