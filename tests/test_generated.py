"""The committed protobuf modules are those that the protos give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "dynakv" / "v1"


def test_generated_modules_equal_a_fresh_generation(tmp_path: Path) -> None:
    script = ROOT / "proto" / "generate.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    fresh = {path.name: path.read_text() for path in (tmp_path / "dynakv" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in GENERATED.iterdir() if path.is_file()}
    assert committed == fresh, "run: python proto/generate.py"


def test_every_proto_has_its_three_modules() -> None:
    for proto in (ROOT / "proto" / "dynakv" / "v1").glob("*.proto"):
        for suffix in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"):
            assert (GENERATED / f"{proto.stem}{suffix}").is_file()
