"""``imgray run`` as its user meets it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pictures import picture
from PIL import Image
from running import IMGRAY, imgray, kill_everything, until

from imgray.samples import draw_samples


def swapped(source: Path, result: Path) -> bool:
    with Image.open(source) as before, Image.open(result) as after:
        return np.array_equal(np.asarray(before)[..., [1, 0, 2]], np.asarray(after))


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        picture(size=(400, 300), seed=number).convert("RGB").save(folder / f"{number:04}.png")
    return folder


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.png"))


def test_a_folder_with_good_and_broken_files(tmp_path: Path) -> None:
    folder, out, report = tmp_path / "in", tmp_path / "out", tmp_path / "report.json"
    draw_samples(folder)
    (folder / "text.png").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "readme.txt").write_text("no image")
    (folder / "truncated.png").write_bytes((folder / "fractal.png").read_bytes()[:5000])

    done = imgray("run", folder, "--op", "swap:rg", "--out", out, "--json", report)

    assert done.returncode == 1, done.stderr
    for name, code in (
        ("text.png", "not_an_image"),
        ("empty.jpg", "image_empty"),
        ("truncated.png", "image_truncated"),
    ):
        assert f"{folder / name}: {code}: The" in done.stdout
        assert not (out / name).exists()
    for name in ("fractal.png", "test-card.png"):
        assert swapped(folder / name, out / name)
    assert (out / "more" / "petals.webp").is_file()
    result = json.loads(report.read_text())
    assert {key: result[key] for key in ("total", "succeeded", "failed", "skipped", "not_done", "ignored")} == {
        "total": 7,
        "succeeded": 4,
        "failed": 3,
        "skipped": 0,
        "not_done": 0,
        "ignored": 1,
    }
    assert {Path(image["source"]).name for image in result["images"] if image["state"] == "failed"} == {
        "text.png",
        "empty.jpg",
        "truncated.png",
    }


def test_the_same_command_again_does_only_what_is_missing(tmp_path: Path) -> None:
    folder, out = many(tmp_path / "in", 6), tmp_path / "out"
    command = ("run", folder, "--op", "swap:rg", "--out", out, "--json", "-")
    assert json.loads(imgray(*command).stdout)["succeeded"] == 6
    untouched = (out / "0003.png").stat().st_mtime_ns

    (out / "0001.png").unlink()
    (out / "0002.png").write_bytes(b"damaged")
    os.utime(out / "0004.png")  # as another run with another pipeline would have
    again = imgray(*command)

    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert (result["succeeded"], result["skipped"]) == (3, 3)
    assert all(swapped(path, out / path.name) for path in images(folder))
    assert (out / "0003.png").stat().st_mtime_ns == untouched
    third = json.loads(imgray(*command).stdout)
    assert (third["succeeded"], third["skipped"]) == (0, 6)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nowhere", "--out", "out"], 2, "'nowhere' does not exist"),
        ([".", "--out", "out", "--op", "swop:rg"], 2, "Did you mean 'swap'"),
        ([".", "--out", "file"], 2, "--out 'file' is a file"),
        (["."], 2, "Missing option '--out'"),
        ([".", "--out", "out", "--json", "no/such/report.json"], 2, "there is no folder"),
    ],
)
def test_what_cannot_be_begun_is_said_at_once(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    (tmp_path / "file").touch()
    done = imgray("run", *arguments, cwd=tmp_path)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_a_second_run_into_the_same_folder_at_the_same_time_is_refused(tmp_path: Path) -> None:
    from imgray.journal import Journal  # noqa: PLC0415

    folder = many(tmp_path / "in", 1)
    journal = Journal.open(tmp_path / "out" / ".imgray")
    done = imgray("run", folder, "--op", "swap:rg", "--out", tmp_path / "out")
    journal.close()
    assert (done.returncode, "in use by another imgray" in done.stderr) == (2, True)


def test_a_run_that_is_killed_or_interrupted_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """Invariant 10."""
    folder, out = many(tmp_path / "in", 160), tmp_path / "out"
    command = [*IMGRAY, "run", str(folder), "--op", "swap:rg", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: len(images(out)) > 20)
        kill_everything(process.pid)
    killed, asides = len(images(out)), set(out.glob(".imgray-*"))
    assert killed < 160

    terminal, end = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509
    )
    os.close(end)
    until(lambda: len(images(out)) > killed)
    os.write(terminal, b"\x03")  # the terminal sends SIGINT to everyone in it, Ray's processes too
    shown = _read_to_end(terminal)
    assert process.wait(60) == 130, shown
    assert "run the same command again to go on" in shown
    assert "Traceback" not in shown
    written = images(out)
    assert killed < len(written) < 160
    assert all(swapped(folder / path.name, path) for path in written)
    assert set(out.glob(".imgray-*")) <= asides, "temporary files were left"

    rest = imgray(*command[3:], "--json", "-")

    result = json.loads(rest.stdout)
    assert rest.returncode == 0, rest.stderr
    assert result["succeeded"] + result["skipped"] == 160
    assert result["skipped"] >= len(written) - killed
    assert all(swapped(path, out / path.name) for path in images(folder))


def _own_terminal() -> None:
    """Make the terminal on standard input the controlling one, so that its Ctrl-C is a SIGINT."""
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_to_end(terminal: int) -> str:
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            os.close(terminal)
            return shown.decode(errors="replace")
        shown += part
