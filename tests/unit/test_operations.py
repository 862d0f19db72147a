"""What holds for every operation; what each one does in particular stands in a file for its group."""

from __future__ import annotations

from pathlib import Path

import pytest
from goldens import assert_golden, processed
from pictures import picture

import imgray.operations
from imgray.catalogue import BUILT_IN
from imgray.codec import decode
from imgray.operations import GROUPS, OPERATIONS, Context, Finish, Operation
from imgray.picture import Picture

MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]
EXAMPLES = {operation.name: operation.example for operation in OPERATIONS}
SHOWN = [operation.name for operation in OPERATIONS if not issubclass(operation, Finish)]
SIZES = [(1, 1), (1, 40), (40, 1), (33, 25)]
NO_OPERATIONS = {"__init__", "base", "arguments", "canvas", "neighbours", "resampling", "saliency", "warp"}


@pytest.mark.parametrize("name", SHOWN)
def test_the_example_gives_the_golden_image(name: str, *, write_goldens: bool) -> None:
    assert_golden(name, processed(EXAMPLES[name]), write=write_goldens)


def test_every_module_is_in_the_catalogue() -> None:
    modules = {path.stem for path in Path(imgray.operations.__file__).parent.glob("*.py")} - NO_OPERATIONS
    assert modules == {name.replace("-", "_") for name in BUILT_IN.operations}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_describes_itself(operation: type[Operation]) -> None:
    assert operation.group in GROUPS
    assert operation in {type(step) for step in BUILT_IN.parse(operation.example).operations}
    described = operation.describe()
    assert described["summary"]
    for argument in described["arguments"]["properties"].values():
        assert argument["description"].endswith(".")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_operation_takes_every_mode_and_leaves_its_input_alone(mode: str, name: str) -> None:
    image = picture(mode)
    before = image.tobytes()
    assert BUILT_IN.parse(EXAMPLES[name]).run(Picture.of(image), Context()).data
    assert image.tobytes() == before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_operation_takes_every_size_and_says_beforehand_how_large_it_gets(
    size: tuple[int, int], name: str
) -> None:
    pipeline = BUILT_IN.parse(EXAMPLES[name])
    current = Picture.of(picture("RGBA", size))
    for operation in pipeline.operations:
        width, height = operation.size_after(current.size)
        current = operation.run(current, Context())
        assert current.size[0] <= width
        assert current.size[1] <= height


@pytest.mark.parametrize("name", SHOWN)
def test_every_operation_gives_an_image_that_can_be_written_and_read(name: str) -> None:
    for mode in ("L", "RGB", "RGBA"):
        encoded = BUILT_IN.parse(EXAMPLES[name]).run(Picture.of(picture(mode)), Context())
        assert decode(encoded.data, Context().limits).size == (encoded.width, encoded.height)
