"""Flat graphics, drawn by code: what screenshots, charts, logos and pages of text are like."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imgray.samples import fractal, petals
from imgray.samples import test_card as draw_test_card

_SEED = 1


def page() -> Image.Image:
    """Draw a page of text."""
    image = Image.new("RGB", (1000, 800), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for y in range(20, 780, 22):
        draw.text((20, y), f"The quick brown fox jumps over the lazy dog, line {y}. " * 2, font=font, fill=(20, 20, 30))
    return image


def chart() -> Image.Image:
    """Draw bars and a curve, with smooth edges."""
    rng = random.Random(_SEED)  # noqa: S311  # a drawing
    image = Image.new("RGB", (1800, 1050), "white")
    draw = ImageDraw.Draw(image)
    for number in range(40):
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        draw.rectangle((number * 45, rng.randint(75, 900), number * 45 + 33, 1035), fill=colour)
    for x in range(0, 1800, 4):
        y = 450 + 150 * math.sin(x / 75)
        draw.ellipse((x, y, x + 8, y + 8), fill="red")
    return image.resize((900, 525), Image.Resampling.LANCZOS)


def lines() -> Image.Image:
    """Draw black lines on white, with smooth edges."""
    rng = random.Random(_SEED)  # noqa: S311  # a drawing
    image = Image.new("RGB", (2000, 1500), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(120):
        ends = [(rng.randint(0, 2000), rng.randint(0, 1500)) for _ in range(2)]
        draw.line(ends, fill="black", width=rng.randint(1, 6))
    return image.resize((1000, 750), Image.Resampling.LANCZOS)


def screen() -> Image.Image:
    """Draw a screen: a menu, cards with words, and a picture on one of them."""
    image = Image.new("RGB", (1280, 800), (245, 246, 248))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    draw.rectangle((0, 0, 1280, 56), fill=(30, 60, 120))
    draw.rectangle((0, 56, 220, 800), fill=(235, 238, 242))
    for number in range(14):
        draw.text((20, 80 + number * 36), f"Entry number {number}", font=font, fill=(50, 60, 70))
        draw.line((0, 110 + number * 36, 220, 110 + number * 36), fill=(210, 214, 220))
    for left in (250, 585, 920):
        for top in (90, 320, 550):
            draw.rounded_rectangle((left, top, left + 310, top + 200), 12, fill="white", outline=(200, 204, 210))
            draw.text((left + 20, top + 20), "A card\nand some words about it", font=font, fill=(40, 40, 40))
    image.paste(fractal().resize((280, 120)), (265, 160))
    return image


def gradient() -> Image.Image:
    """Draw a gradient from side to side and from top to bottom."""
    down, across = np.mgrid[0:600, 0:800]
    return Image.fromarray(np.stack([across * 255 // 799, down * 255 // 599, 0 * down + 128], -1).astype(np.uint8))


def pixel_art() -> Image.Image:
    """Draw large squares in eight colours."""
    rng = np.random.default_rng(_SEED)
    palette = rng.integers(0, 256, (8, 3), dtype=np.uint8)
    return Image.fromarray(palette[rng.integers(0, 8, (60, 80))]).resize((800, 600), Image.Resampling.NEAREST)


def logo() -> Image.Image:
    """Draw a few shapes on a transparent ground."""
    image = Image.new("RGBA", (1600, 1200))
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 200, 1000, 1000), fill=(11, 122, 117, 255))
    draw.regular_polygon((1000, 600, 380), 6, fill=(255, 210, 94, 220))
    return image.resize((800, 600), Image.Resampling.LANCZOS)


GRAPHICS: dict[str, Callable[[], Image.Image]] = {
    "page of text": page,
    "chart": chart,
    "line drawing": lines,
    "screen": screen,
    "gradient": gradient,
    "pixel art": pixel_art,
    "logo": logo,
    "test card": draw_test_card,
    "fractal": fractal,
    "petals": petals,
}
"""Name → how it is drawn."""
