from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from imgray.errors import NotLoopbackError
from imgray.settings import Settings

REFERENCE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_in_the_reference_with_its_default_and_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    default = getattr(Settings(), name)
    shown = "" if default in {"", ()} else f"`{default}`"
    assert f"| `IMGRAY_{name.upper()}` | {shown} | {field.description} |" in REFERENCE.read_text(encoding="utf-8")


def test_the_reference_names_no_setting_that_does_not_exist() -> None:
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    documented = [line.split("`")[1] for line in lines if line.startswith("| `IMGRAY_")]
    assert documented == [f"IMGRAY_{name.upper()}" for name in Settings.model_fields]


def test_a_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_PORT", "8123")
    assert Settings().port == 8123
    assert Settings.having(port=9000).port == 9000
    assert Settings.having(port=None).port == 8123


def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_PORT", "0")
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts_are_served(host: str) -> None:
    Settings(host=host).require_loopback()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(NotLoopbackError, match="not authenticated"):
        Settings(host=host).require_loopback()
