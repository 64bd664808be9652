"""What may be done to the keyspaces of a layout: the changes, why one is refused, what it makes.

A change makes a layout of the next epoch. Members and the placement of the other keyspaces stay as
they are, so requests for those go on whichever of the two layouts a node has. Ids are never reused,
names may be; mode, replicas, groups and hash tags are fixed for the life of a keyspace.
"""

import re
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from dynakv import limits
from dynakv.core import layout as layouts
from dynakv.core.layout import (
    DEFAULT_KEYSPACE,
    KeyspaceId,
    KeyspaceSettings,
    Layout,
    Level,
    Mode,
)
from dynakv.errors import Failure, Kind

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What this version does not have: refused by name where a keyspace is made, and in configurations.
LATER_MODES: Final = {
    Mode.ORDERED: "ordered keyspaces (linearizable by two rounds of a quorum)",
}


class CreateKeyspace(Struct, frozen=True, gc=False):
    """Add a keyspace, empty."""

    settings: KeyspaceSettings
    if_epoch: int = 0  # > 0: only while the layout has this epoch
    timeout_ms: int = 0  # 0: the node's default


class AlterKeyspace(Struct, frozen=True, gc=False):
    """Change what may change of a keyspace; what is None or UNSET stays as it is."""

    keyspace: str
    default_level: Level | None = None
    default_ttl_ms: int | None = None
    redis_number: int | UnsetType | None = UNSET  # None takes it off
    if_epoch: int = 0
    timeout_ms: int = 0


class DropKeyspace(Struct, frozen=True, gc=False):
    """Remove a keyspace with all it holds."""

    keyspace: str
    if_epoch: int = 0
    timeout_ms: int = 0


KeyspaceChange = CreateKeyspace | AlterKeyspace | DropKeyspace


def name_of(change: KeyspaceChange) -> str:
    """Return the name of the keyspace that a change is about."""
    return change.settings.name if isinstance(change, CreateKeyspace) else change.keyspace


def refusal(layout: Layout, change: KeyspaceChange) -> Failure | None:
    """Return why a change cannot be made to this layout, or None."""
    if change.if_epoch and change.if_epoch != layout.epoch:
        return _precondition(
            f"if_epoch is {change.if_epoch}, the layout has epoch {layout.epoch}:"
            " somebody changed it meanwhile; look again"
        )
    if isinstance(change, CreateKeyspace):
        return _creation_refusal(layout, change.settings)
    if layout.keyspace(change.keyspace) is None:
        known = ", ".join(k.settings.name for k in layout.keyspaces)
        return _invalid(f"keyspace {change.keyspace!r} does not exist; there are: {known}")
    if isinstance(change, AlterKeyspace):
        return _alteration_refusal(layout, change)
    if change.keyspace == DEFAULT_KEYSPACE:
        return _precondition(
            f"keyspace {DEFAULT_KEYSPACE!r} cannot be dropped: it is the one that requests without"
            " a keyspace mean, and SELECT 0; to empty it delete its keys"
        )
    return None


def changed(layout: Layout, change: KeyspaceChange, keyspace_id: KeyspaceId) -> Layout:
    """Return the layout of the next epoch; `keyspace_id` is for a keyspace that is created.

    The change must be one that `refusal` lets pass.
    """
    epoch = layout.epoch + 1
    kept = {k.settings.name: k for k in layout.keyspaces}
    match change:
        case CreateKeyspace():
            settings = change.settings
            kept[settings.name] = layouts.placed(layout.members, settings, keyspace_id, epoch)
        case AlterKeyspace():
            old = kept[change.keyspace]
            kept[change.keyspace] = replace(old, settings=_altered(old.settings, change))
        case DropKeyspace():
            del kept[change.keyspace]
    return replace(layout, epoch=epoch, keyspaces=tuple(kept[name] for name in sorted(kept)))


def too_large(layout: Layout) -> Failure | None:
    """Return why a layout is more than a node may be asked to hold, or None."""
    size = len(layouts.encode(layout))
    if size <= limits.LAYOUT_BYTES_MAX:
        return None
    groups = sum(k.settings.groups for k in layout.keyspaces)
    return _precondition(
        f"the layout would have {size} bytes, {groups} groups together: at most"
        f" {limits.LAYOUT_BYTES_MAX} bytes are allowed; choose fewer groups"
    )


def _altered(settings: KeyspaceSettings, change: AlterKeyspace) -> KeyspaceSettings:
    level, ttl_ms, number = change.default_level, change.default_ttl_ms, change.redis_number
    return replace(
        settings,
        default_level=settings.default_level if level is None else level,
        default_ttl_ms=settings.default_ttl_ms if ttl_ms is None else ttl_ms,
        redis_number=settings.redis_number if isinstance(number, UnsetType) else number,
    )


def _creation_refusal(layout: Layout, settings: KeyspaceSettings) -> Failure | None:
    reason = (
        wrong_name(settings.name)
        or _outside("replicas", settings.replicas, 1, limits.REPLICAS_MAX)
        or _wrong_groups(settings.groups)
        or _wrong_defaults(settings.default_ttl_ms, settings.redis_number)
    )
    if reason is not None:
        return _invalid(reason)
    later = LATER_MODES.get(settings.mode)
    if later is not None:
        there = " and ".join(mode.value for mode in Mode if mode not in LATER_MODES)
        return _precondition(
            f"mode is {settings.mode.value!r}: {later} are not there yet; {there} is"
        )
    if layout.keyspace(settings.name) is not None:
        return _precondition(f"keyspace {settings.name!r} exists already")
    count = len(layout.keyspaces)
    if count >= limits.KEYSPACES_MAX:
        return _precondition(
            f"there are {count} keyspaces: at most {limits.KEYSPACES_MAX} are allowed"
        )
    return _taken(layout, settings.name, settings.redis_number)


def _alteration_refusal(layout: Layout, change: AlterKeyspace) -> Failure | None:
    level, ttl_ms, number = change.default_level, change.default_ttl_ms, change.redis_number
    if level is None and ttl_ms is None and number is UNSET:
        return _invalid(
            "nothing to change: give default_level, default_ttl or redis_number (mode, replicas,"
            " groups and hash_tags are fixed for the life of a keyspace)"
        )
    if isinstance(number, UnsetType):
        number = None
    elif change.keyspace == DEFAULT_KEYSPACE:
        return _precondition(
            f"redis_number of keyspace {DEFAULT_KEYSPACE!r} is always 0: what clients select"
            " before they say anything"
        )
    reason = _wrong_defaults(ttl_ms or 0, number)
    return _invalid(reason) if reason is not None else _taken(layout, change.keyspace, number)


def wrong_name(name: str) -> str | None:
    """Return why a name cannot be that of a keyspace, or None."""
    size = len(name.encode(errors="surrogatepass"))
    if not 1 <= size <= limits.KEYSPACE_NAME_BYTES_MAX:
        return f"name has {size} bytes: 1 to {limits.KEYSPACE_NAME_BYTES_MAX} are allowed"
    if not _NAME.fullmatch(name):
        return (
            f"name is {name!r}: letters, digits, '.', '_' and '-' are allowed, the first a letter"
            " or digit"
        )
    return None


def _wrong_groups(groups: int) -> str | None:
    if 1 <= groups <= limits.GROUPS_MAX and groups & (groups - 1) == 0:
        return None
    return f"groups is {groups}: a power of two from 1 to {limits.GROUPS_MAX} is allowed"


def _wrong_defaults(ttl_ms: int, number: int | None) -> str | None:
    reason = _outside("default_ttl_ms", ttl_ms, 0, limits.TTL_MS_MAX)
    if reason is None and number is not None:
        reason = _outside("redis_number", number, 1, limits.REDIS_NUMBER_MAX)
        if reason is not None and number == 0:
            reason += f", 0 is that of keyspace {DEFAULT_KEYSPACE!r}"
    return reason


def _taken(layout: Layout, name: str, number: int | None) -> Failure | None:
    holder = None if number is None else layout.numbered().get(number)
    if holder is None or holder == name:
        return None
    return _precondition(f"redis_number is {number}: keyspace {holder!r} has it")


def _outside(name: str, value: int, least: int, most: int) -> str | None:
    return None if least <= value <= most else f"{name} is {value}: {least} to {most} is allowed"


def _invalid(reason: str) -> Failure:
    return Failure(Kind.INVALID, reason)


def _precondition(reason: str) -> Failure:
    return Failure(Kind.PRECONDITION, f"nothing was done: {reason}")
