"""What an operator adds: Python functions, programs, presets; and what is refused of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pictures import picture
from PIL import Image, ImageChops

from imgray import extensions
from imgray.catalogue import BUILT_IN, Catalogue
from imgray.codec import ImageLimits, decode
from imgray.custom import operation
from imgray.errors import (
    BadArgumentError,
    BadSettingError,
    CommandFailedError,
    CommandTimeoutError,
    OperationFailedError,
    OutOfMemoryError,
    TooManyPixelsError,
)
from imgray.extensions import catalogue_of
from imgray.operations import Context
from imgray.picture import Picture
from imgray.process import end_session
from imgray.settings import Settings

HOUSE = """
from typing import Annotated
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from pydantic import Field
from imgray import operation
from imgray.operations import Operation, Swap  # imported, so not offered again

@operation(example="negative:0.5")
def negative(image: Image.Image, share: Annotated[float, Field(ge=0, le=1)] = 1.0) -> Image.Image:
    '''Mix the image with its negative.'''
    return Image.blend(image, ImageOps.invert(image), share)

@operation(modes=frozenset({"L"}))
def dark_rows(pixels: npt.NDArray[np.uint8], period: Annotated[int, Field(ge=2)]) -> npt.NDArray[np.uint8]:
    pixels[::period] = 0
    return pixels

@operation()
def broken(image: Image.Image) -> Image.Image:
    return 1 // 0

@operation()
def nothing(image: Image.Image) -> Image.Image:
    return None
"""


def run(catalogue: Catalogue, pipeline: str, image: Image.Image, context: Context | None = None) -> Image.Image:
    encoded = catalogue.parse(pipeline).run(Picture.of(image), context or Context())
    return decode(encoded.data, ImageLimits()).frames[0]


@pytest.fixture
def house(tmp_path: Path) -> Catalogue:
    (tmp_path / "house.py").write_text(HOUSE)
    return catalogue_of(Settings(operations=(str(tmp_path / "house.py"),)))


def program(*command: str, **fields: Any) -> dict[str, Any]:
    return {"run": command, **fields}


def with_command(*command: str, **fields: Any) -> Catalogue:
    return catalogue_of(Settings.having(commands={"theirs": program(*command, **fields)}))


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


COPY = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"


def test_a_function_of_an_image_is_an_operation_like_any_other(house: Catalogue) -> None:
    image = picture("RGB")
    made = run(house, "negative", image)
    assert ImageChops.invert(image).tobytes() == made.tobytes()
    described = house.operations["negative"].describe()
    assert (described["summary"], described["group"]) == ("Mix the image with its negative.", "custom")
    assert described["arguments"]["properties"]["share"]["maximum"] == 1
    assert str(house.parse("negative:share=0.25")) == "negative:0.25"
    with pytest.raises(BadArgumentError, match="less than or equal to 1"):
        house.parse("negative:2")


def test_a_function_of_an_array_gets_a_copy_in_the_modes_that_it_asks_for(house: Catalogue) -> None:
    image = Image.new("L", (2, 4), 9)
    assert run(house, "dark-rows:2", image).tobytes() == bytes([0, 0, 9, 9, 0, 0, 9, 9])
    assert image.tobytes() == bytes([9] * 8)


def test_what_a_function_does_wrong_is_its_authors_error(house: Catalogue) -> None:
    with pytest.raises(OperationFailedError, match="'broken' failed: ZeroDivisionError"):
        run(house, "broken", picture())
    with pytest.raises(OperationFailedError, match="returned NoneType, no image"):
        run(house, "nothing", picture())


def test_an_image_that_a_function_makes_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_text(
        "from PIL import Image\nfrom imgray import operation\n"
        "@operation()\ndef big(image: Image.Image) -> Image.Image:\n    return image.resize((100, 100))\n"
    )
    catalogue = catalogue_of(Settings(operations=(str(tmp_path / "big.py"),)))
    with pytest.raises(TooManyPixelsError):
        run(catalogue, "big", picture(), Context(ImageLimits(max_pixels=5000)))


def test_a_file_travels_with_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "house.py"
    path.write_text(HOUSE)
    travelled = Settings(operations=(str(path),)).portable()
    path.unlink()
    assert travelled.portable() == travelled
    assert "negative" in catalogue_of(travelled).operations


def test_a_module_and_an_entry_point_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imgray_test_house.py").write_text(HOUSE)
    monkeypatch.syspath_prepend(tmp_path)
    assert "negative" in catalogue_of(Settings(operations=("imgray_test_house",))).operations
    entry = EntryPoint("house", "imgray_test_house:dark_rows", extensions.ENTRY_POINTS)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [entry] if group == extensions.ENTRY_POINTS else [])
    extensions.installed.cache_clear()
    try:
        assert catalogue_of(Settings()).operations.keys() - BUILT_IN.operations.keys() == {"dark-rows"}
    finally:
        extensions.installed.cache_clear()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n", "no operation in"),
        ("1 / 0\n", "division by zero"),
        ("def broken(\n", "cannot be imported"),
        ("from imgray import operation\n@operation()\ndef f(x): return x\n", "takes a PIL.Image.Image or an array"),
        (HOUSE.replace("def broken", "def swap"), "'swap' is the name of one of imgray's own"),
        (HOUSE.replace("def broken", "def preset"), "'preset' is the name of one of imgray's own"),
    ],
)
def test_a_module_that_is_of_no_use_is_a_bad_setting(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "ops.py").write_text(source)
    with pytest.raises(BadSettingError, match=words):
        catalogue_of(Settings(operations=(str(tmp_path / "ops.py"),)))


def test_a_file_that_is_not_there_and_a_module_that_is_not_are_bad_settings() -> None:
    for named in ("/nowhere/ops.py", "no_such_module"):
        with pytest.raises(BadSettingError, match=named):
            catalogue_of(Settings(operations=(named,)))


def test_a_broken_preset_is_a_bad_setting() -> None:
    with pytest.raises(BadSettingError, match="Did you mean 'resize'"):
        catalogue_of(Settings(presets={"small": "rezise:80"}))


def test_a_function_with_an_argument_of_no_type_is_refused() -> None:
    with pytest.raises(TypeError, match="give the argument 'angle' a type"):

        @operation()
        def vague(image: Image.Image, angle=3) -> Image.Image:  # type: ignore[no-untyped-def]  # noqa: ANN001
            return image.rotate(angle)


def test_a_program_is_an_operation_with_its_arguments_typed_and_bounded() -> None:
    code = "import sys; assert sys.argv[1:] == ['--level=3', 'soft', 'a b;c']; " + COPY
    catalogue = with_command(
        *python(code),
        "--level={level}",
        "{kind}",
        "{words}",
        arguments={
            "level": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "kind": {"type": "choice", "choices": ["soft", "hard"], "default": "soft"},
            "words": {"type": "text", "pattern": "[a-z ;-]+"},
        },
    )
    image = picture("RGBA")
    assert run(catalogue, 'theirs:words="a b;c"', image).tobytes() == image.tobytes()
    for wrong, message in (
        ("level=10,words=a", "less than or equal to 9"),
        ("level=1.5,words=a", "integer"),
        ("kind=mild,words=a", "'soft' or 'hard'"),
        ("words=A", "must match"),
        ("words=-rf", "not begin with a minus"),
    ):
        with pytest.raises(BadArgumentError, match=message):
            catalogue.parse(f"theirs:{wrong}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run": []}, "at least 1"),
        ({"run": ["x", "{y}"]}, "make them agree"),
        ({"run": ["x"], "arguments": {"y": {"type": "integer", "minimum": 0, "maximum": 1}}}, "make them agree"),
        ({"run": ["{y}"], "arguments": {"y": {"type": "text", "pattern": "a"}}}, "the program itself is no argument"),
        ({"run": ["x", "{y}"], "arguments": {"y": {"type": "text", "pattern": "("}}}, "no regular expression"),
        ({"run": ["x"], "shell": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_program_that_is_described_badly_is_a_bad_setting(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettingError, match=words):
        Settings.having(commands={"theirs": fields})


def test_programs_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGRAY_COMMANDS", json.dumps({"copy": program(*python(COPY))}))
    image = picture("I;16")
    assert run(catalogue_of(Settings()), "copy", image).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('no such filter')", "exit status 1: no such filter"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("print('hello')", "no image came back: The content is not an image"),
        ("import sys; sys.stdout.buffer.write(bytes(2_000_000))", "wrote more than output_bytes|exit status"),
        ("bytearray(2**28)", "exit status 1: .*MemoryError"),
    ],
)
def test_a_program_that_makes_no_image_is_said_to_have_failed(code: str, words: str) -> None:
    catalogue = with_command(*python(code), output_bytes=1_000_000, memory_bytes=2**27)
    with pytest.raises(CommandFailedError, match=words):
        run(catalogue, "theirs", picture())


def test_a_program_may_not_use_more_than_whoever_runs_it(tmp_path: Path) -> None:
    code = (
        "import os, resource, sys; from imgray.process import ProgramLimits, run_program;"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**29)); os.getuid() or os.setuid(65534);"
        "print(run_program('copy', ['cat'], b'hello', ProgramLimits(9, 2**40, 2**20), lambda: None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env={"TMPDIR": "/tmp"}
    )
    assert done.stdout == "b'hello'\n", done.stderr


def test_running_out_of_memory_is_not_blamed_on_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutOfMemoryError

    monkeypatch.setattr("imgray.custom.decode", full)
    with pytest.raises(OutOfMemoryError):
        with_command(*python(COPY)).parse("theirs").run(Picture.of(picture()), Context())


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandFailedError, match="'/no/such/program' cannot be started"):
        run(with_command("/no/such/program"), "theirs", picture())


def test_a_program_runs_in_an_empty_folder_with_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    code = (
        "import os, sys; assert set(os.environ) <= {'PATH', 'LANG', 'HOME', 'TMPDIR', 'LC_CTYPE'}, os.environ;"
        "assert os.listdir() == [];" + COPY
    )
    run(with_command(*python(code)), "theirs", picture())


def started_by(marker: str) -> list[int]:
    """Return the processes in whose command line a marker is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(entry.name))
    return found


def gone(marker: str) -> bool:
    deadline = time.monotonic() + 10
    while started_by(marker):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


FORKS = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', '{m}']);"


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started() -> None:
    marker = f"marker-{os.getpid()}-slow"
    catalogue = with_command(*python(FORKS.format(m=marker) + "time.sleep(99)"), timeout_s=1.0)
    with pytest.raises(CommandTimeoutError, match="after 1 s"):
        run(catalogue, "theirs", picture())
    assert gone(marker)


def test_what_a_program_leaves_behind_is_ended_too() -> None:
    marker = f"marker-{os.getpid()}-left"
    run(with_command(*python(FORKS.format(m=marker) + COPY)), "theirs", picture())
    assert gone(marker)


def test_a_task_that_is_cancelled_ends_its_program() -> None:
    marker = f"marker-{os.getpid()}-cancelled"

    def checkpoint() -> None:
        if started_by(marker):
            raise InterruptedError

    catalogue = with_command(*python(FORKS.format(m=marker) + "time.sleep(99)"))
    with pytest.raises(InterruptedError):
        run(catalogue, "theirs", picture(), Context(checkpoint=checkpoint))
    assert gone(marker)


def test_a_session_ends_with_its_leader() -> None:
    marker = f"marker-{os.getpid()}-session"
    leader = subprocess.Popen([sys.executable, "-c", FORKS.format(m=marker)], start_new_session=True)
    leader.wait()
    assert started_by(marker)
    end_session(leader.pid)
    assert gone(marker)
