"""What the files of deploy/ say, in plain values."""

import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
Instruction = tuple[str, str]  # word in capitals, the rest


def instructions() -> list[Instruction]:
    """Return the instructions of the Dockerfile, continued lines joined, comments left out."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = text.replace("\\\n", " ").splitlines()
    parts = [line.strip().partition(" ") for line in joined if line.strip()]
    return [(word.upper(), " ".join(rest.split())) for word, _, rest in parts]


def image_environment() -> dict[str, str]:
    """Return what ENV of the Dockerfile sets."""
    words = [w for word, rest in instructions() if word == "ENV" for w in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def compose() -> dict[str, Any]:
    """Return compose.yaml, merge keys resolved."""
    loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def unit() -> dict[str, dict[str, list[str]]]:
    """Return section -> key -> values of the systemd unit."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in (DEPLOY / "dynakv@.service").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[section][key].append(value)
    return found
