"""Failure detection by gossip: SWIM probes with Lifeguard's local health, rumours, and full syncs.

Each interval a node probes one other member, in an order shuffled anew each round, so that each
one's turn comes within one round (SWIM, section 4.3). Who does not answer is probed again, directly
and through a few others; if nobody reaches it, it is suspected, and that is told to all, itself
included. A suspect refutes by a higher counter; if it does not in time, it counts as dead. The dead
stay in the round: a probe tells them what they are believed to be, and they refute. So a partition
heals.

News rides on probes and their answers. While there is any, a few probes more are sent per interval,
so that it reaches everybody within a second or two. All that a node knows is exchanged with one
other member now and then: that reaches even who missed every rumour.

A node that was paused distrusts itself first: probes that were under way show nothing, suspicions
last longer by the gap, and its local health is worse, so that it gives others more time.

What travels beside: of each member its `Vitals`, in every probe, answer and sync. They are for
people and for choosing whom to ask, and as old as the last round. Not a word of all this decides
where data lives, and none of it counts towards a quorum: members come and go by `admit` and
`expel`, never by hearsay, so that who was removed cannot gossip itself back.

Pure: the shell passes the time and the dice, and `ask` sends.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dynakv import limits
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
from dynakv.core.rumors import Rumor, Rumors
from dynakv.core.suspicion import Claim, Health, State, Suspicion, beats

Then = Callable[[Reply | None, int], None]  # the reply, None if none came in time, and the time
Ask = Callable[[str, Question, int, Then], None]  # to whom, what, within how many ms


class Times(Struct, frozen=True):
    """The intervals, which a shell may scale together. Milliseconds."""

    probe: int = limits.PROBE_MS
    timeout: int = limits.PROBE_TIMEOUT_MS
    suspicion_min: int = limits.SUSPICION_MS_MIN
    suspicion_max: int = limits.SUSPICION_MS_MAX
    tell: int = limits.TELL_MS
    sync: int = limits.SYNC_MS
    pause: int = limits.PAUSE_MS


BORN: Final = Claim(State.ALIVE, 0)
UNKNOWN: Final = Vitals()


class _Member:
    """What is known of another member."""

    __slots__ = ("claim", "vitals")

    def __init__(self) -> None:
        self.claim = BORN
        self.vitals = UNKNOWN


class Gossip:
    """One node's part in it. Times are monotonic milliseconds."""

    def __init__(
        self,
        node_id: str,
        members: Iterable[str],
        cluster_id: int,
        times: Times,
        random: Random,
        ask: Ask,
        now_ms: int,
    ) -> None:
        """Begin with every other member alive until shown otherwise."""
        self.node_id = node_id
        self.cluster_id = cluster_id
        self.health = Health()
        self.vitals = UNKNOWN
        self._own = BORN
        self._times = times
        self._random = random
        self._ask = ask
        self._now_ms = now_ms
        self._members = {m: _Member() for m in sorted(members) if m != node_id}
        self._suspects: dict[str, Suspicion] = {}  # exactly those of whom that is the claim
        self._rumors = Rumors()
        self._round: list[str] = []  # who is still to be probed in this round, the next one last
        self._life = 0  # rises with every pause: what was asked before shows nothing
        self._probe_ms = now_ms + random.randrange(times.probe)  # not all nodes at once
        self._tell_ms = now_ms
        self._sync_ms = now_ms + random.randrange(times.probe)
        self._changes: list[tuple[str, State]] = []

    def states(self) -> dict[str, State]:
        """Return what is believed of every other member."""
        return {node_id: member.claim.state for node_id, member in self._members.items()}

    def vitals_of(self, node_id: str) -> Vitals:
        """Return what a member last said of itself, as far as heard."""
        return self._members[node_id].vitals

    def take_changes(self) -> list[tuple[str, State]]:
        """Return whose state changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def describe(self, vitals: Vitals) -> None:
        """Say what the others shall hear of this node from now on."""
        self.vitals = replace(vitals, beat=self.vitals.beat + 1)

    def admit(self, node_id: str) -> None:
        """Count a new member in; probed at a random place of this round."""
        if node_id != self.node_id and node_id not in self._members:
            self._members[node_id] = _Member()
            self._round.insert(self._random.randrange(len(self._round) + 1), node_id)

    def expel(self, node_id: str) -> None:
        """Forget a member that was removed; what is still said of it is ignored."""
        self._members.pop(node_id, None)
        self._suspects.pop(node_id, None)
        self._rumors.forget(node_id)

    def leave(self) -> None:
        """Tell the others that this node stops: they need not suspect it first."""
        self._own = Claim(State.LEFT, self._own.counter)
        self._tell(Rumor(self.node_id, self._own, self.node_id))

    def wake_at(self) -> int:
        """Return when `tick` has something to do. O(suspects)."""
        wake_ms = min(self._probe_ms, self._sync_ms)
        if len(self._rumors):
            wake_ms = min(wake_ms, self._tell_ms)
        return min([wake_ms, *(suspicion.ends_ms for suspicion in self._suspects.values())])

    def tick(self, now_ms: int) -> None:
        """Do what is due: probe, tell, sync, and give suspects up. O(members)."""
        self._see(now_ms)
        for node_id in [
            n for n, suspicion in self._suspects.items() if now_ms >= suspicion.ends_ms
        ]:
            claim = Claim(State.DEAD, self._members[node_id].claim.counter)
            self._hear(Rumor(node_id, claim, self.node_id))
        if now_ms >= self._probe_ms:
            self._probe_ms = now_ms + self.health.scaled(self._times.probe)
            self._probe_next()
        if len(self._rumors) and now_ms >= self._tell_ms:
            self._tell_ms = now_ms + self._times.tell
            for node_id in self._some(limits.TELL_PEERS):
                self._ask(node_id, self._probe(node_id), self._times.probe, self._told(node_id))
        if now_ms >= self._sync_ms:
            sync_ms = self._times.sync
            self._sync_ms = now_ms + sync_ms - self._random.randrange(sync_ms // limits.SYNC_SPREAD)
            for node_id in self._some(1):
                self._ask(node_id, self._sync(), self._times.probe, self._told(node_id))

    def asked(
        self, sender: str, question: Question, now_ms: int, answer: Callable[[Reply], None]
    ) -> None:
        """Take a message of another node; `answer` is called once, perhaps later."""
        self._see(now_ms)
        if question.cluster_id != self.cluster_id or sender not in self._members:
            answer(Foreign(self.cluster_id))
            return
        match question:
            case Probe(_, vitals, rumors):
                self._learn(sender, vitals, rumors)
                answer(Probed(self.cluster_id, self.vitals, self._take(sender)))
            case ProbeFor(_, target, rumors):
                self._learn(sender, UNKNOWN, rumors)
                self._probe_for(sender, target, answer)
            case Sync():
                answer(self._sync())
                self._merge(sender, question)

    def _see(self, now_ms: int) -> None:
        """Notice a pause of this node: it was to wake, and did so much later."""
        gap_ms = now_ms - max(self._now_ms, min(self.wake_at(), now_ms))
        self._now_ms = now_ms
        if gap_ms <= self._times.pause:
            return
        self._life += 1
        self.health.worse(gap_ms // self._times.pause)
        for suspicion in self._suspects.values():
            suspicion.forgive(gap_ms)
        self._probe_ms = self._sync_ms = now_ms  # what happened meanwhile?

    # --- probes ---------------------------------------------------------------------------------

    def _probe_next(self) -> None:
        """Probe the next member of the round; those that left are not probed."""
        for _ in range(len(self._round) + len(self._members)):
            if not self._round:
                self._round = list(self._members)
                self._random.shuffle(self._round)
            node_id = self._round.pop()
            if node_id in self._members and self._state(node_id) is not State.LEFT:
                self._probe_one(node_id)
                return

    def _probe_one(self, node_id: str) -> None:
        life, timeout_ms = self._life, self.health.scaled(self._times.timeout)
        ends_ms = self._now_ms + self.health.scaled(self._times.probe)

        def probed(reply: Reply | None, now_ms: int) -> None:
            self._see(now_ms)
            if self._answered(node_id, reply):
                self.health.better()
            elif life == self._life and self._state(node_id) in (State.ALIVE, State.SUSPECT):
                self._probe_again(node_id, max(1, ends_ms - now_ms))

        self._ask(node_id, self._probe(node_id), timeout_ms, probed)

    def _probe_again(self, node_id: str, timeout_ms: int) -> None:
        """Probe once more, directly and through some others; suspect whom nobody reaches."""
        helpers = self._some(limits.PROBE_HELPERS, without=node_id)
        life, waiting, silent, reached = self._life, len(helpers) + 1, int(not helpers), False

        def tried(asked: str) -> Then:
            def then(reply: Reply | None, now_ms: int) -> None:
                nonlocal waiting, silent, reached
                self._see(now_ms)
                waiting -= 1
                answered = self._answered(asked, reply)
                silent += not answered and asked != node_id
                reached |= answered and not (isinstance(reply, ProbedFor) and not reply.reached)
                if not (waiting or reached) and life == self._life:
                    # Helpers that do not even say "not reached" make this node doubt itself.
                    self.health.worse(silent)
                    self._suspect(node_id)

            return then

        self._ask(node_id, self._probe(node_id), timeout_ms, tried(node_id))
        for helper in helpers:
            question = ProbeFor(self.cluster_id, node_id, self._take(helper))
            self._ask(helper, question, timeout_ms, tried(helper))

    def _probe_for(self, sender: str, target: str, answer: Callable[[Reply], None]) -> None:
        """Probe for another member, and tell it in time even what failed."""

        def probed(reply: Reply | None, now_ms: int) -> None:
            self._see(now_ms)
            reached = self._answered(target, reply)
            answer(ProbedFor(self.cluster_id, reached, self._take(sender)))

        if target == self.node_id or target not in self._members:
            answer(ProbedFor(self.cluster_id, target == self.node_id, self._take(sender)))
        else:
            self._ask(target, self._probe(target), self._times.timeout // 2, probed)

    def _answered(self, node_id: str, reply: Reply | None) -> bool:
        """Learn from a reply; False if it is none of a member of this cluster."""
        if reply is None or reply.cluster_id != self.cluster_id or node_id not in self._members:
            return False
        match reply:
            case Foreign():
                return False
            case Probed(_, vitals, rumors):
                self._learn(node_id, vitals, rumors)
            case ProbedFor(_, _, rumors):
                self._learn(node_id, UNKNOWN, rumors)
            case Sync():
                self._merge(node_id, reply)
        return True

    def _told(self, node_id: str) -> Then:
        """Learn from what comes back; silence shows nothing, since nobody else tried."""

        def then(reply: Reply | None, now_ms: int) -> None:
            self._see(now_ms)
            self._answered(node_id, reply)

        return then

    # --- claims ---------------------------------------------------------------------------------

    def _suspect(self, node_id: str) -> None:
        if node_id in self._members:
            claim = Claim(State.SUSPECT, self._members[node_id].claim.counter)
            self._hear(Rumor(node_id, claim, self.node_id))

    def _learn(self, sender: str, vitals: Vitals, rumors: Iterable[Rumor]) -> None:
        member = self._members[sender]
        if vitals.beat > member.vitals.beat or self._restarted(vitals, member):
            member.vitals = vitals
        for rumor in rumors:
            self._hear(rumor)

    @staticmethod
    def _restarted(vitals: Vitals, member: _Member) -> bool:
        """Say whether what a member says itself begins anew; 0 is no news."""
        return 0 < vitals.beat < member.vitals.beat

    def _hear(self, rumor: Rumor) -> None:
        """Believe a rumour if it is news, and pass it on."""
        node_id, claim = rumor.node_id, rumor.claim
        if node_id == self.node_id:
            self._hear_of_self(claim)
            return
        member = self._members.get(node_id)
        if member is None:
            return
        if beats(claim, member.claim):
            before, member.claim = member.claim.state, claim
            self._suspects.pop(node_id, None)
            if claim.state is State.SUSPECT:
                self._suspects[node_id] = self._suspicion(rumor)
            if claim.state is not before:
                self._changes.append((node_id, claim.state))
            self._tell(rumor)
        elif (
            node_id in self._suspects
            and claim == member.claim
            and self._suspects[node_id].confirm(rumor.accuser)
        ):
            self._tell(rumor)

    def _suspicion(self, rumor: Rumor) -> Suspicion:
        """Return a new suspicion; all who are not known to be gone may confirm it."""
        gone = (State.DEAD, State.LEFT)
        others = sum(m.claim.state not in gone for m in self._members.values()) - 1
        scale = (self._times.suspicion_min, self._times.suspicion_max)
        return Suspicion(rumor.accuser, others, self._now_ms, scale)

    def _hear_of_self(self, claim: Claim) -> None:
        """Refute what is wrong, by a higher counter. A former life may have had one, too."""
        if self._own.state is State.LEFT:
            return
        if claim.state is State.ALIVE:
            if beats(claim, self._own):
                self._own = claim
            return
        if beats(claim, self._own):
            if claim.state is State.SUSPECT:
                self.health.worse(1)
            self._own = Claim(State.ALIVE, claim.counter + 1)
        # Also against an old accusation: who still holds it has missed the refutation.
        self._tell(Rumor(self.node_id, self._own, self.node_id))

    def _merge(self, sender: str, sync: Sync) -> None:
        """Learn all that another member knows. What it only heard confirms no suspicion."""
        for node_id, claim, vitals in sync.members:
            if node_id == sender:
                self._learn(sender, vitals, ())
            elif node_id in self._members and vitals.beat > self._members[node_id].vitals.beat:
                self._members[node_id].vitals = vitals
            held = self._members[node_id].claim if node_id in self._members else self._own
            if beats(claim, held):
                self._hear(Rumor(node_id, claim, sender))

    # --- what is sent ---------------------------------------------------------------------------

    def _probe(self, node_id: str) -> Probe:
        return Probe(self.cluster_id, self.vitals, self._take(node_id))

    def _sync(self) -> Sync:
        others = ((m, member.claim, member.vitals) for m, member in self._members.items())
        return Sync(self.cluster_id, ((self.node_id, self._own, self.vitals), *others))

    def _take(self, to: str) -> tuple[Rumor, ...]:
        """Return rumours for a message; to somebody accused, first of what."""
        first: list[Rumor] = []
        if self._state(to) is not State.ALIVE:
            first = [Rumor(to, self._members[to].claim, self.node_id)]
        return self._rumors.take(len(self._members) + 1, first)

    def _tell(self, rumor: Rumor) -> None:
        if not len(self._rumors):
            self._tell_ms = self._now_ms + self._times.tell
        self._rumors.add(rumor)

    def _some(self, count: int, without: str = "") -> list[str]:
        """Return up to so many other members that are alive, drawn by lot."""
        alive = [
            node_id
            for node_id, member in self._members.items()
            if node_id != without and member.claim.state is State.ALIVE
        ]
        return self._random.sample(alive, min(count, len(alive)))

    def _state(self, node_id: str) -> State:
        member = self._members.get(node_id)
        return member.claim.state if member else State.LEFT
