from tests.resp.harness import WALL_MS, Client, World


def info(client: Client, *sections: str) -> dict[str, str]:
    lines = client.say(" ".join(("INFO", *sections))).decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def test_info_shows_figures_that_are_real(world: World, client: Client) -> None:
    client.say("SET a 1")
    client.say("GET a")
    client.say("GET b")
    world.client()
    world.now_ms += 90_000
    figures = info(client)
    assert figures["loading"] == "0"
    assert figures["redis_mode"] == "standalone"
    assert figures["role"] == "master"
    assert figures["connected_clients"] == "2"
    assert figures["uptime_in_seconds"] == "90"
    assert figures["total_commands_processed"] == "4"
    assert (figures["keyspace_hits"], figures["keyspace_misses"]) == ("1", "1")
    assert (figures["members"], figures["members_up"]) == ("3", "1")
    assert figures["databases"] == "0=default,1=cache"


def test_info_answers_the_sections_asked_for(client: Client) -> None:
    assert client.say("INFO replication") == (
        b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
    )
    assert client.say("INFO nothing") == b""
    assert set(info(client, "server", "clients")) > {"redis_version", "connected_clients"}


def test_config_get_takes_patterns(client: Client) -> None:
    flat = client.say("CONFIG GET append* SAVE")
    assert dict(zip(flat[::2], flat[1::2], strict=True)) == {
        b"appendfsync": b"always",
        b"appendonly": b"yes",
        b"save": b"",
    }
    assert client.say("CONFIG GET nothing") == []
    assert client.say("HELLO 3")
    assert client.say("CONFIG GET databases") == {b"databases": b"64"}


def test_config_can_only_be_read(world: World, client: Client) -> None:
    assert "configured by its file" in client.error("CONFIG SET save x")
    assert client.error("CONFIG GET") == "ERR wrong number of arguments for 'config|get' command"
    assert client.error("CONFIG FOO") == "ERR unknown subcommand 'FOO'. Try CONFIG HELP."
    client.say("CONFIG RESETSTAT")
    assert world.door.received == 0


def test_command_describes_the_table(world: World, client: Client) -> None:
    described = {entry[0]: entry for entry in client.say("COMMAND")}
    assert described[b"get"][1:6] == [2, [b"readonly"], 1, 1, 1]
    assert described[b"mset"][1:6] == [-3, [b"write"], 1, -1, 2]
    assert client.say("COMMAND COUNT") == len(world.door.catalog) == len(described)
    assert set(client.say("COMMAND LIST")) == set(described)
    assert client.say("COMMAND INFO get nope") == [described[b"get"], None]
    assert client.say("COMMAND DOCS get nope") == [
        b"get",
        [b"summary", b"the value of a key", b"group", b"string"],
    ]
    assert len(client.say("COMMAND DOCS")) == 2 * len(described)


def test_command_finds_keys(client: Client) -> None:
    assert client.say("COMMAND GETKEYS MSET a 1 b 2") == [b"a", b"b"]
    assert client.say("COMMAND GETKEYS OBJECT ENCODING a") == [b"a"]
    assert client.error("COMMAND GETKEYS PING x") == "ERR The command has no key arguments"
    assert client.error("COMMAND GETKEYS NOPE a") == "ERR Invalid command specified"
    assert client.error("COMMAND GETKEYS SET a") == (
        "ERR Invalid number of arguments specified for command"
    )
    assert client.error("COMMAND GETKEYS GET") == (
        "ERR wrong number of arguments for 'command|getkeys' command"
    )
    assert client.error("COMMAND FOO") == "ERR unknown subcommand 'FOO'. Try COMMAND HELP."


def test_time_is_the_wall_clock(client: Client) -> None:
    assert client.say("TIME") == [b"%d" % (WALL_MS // 1000), b"0"]
