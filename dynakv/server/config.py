"""What an operator says about one node: flags, then environment, then a TOML file, then defaults.

An environment variable is `DYNAKV__SECTION__KEY`. A key that nobody knows is an error, with the
name that was probably meant; so is any value outside its limits. Every complaint names the field,
its value, where it came from and the limit, and all complaints are made at once.

What must be the same on every node of a cluster (members with their zones, regions and weights;
keyspaces) becomes the layout of epoch 1; a zone given for the node itself must therefore agree with
its entry in the member list. Nothing here opens a socket or a data directory.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dynakv import limits
from dynakv.core.layout import (
    KeyspaceSettings,
    Layout,
    Level,
    Member,
    Mode,
    NodeId,
    default_groups,
    first_layout,
)
from dynakv.errors import UsageError
from dynakv.server import config_checks as checks
from dynakv.server import config_report as report

ENVIRONMENT_PREFIX = "DYNAKV__"
DEFAULT_NODE_ID = "n1"
DEFAULT_CLIENT_ADDRESS = "127.0.0.1:50051"
DEFAULT_PEER_ADDRESS = "127.0.0.1:50151"

# What a flag of `dynakv start` sets, for complaints that name the flag.
FLAGS = {
    "node.id": "--node-id",
    "node.data_dir": "--data-dir",
    "node.zone": "--zone",
    "node.region": "--region",
    "node.weight": "--weight",
    "cluster.members": "--cluster",
    "listen.client": "--listen-client",
    "listen.peer": "--listen-peer",
    "listen.redis": "--listen-redis",
    "peers.via": "--peer-via",
    "insecure": "--insecure",
}

Int = Annotated[int, BeforeValidator(checks.no_boolean)]
NodeIdText = Annotated[str, BeforeValidator(checks.node_id)]
PlaceText = Annotated[str, BeforeValidator(checks.place)]  # a zone or a region
KeyspaceName = Annotated[str, BeforeValidator(checks.keyspace_name)]
AddressText = Annotated[str, BeforeValidator(checks.address)]
Weight = Annotated[Int, Field(ge=0, le=limits.WEIGHT_MAX)]
WalBytes = Annotated[Int, Field(ge=1 << 20, le=limits.SNAPSHOT_WAL_BYTES_HARD_MAX)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(_Section):
    """Who this node is."""

    id: NodeIdText | None = None
    data_dir: Path = Path("dynakv-data")
    zone: PlaceText | None = None  # None: what the member list says
    region: PlaceText | None = None
    weight: Weight | None = None


class MemberEntry(_Section):
    """One line of the member list."""

    id: NodeIdText
    address: AddressText
    zone: PlaceText = ""
    region: PlaceText = ""
    weight: Weight = 1


class ClusterSection(_Section):
    """Who belongs to the cluster; the same list on every node."""

    members: Annotated[
        tuple[Annotated[MemberEntry, BeforeValidator(checks.member)], ...],
        NoDecode,
        BeforeValidator(checks.member_list),
    ] = ()


class ListenSection(_Section):
    """Where this node listens."""

    client: AddressText = DEFAULT_CLIENT_ADDRESS
    peer: AddressText | None = None  # None: this node's address in the member list
    redis: AddressText | None = None  # None: no Redis door


class PeersSection(_Section):
    """How this node reaches its peers."""

    # Dialed instead of the address in the member list, which is alike on every node: the near end
    # of a tunnel, say. The peer must still answer with its own id.
    via: Annotated[dict[NodeIdText, AddressText], NoDecode, BeforeValidator(checks.peers_via)] = {}


class LimitsSection(_Section):
    """What a client may ask."""

    value_bytes_max: Annotated[Int, Field(ge=1, le=limits.VALUE_BYTES_HARD_MAX)] = (
        limits.VALUE_BYTES_MAX
    )


class StorageSection(_Section):
    """How the disk is used."""

    cache_bytes_max: Annotated[Int, Field(ge=0, le=limits.CACHE_BYTES_HARD_MAX)] = (
        limits.CACHE_BYTES_MAX
    )
    snapshots_dir: Path | None = None  # None: `snapshots` in the data directory
    snapshot_wal_bytes_max: WalBytes = limits.SNAPSHOT_WAL_BYTES_MAX


class TimingSection(_Section):
    """How long a node waits, in milliseconds."""

    attempt_ms: Annotated[Int, Field(ge=1, le=limits.DEADLINE_MS_MAX)] = limits.ATTEMPT_MS
    heartbeat_ms: Annotated[Int, Field(ge=10, le=60_000)] = limits.HEARTBEAT_MS
    suspect_ms: Annotated[Int, Field(ge=20, le=600_000)] = limits.SUSPECT_MS
    clock_bound_ms: Annotated[Int, Field(ge=1, le=60_000)] = limits.CLOCK_BOUND_MS
    hedge_ms: Annotated[Int, Field(ge=1, le=limits.DEADLINE_MS_MAX)] = limits.HEDGE_MS
    # A member that the others ran without for longer rebuilds, which begins so long after a start.
    horizon_ms: Annotated[Int, Field(ge=1_000, le=limits.TTL_MS_MAX)] = limits.HORIZON_MS
    recover_after_ms: Annotated[Int, Field(ge=100, le=600_000)] = limits.RECOVER_AFTER_MS


class HintsSection(_Section):
    """What is kept for peers that are away; with no bytes nothing is."""

    bytes_max: Annotated[Int, Field(ge=0, le=limits.HINT_BYTES_HARD_MAX)] = limits.HINT_BYTES_MAX
    age_ms: Annotated[Int, Field(ge=1_000, le=limits.TTL_MS_MAX)] = limits.HINT_AGE_MS
    pause_ms: Annotated[Int, Field(ge=1, le=60_000)] = limits.HINT_PAUSE_MS


class CollectionSection(_Section):
    """When deleted and expired records are dropped; `every_ms` 0: never."""

    cut_age_ms: Annotated[Int, Field(ge=100, le=limits.TTL_MS_MAX)] = limits.CUT_AGE_MS
    every_ms: Annotated[Int, Field(ge=0, le=limits.TTL_MS_MAX)] = limits.COLLECT_EVERY_MS
    pause_ms: Annotated[Int, Field(ge=0, le=60_000)] = limits.COLLECT_PAUSE_MS


class RepairSection(_Section):
    """How replicas are compared in the background; times in milliseconds."""

    enabled: bool = True
    interval_ms: Annotated[Int, Field(ge=1_000, le=limits.SCRUB_EVERY_MS)] = (
        limits.REPAIR_INTERVAL_MS
    )
    pause_ms: Annotated[Int, Field(ge=0, le=60_000)] = limits.REPAIR_PAUSE_MS
    sessions: Annotated[Int, Field(ge=1, le=64)] = limits.REPAIR_SESSIONS
    clean_after_ms: Annotated[Int, Field(ge=100, le=3_600_000)] = limits.CLEAN_AFTER_MS
    scrub_every_ms: Annotated[Int, Field(ge=1_000, le=12 * limits.SCRUB_EVERY_MS)] = (
        limits.SCRUB_EVERY_MS
    )


class KeyspaceEntry(_Section):
    """One `[[keyspaces]]` table: a keyspace that a new cluster begins with."""

    name: KeyspaceName
    mode: Annotated[Mode, BeforeValidator(checks.mode)] = Mode.LEADERLESS
    replicas: Annotated[Int, Field(ge=1, le=limits.REPLICAS_MAX)] = 3
    groups: Annotated[Int, BeforeValidator(checks.groups)] = 256  # in Raft mode 16
    hash_tags: bool = False
    default_level: Level = Level.QUORUM
    default_ttl_ms: Annotated[Int, Field(ge=0, le=limits.TTL_MS_MAX)] = 0
    redis_number: Annotated[Int, Field(ge=0, le=limits.REDIS_NUMBER_MAX)] | None = None


class Config(BaseSettings):
    """All of it, validated and complete: made by `load` only."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    node: NodeSection = NodeSection()
    cluster: ClusterSection = ClusterSection()
    listen: ListenSection = ListenSection()
    peers: PeersSection = PeersSection()
    insecure: bool = False  # allow binds beyond loopback: nothing is authenticated yet
    limits: LimitsSection = LimitsSection()
    storage: StorageSection = StorageSection()
    timing: TimingSection = TimingSection()
    hints: HintsSection = HintsSection()
    collection: CollectionSection = CollectionSection()
    repair: RepairSection = RepairSection()
    keyspaces: Annotated[
        tuple[KeyspaceEntry, ...], NoDecode, BeforeValidator(checks.json_list)
    ] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` has put together, so that it knows where each value came from."""
        return (init_settings,)

    @property
    def node_id(self) -> NodeId:
        """Return this node's id."""
        assert self.node.id is not None
        return NodeId(self.node.id)

    @property
    def peer_address(self) -> str:
        """Return where NodeInternal listens."""
        assert self.listen.peer is not None
        return self.listen.peer

    def members(self) -> list[Member]:
        """Return the members of the first layout, this node among them."""
        return [
            Member(NodeId(m.id), m.address, m.zone, m.region, m.weight)
            for m in self.cluster.members
        ]

    def keyspace_settings(self) -> list[KeyspaceSettings]:
        """Return what the file says of keyspaces; `default` is added by the layout."""
        return [
            KeyspaceSettings(
                k.name,
                k.mode,
                k.replicas,
                k.groups if "groups" in k.model_fields_set else default_groups(k.mode),
                k.hash_tags,
                k.default_level,
                k.default_ttl_ms,
                k.redis_number or None,  # 0 is always that of `default`
            )
            for k in self.keyspaces
        ]

    def layout(self) -> Layout:
        """Return the layout of epoch 1 that every member derives from the same lists."""
        return first_layout(self.members(), self.keyspace_settings())

    def completed(self) -> Self:
        """Return the same with what follows from it written out: id, members, peer address."""
        node_id = self.node.id
        entries = self.cluster.members
        if node_id is None:
            node_id = DEFAULT_NODE_ID
        mine = next((m for m in entries if m.id == node_id), None)
        if mine is None:
            mine = MemberEntry(
                id=node_id,
                address=self.listen.peer or DEFAULT_PEER_ADDRESS,
                zone=self.node.zone or "",
                region=self.node.region or "",
                weight=1 if self.node.weight is None else self.node.weight,
            )
            entries = (*entries, mine)
        node = self.node.model_copy(
            update={
                "id": node_id,
                "zone": mine.zone,
                "region": mine.region,
                "weight": mine.weight,
            }
        )
        listen = self.listen.model_copy(update={"peer": self.listen.peer or mine.address})
        cluster = ClusterSection.model_construct(members=entries)
        return self.model_copy(update={"node": node, "listen": listen, "cluster": cluster})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and where each value that somebody gave came from, by dotted name."""

    config: Config
    origins: Mapping[str, str]


def load(file: Path | None = None, flags: Mapping[str, object] | None = None) -> Loaded:
    """Return the configuration of this process.

    `flags` maps dotted names to values; None means that the flag was not given. Raises UsageError
    whose message has one complaint a line.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    _merge_below(values, _nested(flags or {}), lambda name: FLAGS.get(name, "flag"), origins)
    _merge_below(values, _environment(), _variable, origins)
    if file is not None:
        _merge_below(values, _toml(file), lambda _: str(file), origins)
    try:
        config = Config(**values)
    except ValidationError as error:
        raise UsageError("\n".join(report.complaints(error, Config, origins))) from None
    wrong = list(checks.contradictions(config))
    if wrong:
        raise UsageError(
            "\n".join(
                report.complaint(name, value, report.origin_of(name, origins), sentence)
                for name, value, sentence in wrong
            )
        )
    return Loaded(config.completed(), origins)


def _merge_below(
    values: dict[str, Any],
    layer: Mapping[str, Any],
    origin: Callable[[str], str],
    origins: dict[str, str],
    prefix: str = "",
) -> None:
    """Add what `values` lack from a layer of less weight; tables are merged, lists replaced."""
    for key, value in layer.items():
        name = prefix + key
        if isinstance(value, Mapping):
            table = values.setdefault(key, {})
            if isinstance(table, dict):
                _merge_below(table, value, origin, origins, name + ".")
        elif key not in values:
            values[key] = value
            origins[name] = origin(name)


def _nested(flags: Mapping[str, object]) -> dict[str, Any]:
    """Return `{"node": {"id": ...}}` for `{"node.id": ...}`, without what is None."""
    tables: dict[str, Any] = {}
    for name, value in flags.items():
        if value is not None:
            *sections, key = name.split(".")
            table = tables
            for section in sections:
                table = table.setdefault(section, {})
            table[key] = value
    return tables


def _environment() -> dict[str, Any]:
    """Return what the environment sets, also the keys that nobody knows: they are complained of."""
    try:
        values = dict(EnvSettingsSource(Config)())
    except SettingsError as error:
        raise UsageError(f"{ENVIRONMENT_PREFIX}*: {error}; a whole section must be JSON") from None
    for variable, text in os.environ.items():
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            name = variable[len(ENVIRONMENT_PREFIX) :].lower()
            if name.split("__")[0] not in Config.model_fields:
                values[name.replace("__", ".")] = text
    return values


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace(".", "__").upper()


def _toml(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file}: not TOML: {error}") from None
    private = [key for key in values if key.startswith("_")]
    if private:  # BaseSettings would take them for its own arguments
        raise UsageError(f"{private[0]} ({file}): unknown key")
    return values
