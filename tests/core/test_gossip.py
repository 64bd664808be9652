"""One member's part in gossip, message by message; `tests/sim/test_gossip.py` has many."""

from random import Random

from msgspec import Struct

from dynakv import limits
from dynakv.core.gossip import Gossip, Then, Times
from dynakv.core.gossip_messages import (
    Foreign,
    Probe,
    Probed,
    ProbedFor,
    ProbeFor,
    Question,
    Reply,
    Sync,
    Vitals,
)
from dynakv.core.rumors import Rumor
from dynakv.core.suspicion import Claim, State

CLUSTER = 7


class Sent(Struct):
    to: str
    question: Question
    timeout_ms: int
    then: Then


class Member:
    """A gossip of `me` among others, whose messages are kept."""

    def __init__(self, *others: str) -> None:
        self.sent: list[Sent] = []
        self.gossip = Gossip(
            "me",
            ["me", *others],
            CLUSTER,
            Times(),
            Random(1),
            lambda to, question, ms, then: self.sent.append(Sent(to, question, ms, then)),
            0,
        )

    def take(self) -> list[Sent]:
        sent, self.sent = self.sent, []
        return sent

    def until(self, ms: int) -> list[Sent]:
        """Tick whenever it is due, answering syncs and tells with silence; return the probes."""
        while self.gossip.wake_at() <= ms:
            self.gossip.tick(self.gossip.wake_at())
        return self.take()

    def asked(self, sender: str, question: Question, now_ms: int) -> list[Reply]:
        replies: list[Reply] = []
        self.gossip.asked(sender, question, now_ms, replies.append)
        return replies

    def state(self, name: str) -> State:
        return self.gossip.states()[name]

    def suspect(self, name: str) -> int:
        """Let probes of one member fail until it is suspected; return when."""
        while self.state(name) is State.ALIVE:
            now_ms = self.gossip.wake_at()
            self.gossip.tick(now_ms)
            while sent := self.take():
                for one in sent:
                    silent = name in (one.to, getattr(one.question, "target", ""))
                    one.then(None if silent else reply(one.question), now_ms)
        return now_ms


def reply(question: Question) -> Reply:
    match question:
        case Probe():
            return Probed(CLUSTER, Vitals(), ())
        case ProbeFor():
            return ProbedFor(CLUSTER, True, ())
        case Sync():
            return Sync(CLUSTER, ())


def rumor(name: str, state: State, counter: int, accuser: str = "a") -> Rumor:
    return Rumor(name, Claim(state, counter), accuser)


def told(*rumors: Rumor) -> Probe:
    return Probe(CLUSTER, Vitals(), rumors)


def test_every_member_is_probed_once_a_round() -> None:
    member = Member("a", "b", "c")
    probed = []
    while len(probed) < 12:
        member.gossip.tick(member.gossip.wake_at())
        probed += [s.to for s in member.take() if isinstance(s.question, Probe)]
    for i in range(0, 12, 3):
        assert sorted(probed[i : i + 3]) == ["a", "b", "c"]


def test_who_does_not_answer_is_probed_directly_and_through_others_before_it_is_suspected() -> None:
    member = Member("a", "b", "c", "d", "e")
    member.gossip.tick(999)
    first = next(s for s in member.take() if isinstance(s.question, Probe))
    assert first.timeout_ms == limits.PROBE_TIMEOUT_MS
    first.then(None, 1_499)
    again = member.take()
    assert [s.to for s in again if isinstance(s.question, Probe)] == [first.to]
    helpers = [s for s in again if isinstance(s.question, ProbeFor)]
    assert len(helpers) == limits.PROBE_HELPERS
    assert all(s.question == ProbeFor(CLUSTER, first.to, ()) for s in helpers)
    for one in again[:-1]:
        no = ProbedFor(CLUSTER, False, ())
        one.then(no if isinstance(one.question, ProbeFor) else None, 1_900)
        assert member.state(first.to) is State.ALIVE
    again[-1].then(ProbedFor(CLUSTER, False, ()), 1_990)
    assert member.state(first.to) is State.SUSPECT
    assert member.gossip.take_changes() == [(first.to, State.SUSPECT)]
    assert member.gossip.health.score == 0  # all helpers answered: it is not this node


def test_one_helper_that_reaches_it_is_enough() -> None:
    member = Member("a", "b", "c")
    member.gossip.tick(999)
    first = next(s for s in member.take() if isinstance(s.question, Probe))
    first.then(None, 1_499)
    for one in member.take():
        helps = isinstance(one.question, ProbeFor)
        one.then(ProbedFor(CLUSTER, True, ()) if helps else None, 1_600)
    assert member.state(first.to) is State.ALIVE


def test_helpers_that_stay_silent_make_a_node_doubt_itself_and_wait_longer() -> None:
    member = Member("a", "b", "c")
    member.gossip.tick(999)
    first = next(s for s in member.take() if isinstance(s.question, Probe))
    first.then(None, 1_499)
    for one in member.take():
        one.then(None, 1_999)
    assert member.gossip.health.score == 2
    member.gossip.tick(2_000)
    probes = [s for s in member.take() if isinstance(s.question, Probe)]
    assert probes[0].timeout_ms == 3 * limits.PROBE_TIMEOUT_MS
    probes[0].then(reply(probes[0].question), 2_050)
    assert member.gossip.health.score == 1


def test_a_suspect_that_does_not_refute_counts_as_dead() -> None:
    member = Member("a", "b")
    at_ms = member.suspect("a")
    member.asked("b", told(rumor("a", State.SUSPECT, 0, "b")), at_ms)  # the one that can confirm
    member.until(at_ms + limits.SUSPICION_MS_MIN - 1)
    assert member.state("a") is State.SUSPECT
    member.until(at_ms + limits.SUSPICION_MS_MIN)
    assert member.state("a") is State.DEAD


def test_a_suspect_that_refutes_is_alive_and_old_accusations_do_not_count_again() -> None:
    member = Member("a", "b")
    at_ms = member.suspect("a")
    member.asked("b", told(rumor("a", State.ALIVE, 1)), at_ms)
    assert member.state("a") is State.ALIVE
    member.asked("b", told(rumor("a", State.DEAD, 0)), at_ms)
    assert member.state("a") is State.ALIVE
    member.until(at_ms + 2 * limits.SUSPICION_MS_MAX)
    assert member.state("a") is State.ALIVE


def test_the_accused_is_told_first_and_refutes_by_a_higher_counter() -> None:
    member = Member("a", "b")
    at_ms = member.suspect("a")
    (answer,) = member.asked("a", told(), at_ms)
    assert isinstance(answer, Probed)
    assert answer.rumors[0] == rumor("a", State.SUSPECT, 0, "me")
    accused = Member("a", "b")
    (answer,) = accused.asked("a", told(rumor("me", State.DEAD, 4)), 10)
    assert isinstance(answer, Probed)
    assert answer.rumors == (rumor("me", State.ALIVE, 5, "me"),)
    for _ in range(20):  # who still says so has missed it, however often it was told
        (answer,) = accused.asked("a", told(rumor("me", State.SUSPECT, 3)), 20)
        assert isinstance(answer, Probed)
        assert answer.rumors == (rumor("me", State.ALIVE, 5, "me"),)


def test_a_new_life_goes_on_from_the_counter_of_the_former_one() -> None:
    member = Member("a")
    claims = (("me", Claim(State.ALIVE, 9), Vitals()), ("a", Claim(State.ALIVE, 0), Vitals()))
    member.asked("a", Sync(CLUSTER, claims), 10)
    (answer,) = member.asked("a", told(rumor("me", State.SUSPECT, 9)), 20)
    assert isinstance(answer, Probed)
    assert answer.rumors == (rumor("me", State.ALIVE, 10, "me"),)


def test_who_leaves_says_so_is_not_probed_any_more_and_does_not_refute() -> None:
    member = Member("a", "b")
    member.asked("b", told(rumor("a", State.LEFT, 0, "a")), 10)
    assert member.state("a") is State.LEFT
    assert {s.to for s in member.until(20_000) if isinstance(s.question, Probe)} == {"b"}
    member.asked("b", told(rumor("a", State.ALIVE, 1, "a")), 20_000)  # started again
    assert member.state("a") is State.ALIVE
    leaving = Member("a")
    leaving.gossip.leave()
    (answer,) = leaving.asked("a", told(rumor("me", State.DEAD, 3)), 10)
    assert isinstance(answer, Probed)
    assert answer.rumors == (rumor("me", State.LEFT, 0, "me"),)


def test_the_dead_are_still_probed_so_that_they_hear_of_it() -> None:
    member = Member("a")
    member.asked("a", told(rumor("a", State.DEAD, 0)), 0)
    probes = [s for s in member.until(2_000) if isinstance(s.question, Probe)]
    assert probes[-1].question == told(rumor("a", State.DEAD, 0, "me"))
    probes[-1].then(None, 2_400)
    assert member.take() == []  # nobody is troubled for it
    probes[-1].then(Probed(CLUSTER, Vitals(), (rumor("a", State.ALIVE, 1),)), 2_450)
    assert member.state("a") is State.ALIVE


def test_members_of_another_cluster_and_strangers_learn_nothing_and_count_as_silent() -> None:
    member = Member("a", "b")
    lie = (rumor("b", State.DEAD, 5),)
    assert member.asked("a", Probe(8, Vitals(), lie), 10) == [Foreign(CLUSTER)]
    assert member.asked("x", Probe(CLUSTER, Vitals(), lie), 10) == [Foreign(CLUSTER)]
    assert member.state("b") is State.ALIVE
    member.gossip.tick(999)
    first = next(s for s in member.take() if isinstance(s.question, Probe))
    first.then(Probed(8, Vitals(), lie), 1_010)
    assert any(isinstance(s.question, ProbeFor) for s in member.take())
    assert member.state("b") is State.ALIVE


def test_a_removed_member_cannot_gossip_itself_back() -> None:
    member = Member("a", "b")
    member.suspect("b")
    member.gossip.expel("b")
    assert set(member.gossip.states()) == {"a"}
    member.asked("a", told(rumor("b", State.ALIVE, 99)), 5_000)
    claims = (("b", Claim(State.ALIVE, 100), Vitals()),)
    member.asked("a", Sync(CLUSTER, claims), 5_000)
    assert member.asked("b", told(), 5_000) == [Foreign(CLUSTER)]
    assert set(member.gossip.states()) == {"a"}
    member.until(60_000)
    member.gossip.admit("c")
    assert member.state("c") is State.ALIVE
    assert "c" in {s.to for s in member.until(64_000) if isinstance(s.question, Probe)}


def test_a_paused_node_distrusts_itself_first() -> None:
    member = Member("a", "b", "c")
    at_ms = member.suspect("a")
    gap_ms = 2 * limits.SUSPICION_MS_MAX
    member.gossip.tick(at_ms + gap_ms)
    assert all(state is not State.DEAD for state in member.gossip.states().values())
    assert member.gossip.health.score == limits.HEALTH_MAX
    # The suspicion goes on where it stood.
    member.until(at_ms + gap_ms + limits.SUSPICION_MS_MIN - limits.PROBE_MS)
    assert member.state("a") is State.SUSPECT
    member.until(at_ms + gap_ms + limits.SUSPICION_MS_MAX + limits.PROBE_MS)
    assert member.state("a") is State.DEAD


def test_probes_that_were_under_way_in_a_pause_show_nothing() -> None:
    member = Member("a", "b", "c")
    member.gossip.tick(999)
    first = next(s for s in member.take() if isinstance(s.question, Probe))
    first.then(None, 30_000)  # its own timer, after the pause
    assert [s for s in member.take() if isinstance(s.question, ProbeFor)] == []
    member.gossip.tick(30_000)
    second = next(s for s in member.take() if isinstance(s.question, Probe))
    second.then(None, 30_500)
    for one in member.take():
        one.then(None, 60_000)
    assert set(member.gossip.states().values()) == {State.ALIVE}


def test_vitals_travel_with_probes_and_syncs_and_the_newest_stay() -> None:
    member = Member("a", "b")
    member.gossip.describe(Vitals(load=5))
    assert member.gossip.vitals == Vitals(beat=1, load=5)
    (answer,) = member.asked("a", Probe(CLUSTER, Vitals(beat=3, load=1), ()), 10)
    assert answer == Probed(CLUSTER, Vitals(beat=1, load=5), ())
    old, new = Vitals(beat=2, load=9), Vitals(beat=4, load=7)
    born = Claim(State.ALIVE, 0)
    member.asked("b", Sync(CLUSTER, (("a", born, old), ("b", born, new))), 20)
    assert member.gossip.vitals_of("a").load == 1
    assert member.gossip.vitals_of("b").load == 7
    member.asked("a", Probe(CLUSTER, Vitals(beat=1, load=2), ()), 30)  # a new life
    assert member.gossip.vitals_of("a").load == 2


def test_what_was_only_heard_in_a_sync_confirms_no_suspicion() -> None:
    member = Member("a", "b", "c")
    at_ms = member.suspect("a")
    claims = (("a", Claim(State.SUSPECT, 0), Vitals()),)
    for other in ("b", "c"):
        member.asked(other, Sync(CLUSTER, claims), at_ms)
    member.until(at_ms + limits.SUSPICION_MS_MIN + 1_000)
    assert member.state("a") is State.SUSPECT


def test_who_is_asked_to_probe_says_in_time_what_came_of_it() -> None:
    for outcome, reached in ((Probed(CLUSTER, Vitals(), ()), True), (None, False)):
        member = Member("a", "b")
        replies: list[Reply] = []
        member.gossip.asked("a", ProbeFor(CLUSTER, "b", ()), 10, replies.append)
        (probe,) = member.take()
        assert (probe.to, replies) == ("b", [])
        assert probe.timeout_ms < limits.PROBE_TIMEOUT_MS
        probe.then(outcome, 100)
        assert replies == [ProbedFor(CLUSTER, reached, ())]
    assert member.asked("a", ProbeFor(CLUSTER, "x", ()), 20) == [ProbedFor(CLUSTER, False, ())]
