"""What the door knows of a keyspace's mode: what it can do there, and in which group a key lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dynakv.core.layout import Layout, Mode, group_shift, token_of
from dynakv.resp.replies import CommandError
from dynakv.rpc.ports import Inbox


@dataclass(frozen=True, slots=True)
class Keyspace:
    """Of one keyspace, as far as commands depend on it."""

    name: str
    raft: bool
    hash_tags: bool
    shift: int
    default_ttl_ms: int  # of commands that set a value and name no expiry; 0: none

    def check_one_group(self, keys: Sequence[bytes]) -> None:
        """Raise CommandError where keys that one step must change lie in several groups."""
        if len(keys) < 2 or len({self._group(key) for key in keys}) == 1:
            return
        hint = (
            "a {hash tag} brings them together"
            if self.hash_tags
            else "a keyspace with hash tags lets them share one"
        )
        raise CommandError(
            "CROSSSLOT Keys in request don't hash to the same slot: what is done in one step lies"
            f" in one shard group of the Raft keyspace '{self.name}'; {hint}; nothing was done"
        )

    def _group(self, key: bytes) -> int:
        return token_of(key, hash_tags=self.hash_tags) >> self.shift


_NONE: Final = Keyspace("", raft=False, hash_tags=False, shift=63, default_ttl_ms=0)


class Modes:
    """The keyspaces of the layout in force, looked at anew when it changes."""

    __slots__ = ("_inbox", "_keyspaces", "_layout")

    def __init__(self, inbox: Inbox) -> None:
        """Follow the layout of `inbox`."""
        self._inbox = inbox
        self._layout: Layout | None = None
        self._keyspaces: dict[str, Keyspace] = {}

    def of(self, name: str) -> Keyspace:
        """Return what is known of a keyspace; one that is not there counts as leaderless."""
        layout = self._inbox.layout()
        if layout is not self._layout:
            self._layout = layout
            self._keyspaces = {
                settings.name: Keyspace(
                    settings.name,
                    settings.mode is Mode.RAFT,
                    settings.hash_tags,
                    group_shift(settings.groups),
                    settings.default_ttl_ms,
                )
                for settings in (keyspace.settings for keyspace in layout.keyspaces)
            }
        return self._keyspaces.get(name, _NONE)
