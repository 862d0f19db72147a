"""Sample pictures, drawn by arithmetic: something nice to process when there are no photographs at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Pixels = npt.NDArray[np.float64]

WIDTH, HEIGHT = 640, 480
_SEED = 7
_ESCAPED = 4.0  # beyond this modulus (2 would do; 4 is smoother) a point of the fractal has left for good


def draw_samples(folder: Path) -> list[Path]:
    """Draw the sample pictures into a folder, making it if need be; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in SAMPLES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        draw().save(path)
        written.append(path)
    return written


def sunset() -> Image.Image:
    """Draw a sun over the sea: gradients and noise, like a photograph."""
    x, y = _grid()
    noise = np.random.default_rng(_SEED).normal(0, 3, (HEIGHT, WIDTH))
    horizon = 0.62
    glow = np.exp(-(((x - 0.5) * 1.33) ** 2 + (y - 0.5) ** 2) * 9)
    sky = _stack(150 + 105 * glow + 60 * y, 60 + 120 * glow + 70 * y, 110 + 20 * glow - 20 * y)
    waves = np.sin(260 * (y - horizon) / (y + 0.2) + 9 * np.sin(12 * x)) * np.clip((y - horizon) * 5, 0, 1)
    path = np.exp(-(((x - 0.5) * 6) ** 2)) * np.clip(waves + 0.55, 0, 1)
    sea = _stack(28 + 220 * path + 20 * waves, 45 + 130 * path + 20 * waves, 92 + 40 * path + 26 * waves)
    sun = ((x - 0.5) * 1.33) ** 2 + (y - 0.5) ** 2 < 0.09**2
    picture = np.where((y > horizon)[..., None], sea, np.where(sun[..., None], (255, 226, 130), sky))
    return _image(picture + noise[..., None])


def fractal() -> Image.Image:
    """Draw a part of the Mandelbrot set, coloured by how soon each point escapes."""
    x, y = _grid()
    c = (-0.7436 + (x - 0.5) * 0.012) + 1j * (0.1318 + (y - 0.5) * 0.009)
    z = np.zeros_like(c)
    steps = np.zeros(c.shape)
    for _ in range(160):
        inside = np.abs(z) < _ESCAPED
        z[inside] = z[inside] ** 2 + c[inside]
        steps += inside
    t = np.sqrt(steps / steps.max())
    return _image(_stack(*(127.5 - 127.5 * np.cos(2 * np.pi * (t * 1.6 + shift)) for shift in (0.05, 0.2, 0.4))))


def test_card() -> Image.Image:
    """Draw a test card: colour bars, a grey ramp, a circle; flat areas and sharp edges."""
    card = Image.new("RGB", (WIDTH, HEIGHT), "#202020")
    draw = ImageDraw.Draw(card)
    bars = ("#ffffff", "#ffd800", "#00c8c8", "#00b400", "#c800c8", "#d81e05", "#1e3cd8", "#101010")
    width = WIDTH // len(bars)
    for number, colour in enumerate(bars):
        draw.rectangle((number * width, 0, (number + 1) * width, 320), fill=colour)
    for number in range(16):
        level = number * 17
        draw.rectangle((number * 40, 320, number * 40 + 40, 400), fill=(level, level, level))
    draw.rectangle((0, 400, WIDTH, HEIGHT), fill="#304050")
    draw.ellipse((170, 90, 470, 390), outline="white", width=6)
    draw.line((320, 60, 320, 420), fill="white", width=2)
    draw.line((140, 240, 500, 240), fill="white", width=2)
    return card


def petals() -> Image.Image:
    """Draw a flower with a transparent background."""
    x, y = _grid()
    u, v = (x - 0.5) * 2.66, (y - 0.5) * 2
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    edge = 0.55 + 0.3 * np.cos(7 * angle + 3 * radius)
    alpha = np.clip((edge - radius) * 60, 0, 1) * 255
    shade = np.clip(radius / edge, 0, 1)
    heart = np.clip((0.2 - radius) * 40, 0, 1)
    red, green, blue = 235 - 60 * shade, 60 + 120 * shade**3, 130 + 100 * (1 - shade)
    colours = (red + (250 - red) * heart, green + (205 - green) * heart, blue + (60 - blue) * heart)
    return _image(_stack(*colours, alpha))


SAMPLES: dict[str, Callable[[], Image.Image]] = {
    "sunset.jpg": sunset,
    "fractal.png": fractal,
    "test-card.png": test_card,
    "more/petals.webp": petals,
}
"""File name → how it is drawn; one lies in a folder, to show that folders are kept."""


def _grid() -> tuple[Pixels, Pixels]:
    """Return x and y of every pixel, from 0 to 1."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    return x / WIDTH, y / HEIGHT


def _stack(*channels: Pixels) -> Pixels:
    return np.stack(channels, axis=-1)


def _image(channels: Pixels) -> Image.Image:
    return Image.fromarray(np.clip(channels, 0, 255).astype(np.uint8))
