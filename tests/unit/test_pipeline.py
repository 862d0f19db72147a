from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgray.errors import BadArgumentError, PipelineError, TooManyPixelsError, UnknownOperationError
from imgray.operations import Convert, Grayscale, Operation, Resize, Rotate, Swap
from imgray.pipeline import MAX_STEPS, Pipeline, parse_pipeline

sides = st.integers(1, 16_384)
operations: st.SearchStrategy[Operation] = st.one_of(
    st.just(Grayscale()),
    st.builds(Rotate, degrees=st.sampled_from([90, 180, 270])),
    st.builds(Swap, channels=st.sampled_from(["rg", "gb", "ba", "ar"]), alpha=st.sampled_from(["keep", "opaque"])),
    st.builds(Resize, width=sides, height=sides, mode=st.sampled_from(["fit", "fill", "exact"])),
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
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert Pipeline.from_json(pipeline.to_json()) == pipeline
    assert str(Pipeline.parse(str(pipeline))) == str(pipeline)


@given(st.text(max_size=60) | st.text('swaprgeizconvt:/,="\\0123 ', max_size=40))
def test_any_text_is_a_pipeline_or_a_pipeline_error(text: str) -> None:
    try:
        pipeline = Pipeline.parse(text)
    except PipelineError as error:
        assert str(error)
    else:
        assert Pipeline.parse(str(pipeline)) == pipeline


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
    assert str(Pipeline.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("rezise:80", UnknownOperationError, "Did you mean 'resize'"),
        ("qqq", UnknownOperationError, "/v1/operations"),
        ("resize:widht=80", BadArgumentError, "Did you mean 'width'"),
        ("resize:0", BadArgumentError, "width: input should be greater than or equal to 1, not '0'"),
        ("resize:1,2,3,4", BadArgumentError, "'4' is one argument too many"),
        ("resize:width=1,2", BadArgumentError, "follows one given by name"),
        ("resize:1,width=2", BadArgumentError, "'width' is given twice"),
        ("resize", BadArgumentError, "give a width, a height or both"),
        ("resize:80,mode=fill", BadArgumentError, "needs both width and height"),
        ("swap", BadArgumentError, "channels: field required"),
        ("swap:rr", BadArgumentError, "must differ"),
        ("rotate:45", BadArgumentError, "90, 180 or 270"),
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
        Pipeline.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[", "[1", '["swap"]', '[{"op": "swop"}]', "[" * 100_000])
def test_text_that_starts_like_json_is_read_as_json(text: str) -> None:
    assert str(Pipeline.parse('[{"op": "swap", "channels": "rg"}]')) == "swap:rg"
    with pytest.raises(PipelineError):
        Pipeline.parse(text)


def test_every_form_is_taken() -> None:
    wanted = Pipeline((Swap(channels="rg"),))
    assert parse_pipeline("swap:rg") == wanted
    assert parse_pipeline(wanted) is wanted
    assert parse_pipeline(Swap(channels="rg")) == wanted
    assert parse_pipeline([{"op": "swap", "channels": "rg"}]) == wanted


@pytest.mark.parametrize("steps", [[{"channels": "rg"}], ["swap"], [{"op": 3}], [{"op": "swap", "x": 1}]])
def test_bad_json_is_a_pipeline_error(steps: list[dict[str, object]]) -> None:
    with pytest.raises(PipelineError):
        Pipeline.from_json(steps)


def test_the_output_keeps_the_format_of_the_input_where_it_can() -> None:
    assert Pipeline.parse("swap:rg").output_format("jpeg") == "jpeg"
    assert Pipeline.parse("swap:rg").output_format("gif") == "png"
    assert Pipeline.parse("convert:webp").output_format("jpeg") == "webp"


def test_no_operation_may_make_an_image_over_the_limit() -> None:
    with pytest.raises(TooManyPixelsError, match="2000 by 2000"):
        Pipeline.parse("resize:2000,2000,exact").run(Image.new("L", (10, 10)), "png", max_pixels=1_000_000)


def test_a_checkpoint_can_end_a_run_between_steps() -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Pipeline.parse("rotate:90/rotate:90").run(Image.new("L", (2, 2)), "png", 100, checkpoint)
