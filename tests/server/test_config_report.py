import tomllib
from pathlib import Path

from dynakv.server import config_report as report
from dynakv.server.config import load


def test_what_is_shown_as_toml_is_the_same_configuration_when_read_back(tmp_path: Path) -> None:
    file = tmp_path / "dynakv.toml"
    file.write_text(
        '[node]\nid = "n2"\ndata_dir = "a \\"b\\" \\u007f \\u00e9"\n'
        '[cluster]\nmembers = ["n1=localhost:1,west", "n2=localhost:2"]\n'
        '[[keyspaces]]\nname = "a"\n[[keyspaces]]\nname = "b"\ngroups = 1\n'
    )
    first = load(file)
    text = report.as_toml(report.as_tables(first.config), first.origins)
    file.write_text(text)
    assert load(file).config == first.config
    assert tomllib.loads(text) == report.as_tables(first.config)


def test_each_value_is_shown_with_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "dynakv.toml"
    file.write_text("[timing]\nhedge_ms = 20\n")
    found = load(file, {"node.id": "n7"})
    lines = report.as_toml(report.as_tables(found.config), found.origins).splitlines()
    assert 'id = "n7"  # --node-id' in lines
    assert f"hedge_ms = 20  # {file}" in lines
    assert "attempt_ms = 2000  # default" in lines


def test_a_long_value_is_cut_in_a_complaint() -> None:
    text = report.complaint("a.b", "x" * 1000, "FILE", "is wrong")
    assert text == f'a.b = "{"x" * 79}... (1002 characters) (FILE): is wrong'


def test_an_origin_is_that_of_the_value_or_of_what_is_around_it() -> None:
    origins = {"cluster.members": "FILE", "node.id": "--node-id"}
    assert report.origin_of("cluster.members[1].zone", origins) == "FILE"
    assert report.origin_of("node.id", origins) == "--node-id"
    assert report.origin_of("node", origins) == "--node-id"
    assert report.origin_of("listen.client", origins) is None
