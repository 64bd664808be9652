"""Directories are lost one at a time, and whoever lost one is a voter again before the next is."""

from dataclasses import replace

from dynakv.sim.raft_cluster import RaftCluster
from dynakv.sim.raft_knobs import draw_raft
from dynakv.sim.universe import outcome_of


def run(seconds: int) -> RaftCluster:
    knobs = replace(draw_raft(1, seconds, 3), replicas=3, faults=("wipe",), faults_per_s=2.0)
    cluster = RaftCluster(knobs)
    assert outcome_of(cluster).violation == ""
    return cluster


def test_members_of_wiped_directories_are_replaced_and_nothing_is_broken() -> None:
    cluster = run(40)
    assert cluster.faults.counts["wipe"] > 1
    for process in cluster.processes:
        assert process.node is not None
        consensus = process.node.raft.consensus
        assert not consensus.stopped
        for group in consensus.groups.values():
            assert len(group.state.membership.voters) == 3
            assert group.state.replacements


def test_nobody_is_wiped_before_all_know_each_other() -> None:
    assert "wipe" not in run(3).faults.counts
