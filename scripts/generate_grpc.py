"""Make the Python code of imgray/v1/imgray.proto: ``python scripts/generate_grpc.py``.

A test compares them. The version of grpcio-tools is pinned in pyproject.toml, so that the same definition makes the
same code; a newer one makes code that needs newer packages, named there too.
"""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = "imgray/v1/imgray.proto"


def generated() -> dict[str, str]:
    """Return the generated code, by its path in the repository."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        known = files("grpc_tools") / "_proto"  # google/protobuf/timestamp.proto and its like
        if protoc.main(["protoc", f"--proto_path={ROOT}", f"--proto_path={known}", *options, PROTO]):
            raise SystemExit(1)  # protoc has said what is wrong
        made = Path(folder)
        return {str(path.relative_to(made)): path.read_text(encoding="utf-8") for path in sorted(made.rglob("*.py*"))}


if __name__ == "__main__":
    for name, code in generated().items():
        (ROOT / name).write_text(code, encoding="utf-8")
