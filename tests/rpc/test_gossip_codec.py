"""The messages of gossip survive their wire form, and what does not fit together is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv.core.gossip_messages import (
    Probe,
    Probed,
    ProbedFor,
    ProbeFor,
    Question,
    Sync,
    Vitals,
)
from dynakv.core.rumors import Rumor
from dynakv.core.suspicion import Claim, State
from dynakv.errors import PeerError
from dynakv.node.messages import Header, PeerReply
from dynakv.rpc import codec
from dynakv.rpc.gossip_codec import fits_gossip, gossip_message_of
from dynakv.v1 import node_internal_pb2 as pb

HEADER = Header(1, "n1", 7, 2, 3, 4, 5)

counters = st.integers(0, 2**64 - 1)
names = st.text(min_size=1, max_size=8)
claims = st.builds(Claim, st.sampled_from(State), counters)
vitals = st.builds(
    Vitals,
    counters,
    st.text(max_size=8),
    st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1),
    counters,
    counters,
)
rumors = st.lists(st.builds(Rumor, names, claims, names), max_size=4).map(tuple)
members = st.lists(st.tuples(names, claims, vitals), max_size=4).map(tuple)
questions = st.one_of(
    st.builds(Probe, counters, vitals, rumors),
    st.builds(ProbeFor, counters, names, rumors),
    st.builds(Sync, counters, members),
)
replies = st.one_of(
    st.builds(Probed, counters, vitals, rumors),
    st.builds(ProbedFor, counters, st.booleans(), rumors),
    st.builds(Sync, counters, members),
)


@given(questions, replies)
@settings(max_examples=50)
def test_messages_come_out_of_a_frame_as_they_went_in(question: Question, reply: PeerReply) -> None:
    parts = [codec.ask_part(1, 500, question), codec.reply_part(2, reply)]
    frame = codec.decode_frame(codec.frame(HEADER, parts))
    assert frame.asks == [(1, question)]
    assert frame.replies == [(2, reply)]


def test_columns_that_do_not_fit_together_and_unknown_states_are_refused() -> None:
    good = pb.Claims(node_ids=["a"], states=[1], counters=[1], accusers=["b"])
    short, shorter, newer = pb.Claims(), pb.Claims(), pb.Claims()
    for wrong in (short, shorter, newer):
        wrong.CopyFrom(good)
    del short.accusers[:]
    del shorter.counters[:]
    newer.states[0] = 9  # type: ignore[call-overload]
    for wrong, why in (
        (short, "1 rumours of 0 accusers"),
        (shorter, "columns differ in length"),
        (newer, "claims state 9"),
    ):
        with pytest.raises(PeerError, match=why):
            gossip_message_of("probe", pb.Ask(probe=pb.Probe(rumors=wrong)))
    with pytest.raises(PeerError, match="1 claims and 0 vitals"):
        gossip_message_of("sync", pb.Ask(sync=pb.Sync(claims=good)))


def test_a_reply_fits_only_the_question_of_its_kind() -> None:
    probe, wanted, sync = Probe(1, Vitals(), ()), ProbeFor(1, "a", ()), Sync(1, ())
    probed, tried = Probed(1, Vitals(), ()), ProbedFor(1, True, ())
    fitting = [(probe, probed), (wanted, tried), (sync, sync)]
    for question in (probe, wanted, sync):
        for reply in (probed, tried, sync):
            assert fits_gossip(question, reply) is ((question, reply) in fitting)
