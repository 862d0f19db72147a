"""The ``imgray`` command, run in the process of a test."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from imgray.cli import main


class Said(NamedTuple):
    status: int
    out: str
    err: str


Imgray = Callable[..., Said]


def command_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Imgray:
    def run(*arguments: object, answer: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["imgray", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
        assert isinstance(status, int)
        return Said(status, *capsys.readouterr())

    return run
