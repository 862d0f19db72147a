"""The documents say what is true today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from imgray.custom import CommandOperation
from imgray.extensions import catalogue_of
from imgray.operations import Context
from imgray.picture import Picture
from imgray.samples import test_card as draw_test_card
from imgray.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == GENERATED[name](), "run: python docs/generate.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_changelog_knows_this_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_architecture_page_names_every_module() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    modules = {
        path.stem for path in (ROOT / "imgray").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {
        module for module in modules - {"__init__", "__main__", "version"} if f"imgray.{module}" not in page
    } == set()


def test_the_examples_of_extending_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "house.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    seen = set()
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        for name, value in re.findall(r"(IMGRAY_\w+)='(.*?)'", block, re.DOTALL):
            monkeypatch.setenv(name, value)
            seen.add(name)
        (text,) = re.findall(r"--op (\S+)", block)
        pipeline = catalogue_of(Settings.having()).parse(text)
        if not isinstance(pipeline.operations[0], CommandOperation):  # its program need not be installed
            assert pipeline.run(Picture.of(draw_test_card()), Context()).data
    assert seen == {"IMGRAY_OPERATIONS", "IMGRAY_COMMANDS", "IMGRAY_PRESETS"}
