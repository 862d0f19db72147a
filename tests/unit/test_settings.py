from __future__ import annotations

import pytest

from imgray.errors import BadSettingError, NotLoopbackError
from imgray.settings import Settings


def test_a_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_PORT", "8123")
    assert Settings().port == 8123
    assert Settings.having(port=9000).port == 9000
    assert Settings.having(port=None).port == 8123


def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_PORT", "0")
    with pytest.raises(BadSettingError, match="IMGRAY_PORT: Input should be greater than or equal to 1"):
        Settings.having()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts_are_served(host: str) -> None:
    Settings(host=host).require_loopback()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(NotLoopbackError, match="not authenticated"):
        Settings(host=host).require_loopback()
