from __future__ import annotations

import hashlib
import json

import pytest
from click.testing import CliRunner

from imgray.cli.keys import keys as keys_command
from imgray.errors import ScopeMissingError, UnauthenticatedError
from imgray.keys import ANYONE, Authenticator, Caller, Key, Scope, bearer, digest_of, new_key

TOKENS = ["imgray_one", "imgray_two", "imgray_three"]
KEYS = tuple(
    Key(name=token.removeprefix("imgray_"), sha256=digest_of(token), scopes=frozenset({scope}))
    for token, scope in zip(TOKENS, Scope, strict=True)
)


def test_a_key_is_long_random_and_known_by_its_hash() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("imgray_") and len(key) >= len("imgray_") + 43 for key in made)
    assert digest_of("imgray_one") == hashlib.sha256(b"imgray_one").hexdigest()


def test_each_key_is_its_own_caller() -> None:
    authenticator = Authenticator(KEYS)
    callers = [authenticator.authenticate(token) for token in TOKENS]
    assert [caller.name for caller in callers] == ["one", "two", "three"]
    assert [caller.scopes for caller in callers] == [frozenset({scope}) for scope in Scope]


@pytest.mark.parametrize("token", ["", "imgray_", "imgray_ONE", "imgray_one ", KEYS[0].sha256, "\ud800", "é" * 1000])
def test_what_is_no_key_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError, match="imgray keys new"):
        Authenticator(KEYS).authenticate(token)


def test_every_key_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes tells nothing."""
    seen: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        seen.append(known)
        return known == given

    monkeypatch.setattr("imgray.keys.hmac.compare_digest", compare)
    for token in TOKENS:
        Authenticator(KEYS).authenticate(token)
    assert seen == [key.sha256.encode() for key in KEYS] * len(TOKENS)


def test_without_keys_anyone_may_do_anything() -> None:
    caller = Authenticator(()).authenticate("whatever")
    assert caller == ANYONE
    for scope in Scope:
        caller.require(scope)


def test_a_missing_scope_is_named() -> None:
    caller = Caller("ci", frozenset({Scope.SUBMIT}))
    caller.require(Scope.SUBMIT)
    with pytest.raises(ScopeMissingError, match="Key 'ci' lacks the scope 'operate'"):
        caller.require(Scope.OPERATE)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("", ""),
        ("Bearer", ""),
        ("Basic abc", ""),
        ("abc", ""),
        ("Bearerabc", ""),
    ],
)
def test_the_token_stands_after_bearer(header: str, token: str) -> None:
    assert bearer(header) == token


def test_the_command_makes_a_key_that_its_entry_lets_in() -> None:
    arguments = ["new", "--name", "ci", "--scope", "submit", "--scope", "read", "--live-tasks", "5", "--json"]
    made = json.loads(CliRunner().invoke(keys_command, arguments, catch_exceptions=False).output)
    key = Key(**made["entry"])
    assert (key.name, key.scopes, key.live_tasks) == ("ci", frozenset({Scope.SUBMIT, Scope.READ}), 5)
    assert Authenticator([key]).authenticate(made["key"]).name == "ci"
    for_people = CliRunner().invoke(keys_command, arguments[:-1], catch_exceptions=False).output
    assert for_people.count("imgray_") == 1
    assert json.loads(for_people.splitlines()[-1])["scopes"] == ["submit", "read"]
