import pytest

from dynakv.errors import UsageError
from dynakv.server import demo_commands as c

NODES = ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("help", c.Help()),
        ("?", c.Help()),
        (" STATUS ", c.Status()),
        ("st", c.Status()),
        ("kil 2", c.Kill(["n2"])),
        ("exit", c.Quit()),
        ("kill 2", c.Kill(["n2"])),
        ("kill n2,3", c.Kill(["n2", "n3"])),
        ("restart N1 n1", c.Restart(["n1"])),
        ("pause 1", c.Pause(["n1"])),
        ("resume 1", c.Resume(["n1"])),
        ("partition n1 | n2,n3", c.Partition([["n1"], ["n2", "n3"]])),
        ("partition 1|2|3", c.Partition([["n1"], ["n2"], ["n3"]])),
        ("partition 2", c.Partition([["n2"], ["n1", "n3"]])),
        ("partition n1 > 2 3", c.Partition([["n1"], ["n2", "n3"]], one_way=True)),
        ("heal", c.Heal()),
        ("slow 3 250", c.Slow("n3", 250)),
        ("slow 3 0ms", c.Slow("n3", 0)),
        ("put k v", c.Put(b"k", b"v")),
        ('put "a key" "two words" via 2', c.Put(b"a key", b"two words", "n2")),
        ("put k ''", c.Put(b"k", b"")),
        ("put \udcff v", c.Put(b"\xff", b"v")),
        ("get via", c.Get(b"via")),
        ("get k via n3", c.Get(b"k", "n3")),
        ("", None),
        ("  \t", None),
        ("# a remark", None),
    ],
)
def test_a_line_means_a_command(line: str, command: c.Command | None) -> None:
    assert c.parsed(line, NODES) == command


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("klil 2", "no such command: 'klil'; did you mean 'kill'?"),
        ("xyzzy", "no such command: 'xyzzy'; 'help' lists all"),
        ("re 1", "'re' could be restart or resume"),
        ("kill", "kill which node? there are n1, n2, n3"),
        ("kill 4", "no node '4'; there are n1, n2, n3"),
        ("kill n", "no node 'n'; there are n1, n2, n3"),
        ("status now", "status takes nothing more, not 'now'"),
        ("partition", "partition takes two sides: n1 | n2,n3 (both ways) or n1 > n2 (one way)"),
        ("partition 1 |", "partition takes two sides: n1 | n2,n3 (both ways) or n1 > n2 (one way)"),
        ("partition 1,2,3", "partition takes two sides: n1 | n2,n3 (both ways) or n1 > n2"),
        ("partition 1>2>3", "partition takes two sides: n1 | n2,n3 (both ways) or n1 > n2"),
        ("partition 1 | 2 > 3", "partition is either A|B (both ways) or A > B (one way), not both"),
        ("partition 1,2 | 2", "partition: n2 cannot stand on both sides"),
        ("slow 1", "slow takes a node and milliseconds, such as: slow n2 200"),
        ("slow 1 -5", "slow: '-5' must be 0 to 60000 milliseconds"),
        ("slow 1 60001", "slow: '60001' must be 0 to 60000 milliseconds"),
        ("slow 1 ²", "slow: '²' must be 0 to 60000 milliseconds"),
        ("put k", 'put takes a key and a value; quote what has spaces: put k "two words"'),
        ("put k two words", "put takes a key and a value; quote what has spaces"),
        ("put '' v", "the key has 0 bytes: must have 1 to 4096"),
        ("put " + 4097 * "k" + " v", "the key has 4097 bytes: must have 1 to 4096"),
        ('get "k', "no closing quotation: '\"k'"),
        ("get", "get takes one key; quote one that has spaces"),
        ("get via via via", "no node 'via'; there are n1, n2, n3"),
        ("get k via 9", "no node '9'; there are n1, n2, n3"),
        ("put k " + 70_000 * "v", "the line is too long: a command has at most 65536 bytes"),
    ],
)
def test_what_is_no_command_gets_one_clear_line(line: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        c.parsed(line, NODES)
    assert str(refusal.value).startswith(complaint)
    assert "\n" not in str(refusal.value)


def test_the_help_names_every_command() -> None:
    assert [verb for verb in c.VERBS if verb not in c.HELP] == []
