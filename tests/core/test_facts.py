"""Names of facts say what they are about."""

from dynakv.core import facts


def test_facts_are_found_by_kind() -> None:
    kept = {
        facts.group_name(facts.CUT, 0xFFFF_FFFF_FFFF_FFFF, 7): b"1",
        facts.group_name(facts.CLEAN, 3, 255): b"2",
        facts.peer_name(facts.PEER, "n2/a"): b"3",
    }
    assert list(facts.about_groups(kept, facts.CUT)) == [(0xFFFF_FFFF_FFFF_FFFF, 7, b"1")]
    assert list(facts.about_groups(kept, facts.CLEAN)) == [(3, 255, b"2")]
    assert list(facts.about_peers(kept, facts.PEER)) == [("n2/a", b"3")]
    assert list(facts.about_groups(kept, facts.RECOVERING)) == []
