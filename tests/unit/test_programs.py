"""What may be asked of an allowed program: its arguments, and a path that stays where it may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgray.errors import BadSettingError, ImgrayError, JobArgumentError, PathNotAllowedError, SourceUnreadableError
from imgray.programs import JobProgram, resolve
from imgray.settings import Settings

RULES: dict[str, Any] = {
    "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
    "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    "mode": {"type": "choice", "choices": ["fast", "good"], "default": "fast"},
    "name": {"type": "text", "pattern": r"[\s\S]*"},
}
RUN = ("convert", "--size={size}", "{share}", "{mode}", "{name}")


def program(**fields: Any) -> JobProgram:
    return JobProgram.model_validate({"run": RUN, "arguments": RULES, **fields})


def refused(arguments: dict[str, str]) -> str:
    with pytest.raises(JobArgumentError) as caught:
        program().command_line(None, arguments)
    assert caught.value.status == 400
    return str(caught.value)


def test_nothing_is_allowed_by_default() -> None:
    assert Settings().jobs == {}


def test_each_place_is_filled_and_defaults_stand_for_what_is_not_given() -> None:
    assert program().command_line(None, {"name": "a b; $(rm)"}) == [
        *("convert", "--size=3", "0.5", "fast", "a b; $(rm)"),
    ]
    given = {"size": "9", "share": "1", "mode": "good", "name": ""}
    assert program().command_line("", given) == ["convert", "--size=9", "1", "good", ""]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'name': it is missing"),
        ({"nmae": "x"}, "'nmae': there is none of this name, but mode, name, share, size"),
        ({"name": "-rf"}, "'name': it must match"),
        ({"name": "x" * 1001}, "at most 1000 characters"),
        ({"name": "a\0b"}, "no command line can hold it"),
        ({"name": "\ud800"}, "no command line can hold it"),
        ({"name": "x", "size": "ten"}, "'size': 'ten' is no integer"),
        ({"name": "x", "size": "1.5"}, "is no integer"),
        ({"name": "x", "size": "-1"}, "it must be from 1 to 9"),
        ({"name": "x", "size": "9" * 5000}, "is no integer"),
        ({"name": "x", "share": "nan"}, "it must be from 0 to 1"),
        ({"name": "x", "share": "inf"}, "it must be from 0 to 1"),
        ({"name": "x", "mode": "--fast"}, "it must be one of fast, good"),
    ],
)
def test_an_argument_that_breaks_its_rule_is_named(arguments: dict[str, str], words: str) -> None:
    assert words in refused(arguments)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run": ["{name}"]}, "the program itself is no argument"),
        ({"run": ["echo", "{size}"]}, "make them agree"),
        ({"run": [*RUN, "{path}"]}, "need each other"),
        ({"folders": ["/srv"]}, "need each other"),
        ({"run": [*RUN, "{path}"], "folders": ["srv"]}, "is no absolute path"),
        ({"arguments": {**RULES, "path": {"type": "text", "pattern": "x"}}}, "no argument can be called path"),
        ({"memory_bytes": 1}, "greater than or equal"),
        ({"shell": True}, "Extra inputs"),
    ],
)
def test_a_command_that_does_not_fit_is_a_bad_setting(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettingError, match=words):
        Settings.having(jobs={"theirs": {"run": RUN, "arguments": RULES, **fields}})


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """Make a folder with files and links, and another beside it."""
    folder = tmp_path / "inside"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    (folder / "-rf").touch()
    (folder / "near").symlink_to("deep/file")
    (folder / "loop").symlink_to("loop")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "inside-out").touch()
    (folder / "far").symlink_to(tmp_path / "outside")
    (folder / "back").symlink_to(tmp_path / "outside" / "back")
    (tmp_path / "outside" / "back").symlink_to(folder / "deep")
    (tmp_path / "entry").symlink_to(folder)
    return folder


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("deep/file", "deep/file"),
        ("deep/../deep/./file", "deep/file"),
        ("near", "deep/file"),
        ("far/../inside/deep/file", "deep/file"),
        ("back/file", "deep/file"),
        ("-rf", "-rf"),
        ("{folder}/deep", "deep"),
        (".", "."),
    ],
)
def test_a_path_that_stays_inside_becomes_absolute(inside: Path, path: str, real: str) -> None:
    path = path.replace("{folder}", str(inside))
    assert resolve(path, [inside]) == (inside / real).resolve()
    command = program(run=[*RUN, "{path}"], folders=[inside]).command_line(path, {"name": "x"})
    assert command[-1] == str((inside / real).resolve())


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/file",
        "far/file",
        "../inside-out",
        "/etc/passwd",
        "far/none",
        "a\0b",
    ],
)
def test_a_path_that_leaves_the_folders_is_refused(inside: Path, path: str) -> None:
    for ask in (
        lambda: resolve(path, [inside]),
        lambda: program(run=[*RUN, "{path}"], folders=[inside]).command_line(path, {"name": "x"}),
    ):
        with pytest.raises(PathNotAllowedError) as caught:
            ask()
        assert caught.value.status == 403
        assert str(caught.value) == f"'{path}' lies outside the folders that workers may use (setting jobs, folders)."


def test_a_path_can_lie_in_any_of_the_folders_and_in_none_if_there_are_none(inside: Path) -> None:
    outside = inside.parent / "outside"
    assert resolve(outside / "file", [inside, outside]) == outside / "file"
    assert resolve("far/file", [inside, outside]) == outside / "file"
    assert resolve(inside.parent / "entry" / "near", [inside.parent / "entry"]) == inside / "deep" / "file"
    with pytest.raises(PathNotAllowedError):
        resolve(outside / "file", [])


@pytest.mark.parametrize(
    ("path", "why"), [("none", "No such file"), ("loop", "symbolic links"), ("near/x", "Not a dir")]
)
def test_a_path_to_nothing_says_so(inside: Path, path: str, why: str) -> None:
    with pytest.raises(SourceUnreadableError, match=why):
        resolve(path, [inside])


def test_a_path_that_is_written_as_one_outside_is_refused_before_any_file_is_looked_at(tmp_path: Path) -> None:
    command = program(run=[*RUN, "{path}"], folders=[tmp_path / "elsewhere"])
    command.check("there/may/be/../this", {"name": "x"})
    for path, error in (("there/../../x", PathNotAllowedError), ("", JobArgumentError), ("/etc", PathNotAllowedError)):
        with pytest.raises(ImgrayError) as caught:
            command.check(path, {"name": "x"})
        assert type(caught.value) is error
    with pytest.raises(JobArgumentError, match="takes none"):
        program().check("file", {"name": "x"})
