"""Claims about `dynakv.node.messages`: what the rules of a node rest on survives the wire."""

from dynakv.core.record import written
from dynakv.node.messages import Header, Loaded, Outcome, Save
from dynakv.rpc import codec

HEAD = Header(1, "n2", 1, 2, 3, 4, 5)


def test_a_heal_is_still_a_heal_and_a_plain_save_is_none() -> None:
    record = written(b"k", b"v", 0, 1, 1)
    for heals in (True, False):
        save = Save(1, 1, [record], heals=heals)
        frame = codec.decode_frame(codec.frame(HEAD, [codec.ask_part(7, 100, save)]))
        assert frame.asks[0][1] == save


def test_every_outcome_arrives_as_what_it_was_sent_as() -> None:
    outcomes = list(Outcome)
    loaded = Loaded(outcomes, [None] * len(outcomes))
    frame = codec.decode_frame(codec.frame(HEAD, [codec.reply_part(7, loaded)]))
    ((_, reply),) = frame.replies
    assert isinstance(reply, Loaded)
    assert reply == loaded
    assert reply.outcomes is not None
    assert all(mine is sent for mine, sent in zip(reply.outcomes, outcomes, strict=True))
