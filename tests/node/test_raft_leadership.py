"""Leaders go where they are asked to, stay there, and spread evenly again when told."""

from tests.node.raft_nodes import RaftNodes

KEY = b"k"
BALANCED_MS = 15_000  # some looks around


def settled() -> RaftNodes:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(BALANCED_MS)
    return nodes


def take(nodes: RaftNodes, node_id: str) -> str:
    why = nodes.nodes[node_id].take_leadership(
        nodes.keyspace_id, nodes.group_of(KEY), nodes.clock_of(node_id)
    )
    nodes.run()
    nodes.pass_ms(200)
    return why


def test_a_node_leads_a_group_that_it_was_asked_to_lead_and_goes_on_doing_so() -> None:
    nodes = settled()
    other = nodes.others(KEY)[0]
    assert take(nodes, other) == ""
    assert nodes.leader(KEY) == other
    nodes.pass_ms(BALANCED_MS)
    assert nodes.leader(KEY) == other
    assert nodes.value(KEY) == b"v"


def test_balance_takes_back_what_was_given_by_hand() -> None:
    nodes = settled()
    before, other = nodes.leader(KEY), nodes.others(KEY)[0]
    take(nodes, other)
    handed = nodes.nodes[other].rebalance_leaders(None, nodes.clock_of(other))
    nodes.run()
    nodes.pass_ms(200)
    assert handed == 1
    assert nodes.leader(KEY) == before


def test_who_lost_a_leadership_that_it_was_given_does_not_want_it_back() -> None:
    nodes = settled()
    before, other = nodes.leader(KEY), nodes.others(KEY)[0]
    take(nodes, other)
    take(nodes, before)
    assert nodes.leader(KEY) == before
    take(nodes, nodes.others(KEY)[1])
    assert nodes.leader(KEY) not in (before, other)
    nodes.pass_ms(BALANCED_MS)
    assert nodes.leader(KEY) not in (before, other)


def test_a_group_that_is_not_there_cannot_be_led() -> None:
    nodes = settled()
    why = nodes.nodes["n1"].take_leadership(nodes.keyspace_id, 9_999, nodes.clock_of("n1"))
    assert "no member" in why
