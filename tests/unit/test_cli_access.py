"""Which key the commands send, and to whom; when `imgray serve` refuses to start."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from authorities import Authority
from click.testing import CliRunner, Result
from frontends import serving_here

from imgray.cli import cli
from imgray.errors import BadSettingError, KeysNeededError
from imgray.keys import digest_of

ROOT = Path(__file__).parents[2]
KEYS = [{"name": "operator", "sha256": digest_of("imgray_right"), "scopes": ["read", "operate"]}]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_here(tmp_path_factory.mktemp("data"), keys=KEYS) as address:
        yield address


def imgray(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], env=environment)


def test_the_key_comes_from_the_environment_or_a_file(url: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("imgray_right\n")
    for arguments, environment in (
        ((), {"IMGRAY_KEY": "imgray_right"}),
        (("--key-file", tmp_path / "key"), {}),
        (("--key-file", tmp_path / "key"), {"IMGRAY_KEY": "imgray_wrong"}),
    ):
        for command in (("status",), ("dead", "list")):
            said = imgray(*command, "--url", url, *arguments, **environment)
            assert said.exit_code == 0, said.output


@pytest.mark.parametrize(("key", "words"), [("", "A key is needed."), ("imgray_wrong", "none of this service's")])
def test_what_the_service_says_of_a_key_is_shown(url: str, key: str, words: str) -> None:
    said = imgray("dead", "list", "--url", url, IMGRAY_KEY=key)
    assert (said.exit_code, "imgray: unauthenticated: " in said.output, words in said.output) == (2, True, True)


@pytest.mark.parametrize("content", [b"two words", b"\xff\xfe", None])
def test_a_file_without_a_key_is_refused(url: str, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    said = imgray("dead", "list", "--url", url, "--key-file", tmp_path / "key")
    assert (said.exit_code, "holds no key" in said.output) == (2, True)


def test_a_key_is_not_passed_on_to_where_the_service_redirects() -> None:
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(302 if self.path.startswith("/v1/") else 404)
            self.send_header("Location", f"http://localhost:{port}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with listening(Handler) as port:
        imgray("status", "--url", f"http://127.0.0.1:{port}", IMGRAY_KEY="imgray_secret")
    assert seen == [("/v1/status", "Bearer imgray_secret"), ("/elsewhere", None)]


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_nothing_is_served_beyond_loopback_without_keys(tmp_path: Path, detach: list[str]) -> None:
    said = imgray("serve", "--host", "0.0.0.0", "--data", tmp_path / "data", *detach)
    assert isinstance(said.exception, KeysNeededError)
    assert "Make a key with `imgray keys new`" in str(said.exception)
    assert not (tmp_path / "data").exists()


def test_a_certificate_that_cannot_be_loaded_is_said_at_once(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("localhost")
    environment = {"IMGRAY_TLS_CERT": str(pair.cert), "IMGRAY_TLS_KEY": str(pair.cert)}
    said = imgray("serve", "--data", tmp_path / "data", **environment)
    assert isinstance(said.exception, BadSettingError)
    assert str(said.exception).startswith(f"IMGRAY_TLS_KEY: '{pair.cert}' cannot be used")


def test_serve_run_does_not_pretend_to_speak_tls(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("localhost")
    env = {**os.environ, "IMGRAY_TLS_CERT": str(pair.cert), "IMGRAY_TLS_KEY": str(pair.key)}
    said = subprocess.run(
        [sys.executable, "serve_app.py"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert (said.returncode, "`imgray serve` ends TLS" in said.stderr) == (1, True)
