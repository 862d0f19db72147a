"""README's commands and examples, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from running import Service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL: list[str] = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(words: str) -> str:
    (found,) = [text for text in SHELL if words in text]
    return found


def run(command: list[str], folder: Path, **env: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first command's pictures have been drawn."""
    made = tmp_path_factory.mktemp("readme")
    run(["imgray", "samples", "pictures"], made)
    return made


def test_the_first_command_has_a_visible_result(folder: Path) -> None:
    install, run_it = block("--op swap:rg --out swapped").split("pip install . && ")
    assert install.startswith("python3 -m venv .venv")
    said = run(["sh", "-c", run_it.replace(".venv/bin/", "")], folder)
    assert "4  processed" in said
    assert len([path for path in (folder / "swapped").rglob("*.*") if path.suffix in {".png", ".jpg", ".webp"}]) == 4


def test_the_bulk_example(folder: Path) -> None:
    run(["sh", "-c", block("--out small")], folder)
    assert Image.open(folder / "small" / "fractal.webp").size == (320, 240)


def test_the_bulk_example_with_several_results(folder: Path) -> None:
    run(["sh", "-c", block("--out site")], folder)
    assert Image.open(folder / "site" / "thumb" / "more" / "petals.webp").width == 160
    assert Image.open(folder / "site" / "web" / "sunset.avif").width == 640


def test_the_curl_examples(folder: Path, service: Service) -> None:
    for words in ("-o fractal.webp", "Idempotency-Key", "Accept: image/avif", "/submitTask"):
        run(["bash", "-eu", "-c", block(words).replace("http://127.0.0.1:8000", service.url)], folder)
    assert Image.open(folder / "fractal.webp").format == "WEBP"
    assert Image.open(folder / "swapped.png").getpixel((120, 20)) == (216, 255, 0)


def test_the_commands_for_dead_letters(folder: Path, service: Service) -> None:
    commands = block("imgray dead list").replace("http://127.0.0.1:8000", service.url)
    said = run(["bash", "-eu", "-c", commands], folder, IMGRAY_DATA=str(service.data))
    assert "Dead letters put back: 0" in said
    assert "Dead letters removed: 0" in said
    assert "imgray_tasks_submitted_total" in said


def test_the_commands_for_workers_and_jobs(folder: Path, service: Service) -> None:
    said = run(["bash", "-eu", "-c", block("imgray workers --once")], folder, IMGRAY_DATA=str(service.data))
    assert "1\n2\n3\n4\n5\n" in said
    assert said.count(" active ") == 2
    assert "always 2" in said


def test_the_python_example(folder: Path) -> None:
    said = run([sys.executable, "-c", PYTHON], folder)
    assert said.count("succeeded") == 3
    assert Image.open(folder / "small.png").width == 320


def test_the_application_that_serve_run_takes() -> None:
    code = "import serve_app; assert type(serve_app.app).__name__ == 'Application', serve_app.app"
    run([sys.executable, "-c", code], ROOT)
