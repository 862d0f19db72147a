"""What is no image, two at once, or only a part of one."""

from __future__ import annotations

from collections.abc import Mapping

from real_files import real_files

from hostile.kinds import DAMAGED, Hostile, noise, refused
from imgray.errors import EmptyImageError, ImageCorruptError, NotAnImageError, TooManyPixelsError, TooWideError

_PARTS = 16
_SIZES = (TooManyPixelsError, TooWideError)


def files() -> Mapping[str, Hostile]:
    return {**_no_images(), **_mixtures(), **_truncated()}


def _no_images() -> Mapping[str, Hostile]:
    contents = {
        "text": b"hello, world",
        "text-like-a-bitmap": b"BMW notes: the brakes are due in May",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "svg-with-a-prologue": b"<?xml version='1.0'?><!DOCTYPE svg><svg onload='x()'/>",
        "html": b"<!doctype html><img src=x>",
        "pdf": b"%PDF-1.7\n" + noise(100),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "eps-of-dos": b"\xc5\xd0\xd3\xc6" + bytes(100),
        "psd": b"8BPS\0\1" + bytes(100),
        "zip": b"PK\3\4" + noise(100),
        "gzip": b"\x1f\x8b\x08" + noise(100),
        "program": b"\x7fELF" + noise(100),
        "webm": b"\x1a\x45\xdf\xa3" + noise(100),
        "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + noise(100),
        "cursor": b"\0\0\2\0\1\0" + bytes(16),
        "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
        "fli": b"\x80\0\0\0\x11\xaf" + bytes(100),
        "ppm": b"P6 1 1 255\nabc",
        "noise": bytes(range(128, 256)),
        "zeros": bytes(1000),
        "one-byte": b"\xff",
    }
    return {f"no-image-{name}": refused(data, NotAnImageError) for name, data in contents.items()} | {
        "nothing": refused(b"", EmptyImageError)
    }


def _mixtures() -> Mapping[str, Hostile]:
    real = real_files()
    beginnings = {
        "png": b"\x89PNG\r\n\x1a\n",
        "jpeg": b"\xff\xd8\xff\xe0",
        "gif": b"GIF89a",
        "webp": b"RIFF\xff\0\0\0WEBP",
        "tiff": b"II*\0\x08\0\0\0",
        "bmp": b"BM" + bytes(12) + b"\x28\0\0\0",
        "ico": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0",
        "jxl": b"\xff\x0a",
        "jp2": b"\xff\x4f\xff\x51",
        "avif": b"\0\0\0\x10ftypavif\0\0\0\0",
        "heic": b"\0\0\0\x10ftypheic\0\0\0\0",
    }
    mixed = {
        f"{start}-that-goes-on-as-{name}": Hostile(beginning + real[name], (*DAMAGED, *_SIZES), image=True)
        for start, beginning in beginnings.items()
        for name in ("png", "jpeg", "gif", "heic")
        if start != name
    }
    joined = {
        f"{first}-with-{second}-behind": Hostile(real[first] + real[second], DAMAGED, image=True)
        for first, second in (("png", "jpeg"), ("jpeg", "png"), ("gif", "png"), ("webp", "png"), ("avif", "heic"))
    }
    only = {f"{name}-of-its-beginning": refused(data, *DAMAGED) for name, data in beginnings.items()}
    return {**mixed, **joined, **only, "png-of-its-name": refused(beginnings["png"], ImageCorruptError)}


def _truncated() -> Mapping[str, Hostile]:
    """Every file, cut after each sixteenth of it. What is behind the first picture of some is not missed."""
    return {
        f"{name}-cut-to-{part}-of-{_PARTS}": Hostile(
            data[: len(data) * part // _PARTS],
            (*DAMAGED, NotAnImageError),
            image=part == _PARTS - 1 or name == "jpeg-mpo",
        )
        for name, data in real_files().items()
        for part in range(1, _PARTS)
    }
