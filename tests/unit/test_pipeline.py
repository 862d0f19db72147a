from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imgray.catalogue import BUILT_IN, Catalogue
from imgray.codec import ImageLimits, Reading
from imgray.errors import BadArgumentError, PipelineError, TooManyPixelsError, UnknownOperationError
from imgray.operations import OPERATIONS, Context, Convert, Grayscale, Operation, Resize, Rotate, Swap
from imgray.picture import Picture
from imgray.pipeline import MAX_STEPS, Pipeline, enough_for_all, reading_at_the_door, shared_reading

sides = st.integers(1, 16_384)
operations: st.SearchStrategy[Operation] = st.one_of(
    st.just(Grayscale()),
    st.builds(Rotate, degrees=st.floats(-360, 360), background=st.sampled_from(["ff8800", "00000000"])),
    st.builds(Swap, channels=st.sampled_from(["rg", "gb", "ba", "ar"]), alpha=st.sampled_from(["keep", "opaque"])),
    st.builds(Resize, width=sides, height=sides, mode=st.sampled_from(["fit", "fill", "exact", "outside"])),
    st.builds(Resize, height=sides),
)
converts = st.builds(Convert, format=st.sampled_from(["png", "jpeg"]), quality=st.integers(1, 100)) | st.builds(
    Convert, format=st.just("webp"), lossless=st.booleans()
)
pipelines = st.builds(
    lambda steps, last: Pipeline((*steps, *last)), st.lists(operations, max_size=5), st.lists(converts, max_size=1)
)


@given(pipelines)
def test_text_and_json_give_the_same_pipeline_back(pipeline: Pipeline) -> None:
    assert BUILT_IN.parse(str(pipeline)) == pipeline
    assert BUILT_IN.from_json(pipeline.to_json()) == pipeline
    assert str(BUILT_IN.parse(str(pipeline))) == str(pipeline)


TEXTS = [
    *("red", "ff880040", "10:20:30:40", "1:0:0:0:1:0", "0:0:1:0:1:1:0:1", "1:2", "50p", "7.5%", "0.3:0.7"),
    *("attention", "southwest", "DejaVuSans.ttf", "/logos/a mark.png", 'say "hi", twice / or = more', "\u00fcber\n2"),
    *("rgb1", "ra"),
]
"""What arguments that are texts may be: some fit one, some another."""


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Draw values for an argument, by its JSON schema; not all fit, since some rules are not in the schema."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    (kind,) = kinds[:1]
    if "enum" in kind:
        return st.sampled_from(kind["enum"])
    low, high = kind.get("minimum", -1000), kind.get("maximum", 1000)
    if kind.get("type") == "integer":
        return st.integers(low, high)
    if kind.get("type") == "number":
        return st.floats(low, high, exclude_min="exclusiveMinimum" in kind)
    if kind.get("type") == "boolean":
        return st.booleans()
    if kind.get("type") == "array":
        return st.lists(st.floats(-2, 2), min_size=1, max_size=12) | st.sampled_from(TEXTS)
    return st.sampled_from(TEXTS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
def test_every_operation_reads_back_what_it_writes(operation: type[Operation], data: st.DataObject) -> None:
    described = operation.describe()["arguments"]
    drawn = {
        name: data.draw(values(schema), label=name)
        for name, schema in described["properties"].items()
        if name in described["required"] or data.draw(st.booleans())
    }
    try:
        pipeline = BUILT_IN.from_json([{"op": operation.name, **drawn}])
    except BadArgumentError as error:
        assert str(error)
        pipeline = BUILT_IN.parse(operation.example)
    assert BUILT_IN.parse(str(pipeline)) == pipeline
    assert str(BUILT_IN.parse(str(pipeline))) == str(pipeline)
    assert BUILT_IN.from_json(json.loads(json.dumps(pipeline.to_json()))) == pipeline


@given(st.text(max_size=60) | st.text('swaprgeizconvt:/,="\\0123 ', max_size=40))
def test_any_text_is_a_pipeline_or_a_pipeline_error(text: str) -> None:
    try:
        pipeline = BUILT_IN.parse(text)
    except PipelineError as error:
        assert str(error)
    else:
        assert BUILT_IN.parse(str(pipeline)) == pipeline


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  swap:rg ", "swap:rg"),
        ("swap:gr", "swap:rg"),
        ("swap:channels=rg,alpha=keep", "swap:rg"),
        ("swap:rg,alpha=opaque/convert:png", "swap:rg,opaque/convert:png"),
        ("resize:800", "resize:800"),
        ("resize:height=600", "resize:height=600"),
        ("resize:800,600,fit", "resize:800,600"),
        ('convert:"webp",quality=80', "convert:webp,80"),
        ("convert:webp,lossless=TRUE", "convert:webp,lossless=true"),
    ],
)
def test_the_canonical_form(text: str, canonical: str) -> None:
    assert str(BUILT_IN.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("rezise:80", UnknownOperationError, "Did you mean 'resize'"),
        ("qqq", UnknownOperationError, "/v1/operations"),
        ("resize:widht=80", BadArgumentError, "Did you mean 'width'"),
        ("resize:0", BadArgumentError, "width: input should be greater than or equal to 1, not '0'"),
        ("swap:rg,keep,3", BadArgumentError, "'3' is one argument too many"),
        ("resize:width=1,2", BadArgumentError, "follows one given by name"),
        ("resize:1,width=2", BadArgumentError, "'width' is given twice"),
        ("resize", BadArgumentError, "give a width, a height or both"),
        ("resize:80,mode=fill", BadArgumentError, "needs both width and height"),
        ("swap", BadArgumentError, "channels: field required"),
        ("swap:rr", BadArgumentError, "must differ"),
        ("rotate:361", BadArgumentError, "less than or equal to 360"),
        ("rotate:nan", BadArgumentError, "finite number"),
        ("rotate:4,background=mauvee", BadArgumentError, "give a colour by name"),
        ("swap:rg/decode:partial=true", PipelineError, "can only stand first"),
        ("convert:png,max_bytes=9", BadArgumentError, "max_bytes is for lossy formats"),
        ("convert:bmp,progressive=true", BadArgumentError, "progressive is for jpeg"),
        ("preset:thump", BadArgumentError, "there is no preset"),
        ("convert:png,lossless=true", BadArgumentError, "lossless is for webp"),
        ("convert:png/swap:rg", PipelineError, "can only stand last"),
        ("swap:rg/", PipelineError, "an operation's name at character 9"),
        ("swap:rg resize:1", PipelineError, "',' or '/' at character 8"),
        ('swap:"r', PipelineError, "a value at character 6"),
        ("/".join(["grayscale"] * (MAX_STEPS + 1)), PipelineError, f"the limit is {MAX_STEPS}"),
    ],
)
def test_an_error_says_what_and_where(text: str, kind: type[PipelineError], words: str) -> None:
    with pytest.raises(kind) as caught:
        BUILT_IN.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[", "[1", '["swap"]', '[{"op": "swop"}]', "[" * 100_000])
def test_text_that_starts_like_json_is_read_as_json(text: str) -> None:
    assert str(BUILT_IN.parse('[{"op": "swap", "channels": "rg"}]')) == "swap:rg"
    with pytest.raises(PipelineError):
        BUILT_IN.parse(text)


def test_every_form_is_taken() -> None:
    wanted = Pipeline((Swap(channels="rg"),))
    assert BUILT_IN.take("swap:rg") == wanted
    assert BUILT_IN.take(wanted) is wanted
    assert BUILT_IN.take(Swap(channels="rg")) == wanted
    assert BUILT_IN.take([{"op": "swap", "channels": "rg"}]) == wanted


@pytest.mark.parametrize("steps", [[{"channels": "rg"}], ["swap"], [{"op": 3}], [{"op": "swap", "x": 1}]])
def test_bad_json_is_a_pipeline_error(steps: list[dict[str, object]]) -> None:
    with pytest.raises(PipelineError):
        BUILT_IN.from_json(steps)


def test_the_output_keeps_the_format_of_the_input_where_it_can() -> None:
    assert BUILT_IN.parse("swap:rg").output_format("jpeg") == "jpeg"
    assert BUILT_IN.parse("swap:rg").output_format("gif") == "gif"
    assert BUILT_IN.parse("swap:rg").output_format("heic") == "png"
    assert BUILT_IN.parse("convert:webp").output_format("jpeg") == "webp"


def test_no_operation_may_make_an_image_over_the_limit() -> None:
    with pytest.raises(TooManyPixelsError, match="2000 by 2000"):
        BUILT_IN.parse("resize:2000,2000,exact").run(
            Picture.of(Image.new("L", (10, 10))), Context(ImageLimits(max_pixels=1_000_000))
        )


def test_a_checkpoint_can_end_a_run_between_steps() -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        BUILT_IN.parse("rotate:90/rotate:90").run(Picture.of(Image.new("L", (2, 2))), Context(checkpoint=checkpoint))


def test_a_preset_stands_for_its_operations_wherever_it_is_named() -> None:
    catalogue = Catalogue(presets={"small": "resize:80", "web": "preset:small/convert:webp"})
    assert str(catalogue.parse("swap:rg/preset:web")) == "swap:rg/resize:80/convert:webp"
    assert catalogue.from_json([{"op": "preset", "name": "small"}]) == catalogue.parse("resize:80")
    with pytest.raises(BadArgumentError, match="Did you mean 'small'"):
        catalogue.parse("preset:smal")
    with pytest.raises(PipelineError):
        Catalogue(presets={"broken": "resize"})


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("", Reading()),
        ("swap:rg", Reading()),
        ("convert:webp", Reading()),
        ("convert:jpeg", Reading(frames=1)),
        ("decode:frames=3,orient=false/swap:rg", Reading(frames=3, orient=False)),
        ("decode:partial=true/convert:jpeg", Reading(frames=1, partial=True)),
    ],
)
def test_no_more_frames_are_read_than_the_output_has(text: str, reading: Reading) -> None:
    assert BUILT_IN.parse(text).reading == reading


def test_one_reading_serves_several_pipelines() -> None:
    still, moving = BUILT_IN.parse("convert:jpeg"), BUILT_IN.parse("convert:webp")
    assert shared_reading([still, still]) == Reading(frames=1)
    assert shared_reading([still, moving]) == Reading()
    assert reading_at_the_door([still, BUILT_IN.parse("decode:partial=true")]) == Reading(partial=True)


def test_an_input_is_reduced_only_as_far_as_every_pipeline_allows() -> None:
    small, large, exact = (BUILT_IN.parse(text) for text in ("resize:50", "decode:orient=false/resize:80", "swap:rg"))
    assert small.enough((400, 400)) == (51, 51)
    assert enough_for_all([small, large], (400, 400)) == (81, 81)
    assert enough_for_all([small, exact], (400, 400)) is None
    assert BUILT_IN.parse("resize:50,kernel=nearest").enough((400, 400)) is None


def test_the_receiver_decides_on_auto_unless_the_pipeline_does() -> None:
    auto = BUILT_IN.parse("swap:rg/convert:auto,70")
    assert str(auto.accepting(("webp",))) == "swap:rg/convert:auto,70,accept=webp"
    assert auto.accepting(()) == auto
    assert str(BUILT_IN.parse("convert:auto,accept=webp:avif").accepting(("webp",))) == "convert:auto,accept=avif:webp"
    assert BUILT_IN.parse("convert:png").accepting(("webp",)) == BUILT_IN.parse("convert:png")
