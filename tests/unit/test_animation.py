"""Animations: each frame as a browser shows it, for as long, as often; and the same again after they were written."""

from __future__ import annotations

import numpy as np
import pytest
from animations import CLEAR, KEEP, RESTORE, Part, Pixels, apng, composed, gif
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image

from imgray.codec import Encoding, ImageLimits, Reading, decode, encode, inspect
from imgray.errors import ImageTruncatedError, TooManyFramesError, TooManyPixelsError
from imgray.picture import Picture

LIMITS = ImageLimits()
ANIMATED = ["png", "webp", "avif", "gif"]
COLOURS = np.array(
    [[0, 0, 0, 0], [255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 255, 255]], dtype=np.uint8
)


def solid(colour: int, size: tuple[int, int]) -> Pixels:
    return np.tile(COLOURS[colour], (size[1], size[0], 1))


def assert_shows(picture: Picture, expected: list[Pixels], tolerance: int = 0) -> None:
    """Compare frames; what is transparent has no colour that counts."""
    assert len(picture.frames) == len(expected)
    for number, (frame, wanted) in enumerate(zip(picture.frames, expected, strict=True)):
        shown = np.asarray(frame.convert("RGBA")).astype(int)
        np.testing.assert_allclose(shown[..., 3], wanted[..., 3], atol=tolerance, err_msg=f"alpha of frame {number}")
        visible = wanted[..., 3] > 0
        np.testing.assert_allclose(
            shown[visible], wanted[visible], atol=tolerance, err_msg=f"colours of frame {number}"
        )


@st.composite
def parts(draw: st.DrawFn, size: tuple[int, int], *, full: bool) -> list[Part]:
    """Frames of all sizes, in all places, with all disposals."""
    made: list[Part] = []
    for _ in range(draw(st.integers(2, 4))):
        whole = full and not made
        width, height = size if whole else (draw(st.integers(1, side)) for side in size)
        at = (draw(st.integers(0, size[0] - width)), draw(st.integers(0, size[1] - height)))
        numbers = draw(st.lists(st.integers(0, 4), min_size=width * height, max_size=width * height))
        pixels = COLOURS[np.array(numbers).reshape(height, width)]
        made.append(Part(pixels, at, draw(st.sampled_from([KEEP, CLEAR, RESTORE])), draw(st.booleans())))
    return made


@given(made=parts((5, 4), full=False), own=st.booleans(), background=st.integers(0, 255))
def test_a_gif_is_composed_as_browsers_do(made: list[Part], *, own: bool, background: int) -> None:
    made = [Part(part.pixels, part.at, part.disposal) for part in made]
    picture = decode(gif((5, 4), made, own=own, background=background), LIMITS)
    assert_shows(picture, composed((5, 4), made))


@given(made=parts((5, 4), full=True))
def test_an_apng_is_composed_as_its_standard_says(made: list[Part]) -> None:
    assert_shows(decode(apng((5, 4), made), LIMITS), composed((5, 4), made))


def test_what_is_half_transparent_is_laid_over_what_is_there() -> None:
    half = np.full((2, 2, 4), (255, 0, 0, 128), np.uint8)
    made = [Part(half), Part(half, over=True), Part(half, over=False)]
    assert_shows(decode(apng((2, 2), made), LIMITS), composed((2, 2), made), tolerance=1)


@pytest.mark.parametrize("frames", [1, None])
def test_a_picture_for_those_who_cannot_animate_is_no_frame(frames: int | None) -> None:
    made = [Part(solid(1, (3, 2))), Part(solid(2, (1, 1)), (1, 1))]
    data = apng((3, 2), made, hidden=solid(4, (3, 2)))
    assert inspect(data, LIMITS).frames == 2
    assert_shows(decode(data, LIMITS, Reading(frames=frames)), composed((3, 2), made)[:frames])


def test_the_first_frame_of_a_gif_that_covers_a_part_leaves_the_rest_transparent() -> None:
    made = [Part(solid(1, (2, 2)), (1, 1)), Part(solid(2, (1, 1)))]
    data = gif((4, 4), made, background=0)
    for reading in (Reading(frames=1), Reading()):
        assert_shows(decode(data, LIMITS, reading), composed((4, 4), made)[: reading.frames])


def test_a_gif_whose_screen_has_no_size_is_as_large_as_its_first_frame() -> None:
    made = [Part(solid(1, (3, 2))), Part(solid(2, (9, 9)))]
    data = gif((0, 0), made)
    assert inspect(data, LIMITS).width == 3
    assert_shows(decode(data, LIMITS), composed((3, 2), made))


def test_a_single_frame_that_covers_all_keeps_its_palette() -> None:
    assert decode(gif((3, 2), [Part(solid(1, (3, 2)))]), LIMITS).frames[0].mode == "P"


def test_frames_without_transparency_have_none() -> None:
    opaque = [Part(solid(1, (3, 2))), Part(solid(2, (1, 1)))]
    assert {frame.mode for frame in decode(gif((3, 2), opaque), LIMITS).frames} == {"RGB"}
    assert {frame.mode for frame in decode(apng((3, 2), opaque), LIMITS).frames} == {"RGB"}


@pytest.mark.parametrize("wanted", [1, 2, 3, 9, None])
@pytest.mark.parametrize("fmt", ANIMATED)
def test_no_more_frames_are_read_than_are_wanted(fmt: str, wanted: int | None) -> None:
    data = animation(fmt)
    frames = 3 if wanted is None else min(wanted, 3)
    reading = Reading(frames=wanted)
    assert inspect(data, LIMITS, reading).frames == frames
    read = decode(data, LIMITS, reading)
    assert (len(read.frames), len(read.durations_ms), read.source.frames) == (frames, frames, 3)


def animation(fmt: str, durations: tuple[int, ...] = (40, 120, 70), loop: int | None = 0) -> bytes:
    frames = tuple(picture("RGB", (16, 12), seed) for seed in range(len(durations)))
    source = Picture.of(frames[0])
    made = Picture(frames, source.source, durations, loop)
    return encode(made, Encoding(fmt, quality=100, lossless=fmt == "webp")).data


@pytest.mark.parametrize("fmt", ANIMATED)
def test_frames_and_durations_stay_what_they_are_when_written(fmt: str) -> None:
    read = decode(animation(fmt), LIMITS)
    assert read.durations_ms == (40, 120, 70)
    for seed, frame in enumerate(read.frames):
        expected = picture("RGB", (16, 12), seed)
        if fmt in {"png", "webp"}:
            assert np.array_equal(np.asarray(frame.convert("RGB")), np.asarray(expected))
        else:
            difference = np.asarray(frame.convert("RGB")).astype(int) - np.asarray(expected)
            assert np.abs(difference).mean() < 60  # noise, in 256 colours or with half of its chroma


@given(made=parts((5, 4), full=True), fmt=st.sampled_from(["png", "webp", "gif"]))
def test_an_animation_with_transparency_is_lossless_when_written(made: list[Part], fmt: str) -> None:
    """Encoders join frames that look the same, and show one for as long as both."""
    read = decode(apng((5, 4), made), LIMITS)
    again = decode(encode(read, Encoding(fmt, lossless=fmt == "webp")).data, LIMITS)
    told, kept = timeline(read), timeline(again)
    assert [frame for frame, _ in told] == [frame for frame, _ in kept]
    if len(kept) > 1:
        assert told == kept


def timeline(picture: Picture) -> list[tuple[bytes, int]]:
    """Return what is seen, and for how long."""
    seen: list[tuple[bytes, int]] = []
    for frame, duration_ms in zip(picture.frames, picture.durations_ms, strict=True):
        pixels = np.asarray(frame.convert("RGBA")).copy()
        pixels[pixels[..., 3] == 0] = 0
        if seen and seen[-1][0] == pixels.tobytes():
            duration_ms += seen.pop()[1]  # noqa: PLW2901  # of both
        seen.append((pixels.tobytes(), duration_ms))
    return seen


@pytest.mark.parametrize("loop", [0, 1, 2, 5])
@pytest.mark.parametrize("to", ["png", "webp", "gif"])
@pytest.mark.parametrize("fmt", ["png", "webp", "gif"])
def test_an_animation_is_shown_as_often_in_every_format(fmt: str, to: str, loop: int) -> None:
    read = decode(animation(fmt, loop=loop), LIMITS)
    again = decode(encode(read, Encoding(to)).data, LIMITS)
    assert (read.loop, again.loop) in {(loop, loop), (None, 1), (1, None), (None, None)}
    if loop != 1:
        assert (read.loop, again.loop) == (loop, loop)


@pytest.mark.parametrize(("repeats", "loop"), [(None, None), (0, 0), (1, 2), (7, 8)])
def test_a_gif_tells_how_often_it_is_repeated(repeats: int | None, loop: int | None) -> None:
    made = [Part(solid(1, (3, 2))), Part(solid(2, (1, 1)))]
    assert decode(gif((3, 2), made, repeats=repeats), LIMITS).loop == loop


def test_too_many_frames_are_refused_unless_only_some_are_wanted() -> None:
    data = animation("gif")
    limits = ImageLimits(max_frames=2)
    for attempt in (inspect, decode):
        with pytest.raises(TooManyFramesError, match="3 frames"):
            attempt(data, limits)
        attempt(data, limits, Reading(frames=2))


@pytest.mark.parametrize("fmt", ANIMATED)
def test_the_pixels_of_all_frames_count(fmt: str) -> None:
    data = animation(fmt)
    limits = ImageLimits(max_pixels=3 * 16 * 12 - 1)
    for attempt in (inspect, decode):
        with pytest.raises(TooManyPixelsError, match="3 frames"):
            attempt(data, limits)
        attempt(data, limits, Reading(frames=2))


def test_an_apng_that_lies_about_its_frames_gives_those_that_are_there() -> None:
    made = [Part(solid(1, (3, 2))), Part(solid(2, (1, 1)))]
    assert_shows(decode(apng((3, 2), made, count=1_000_000), LIMITS), composed((3, 2), made))


def test_what_comes_after_the_pixels_makes_no_animation_of_a_png() -> None:
    made = [Part(solid(1, (3, 2))), Part(solid(2, (1, 1)))]
    data = apng((3, 2), made)
    control, pixels = data.index(b"acTL") - 4, data.index(b"fcTL") - 4
    late = data[:control] + data[pixels:-12] + data[control:pixels] + data[-12:]
    assert inspect(late, LIMITS).frames == 1
    assert_shows(decode(late, LIMITS), composed((3, 2), made)[:1])


def test_what_there_is_of_a_truncated_animation_can_be_read() -> None:
    whole = animation("gif")
    cut = whole[: len(whole) * 3 // 4]
    with pytest.raises(ImageTruncatedError):
        decode(cut, LIMITS)
    read = decode(cut, LIMITS, Reading(partial=True))
    assert 2 <= len(read.frames) <= 3
    assert np.array_equal(np.asarray(read.frames[0]), np.asarray(decode(whole, LIMITS).frames[0]))


@pytest.mark.parametrize("fmt", ["jpeg", "tiff", "bmp", "jp2", "ico"])
def test_a_format_that_holds_no_animation_gets_the_first_frame(fmt: str) -> None:
    still = decode(encode(decode(animation("png"), LIMITS), Encoding(fmt)).data, LIMITS)
    assert (still.animated, still.size) == (False, (16, 12))


def test_an_animation_that_lies_is_turned_frame_by_frame() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("RGB", (4, 2), colour) for colour in ("red", "blue")]
    for fmt in ("PNG", "WEBP"):  # Pillow's AVIF encoder crashes when it is to make such a one
        data = encoded(frames[0], fmt, save_all=True, append_images=frames[1:], exif=exif, duration=50)
        assert [frame.size for frame in decode(data, LIMITS).frames] == [(2, 4), (2, 4)]
