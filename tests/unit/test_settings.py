from __future__ import annotations

import re

import pytest

from imgray.errors import BadSettingError, KeysNeededError
from imgray.settings import Settings

KEY = {"name": "ci", "sha256": "a" * 64, "scopes": ["read"]}


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
    Settings(host=host).require_keys()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_hosts_need_keys(host: str) -> None:
    with pytest.raises(KeysNeededError, match="imgray keys new"):
        Settings(host=host).require_keys()
    Settings.having(host=host, keys=[KEY]).require_keys()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"keys": [KEY, {**KEY, "sha256": "b" * 64}]}, "IMGRAY_KEYS: two keys have the name 'ci'"),
        ({"keys": [KEY, {**KEY, "name": "other"}]}, "IMGRAY_KEYS: two keys have the sha256 'aaa"),
        ({"keys": [{**KEY, "name": "c i"}]}, "IMGRAY_KEYS: 0.name: String should match"),
        ({"keys": [{**KEY, "sha256": "A" * 64}]}, "IMGRAY_KEYS: 0.sha256: String should match"),
        ({"keys": [{**KEY, "sha256": "a" * 63}]}, "IMGRAY_KEYS: 0.sha256: String should match"),
        ({"keys": [{**KEY, "scopes": []}]}, "IMGRAY_KEYS: 0.scopes: "),
        ({"keys": [{**KEY, "scopes": ["write"]}]}, "IMGRAY_KEYS: 0.scopes.0: Input should be 'submit', 'read' or"),
        ({"keys": [{**KEY, "submissions_per_s": 0}]}, "IMGRAY_KEYS: 0.submissions_per_s: "),
        ({"keys": [{**KEY, "bytes_per_s": "inf"}]}, "IMGRAY_KEYS: 0.bytes_per_s: "),
        ({"keys": [{**KEY, "live_tasks": 0}]}, "IMGRAY_KEYS: 0.live_tasks: "),
        ({"keys": [{**KEY, "limit": 3}]}, "IMGRAY_KEYS: 0.limit: Extra inputs"),
        ({"key": "two words"}, "IMGRAY_KEY: String should match"),
        ({"tls_cert": "a.pem"}, "IMGRAY_TLS_KEY: IMGRAY_TLS_CERT and this one need each other"),
        ({"tls_key": "a.pem"}, "IMGRAY_TLS_KEY: IMGRAY_TLS_CERT and this one need each other"),
        ({"tls_client_key": "a.pem"}, "IMGRAY_TLS_CLIENT_KEY: IMGRAY_TLS_CLIENT_CERT and this one need each other"),
        ({"tls_client_ca": "a.pem"}, "IMGRAY_TLS_CLIENT_CA: there is no TLS without"),
    ],
)
def test_what_is_wrong_with_keys_and_certificates_is_said(given: dict[str, object], words: str) -> None:
    with pytest.raises(BadSettingError, match=re.escape(words)):
        Settings.having(**given)


def test_the_key_of_whoever_starts_the_service_stays_with_them() -> None:
    settings = Settings.having(key="secret", keys=[KEY])
    assert "secret" not in repr(settings)
    assert (settings.portable().key, settings.portable().keys) == ("", settings.keys)
