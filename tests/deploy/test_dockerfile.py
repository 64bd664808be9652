"""The image: small, not root, and made only of files that are there."""

import json
import tomllib

import pytest

from tests.deploy.files import DEPLOY, ROOT, image_environment, instructions


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def last_stage() -> list[tuple[str, str]]:
    words = [word for word, _ in instructions()]
    return instructions()[len(words) - 1 - words[::-1].index("FROM") :]


def test_the_bases_are_slim_of_a_fixed_version_that_the_package_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = tuple(int(n) for n in project["requires-python"].removeprefix(">=").split("."))
    for base in of("FROM"):
        image = base.split()[0]
        name, _, tag = image.partition(":")
        assert name == "python"
        assert tag.endswith("-slim")
        assert tuple(int(n) for n in tag.removesuffix("-slim").split(".")) >= least


def test_the_node_does_not_run_as_root_and_nothing_follows_that_needs_it() -> None:
    words = [word for word, _ in last_stage()]
    (user,) = [rest for word, rest in last_stage() if word == "USER"]
    uid, gid = (int(part) for part in user.split(":"))
    assert uid > 0
    assert gid > 0
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_commands_are_lists_so_that_signals_reach_the_node() -> None:
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    assert json.loads(entry) == ["dynakv"]
    assert json.loads(command) == ["start"]
    (health,) = of("HEALTHCHECK")
    _, _, check = health.partition("CMD ")
    assert json.loads(check)[0] == "python"


@pytest.mark.parametrize("copied", of("COPY"))
def test_what_is_copied_exists_and_is_let_into_the_build(copied: str) -> None:
    *sources, _ = copied.split()
    if sources[0].startswith("--from="):
        return
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_in


def test_everything_that_the_build_of_the_package_reads_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    wanted |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert wanted <= {source for copied in of("COPY") for source in copied.split()[:-1]}


def test_data_lie_on_a_volume() -> None:
    assert of("VOLUME") == [image_environment()["DYNAKV__NODE__DATA_DIR"]]


def test_habits_that_make_images_large_or_surprising_are_absent() -> None:
    assert not of("ADD")
    assert all("--no-cache-dir" in run for run in of("RUN") if "pip install" in run)
    assert "DYNAKV__INSECURE" not in image_environment()
