from __future__ import annotations

import pytest
from click.testing import CliRunner

from imgray.cli.info import operations
from imgray.errors import PipelineError, UnknownOperationError
from imgray.operations import OPERATIONS


def test_all_operations_are_listed_by_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_PRESETS", '{"thumb": "resize:256"}')
    said = CliRunner().invoke(operations).output
    words = {line.split()[0] for line in said.splitlines()}
    assert {operation.name for operation in OPERATIONS} | {operation.group for operation in OPERATIONS} <= words
    assert "preset:thumb" in words


def test_one_operation_is_described_with_its_arguments() -> None:
    said = CliRunner().invoke(operations, ["resize"]).output
    assert "Scale to a width, a height or both." in said
    assert "Width in pixels." in said
    assert said.index("width") < said.index("kernel")


@pytest.mark.parametrize(("name", "kind"), [("rezise", UnknownOperationError), ("preset", PipelineError)])
def test_what_is_no_operation_is_said_to_be_none(name: str, kind: type[PipelineError]) -> None:
    assert isinstance(CliRunner().invoke(operations, [name]).exception, kind)
