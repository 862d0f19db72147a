"""The file formats that imgray reads and writes, and how each begins."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 256
"""How many leading bytes `sniff` looks at."""

_ANY_SIDE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Format:
    """An image file format.

    Attributes:
        name: imgray's name for it.
        pillow: Pillow's.
        content_type: its media type.
        extensions: of file names, the usual one first.
        writes: imgray makes it, too.
        keeps: an output without `convert` stays in this format; others become PNG.
        animates: it can hold an animation that imgray writes.
        max_side: the longest side that it can tell, in pixels.
        plugin: the module that makes Pillow read it, for formats that Pillow does not know by itself.
    """

    name: str
    pillow: str
    content_type: str
    extensions: tuple[str, ...]
    writes: bool = True
    keeps: bool = True
    animates: bool = False
    max_side: int = _ANY_SIDE
    plugin: str = ""


FORMATS = {
    fmt.name: fmt
    for fmt in (
        Format("png", "PNG", "image/png", (".png", ".apng"), animates=True),
        Format("jpeg", "JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), max_side=65_500),
        Format("webp", "WEBP", "image/webp", (".webp",), animates=True, max_side=16_383),
        Format("avif", "AVIF", "image/avif", (".avif", ".avifs"), animates=True, max_side=32_768),
        Format("gif", "GIF", "image/gif", (".gif",), animates=True, max_side=65_535),
        Format("tiff", "TIFF", "image/tiff", (".tif", ".tiff")),
        Format("bmp", "BMP", "image/bmp", (".bmp", ".dib")),
        Format("ico", "ICO", "image/x-icon", (".ico",), keeps=False, max_side=256),
        Format("jp2", "JPEG2000", "image/jp2", (".jp2", ".j2k", ".jpx", ".j2c")),
        Format("heic", "HEIF", "image/heic", (".heic", ".heif", ".hif"), writes=False, plugin="pi_heif"),
        Format("jxl", "JXL", "image/jxl", (".jxl",), writes=False, plugin="pillow_jxl"),
    )
}
IMAGE_EXTENSIONS = frozenset(extension for fmt in FORMATS.values() for extension in fmt.extensions)
FALLBACK = "png"
"""The format of outputs that cannot keep that of their input."""

RESULTS = {**FORMATS, "json": Format("json", "", "application/json", (".json",))}
"""What an output can be: an image, or what was found out about one."""

BY_PILLOW = {fmt.pillow: fmt for fmt in FORMATS.values()} | {"MPO": FORMATS["jpeg"], "DIB": FORMATS["bmp"]}

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    (PNG_MAGIC, "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"MM*\0", "tiff"),  # wrong, and not rare
    (b"II\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
)
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Sizes of the second header of a BMP; its magic alone, "BM", is how many a text begins."""

_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"), "heic"),
}
"""Brands of the ISO base media file format (ISO/IEC 23008-12, AVIF 1.1); "mif1" may be either, AVIF says so besides."""


def sniff(head: bytes) -> str | None:
    """Name the format that the first `HEAD_BYTES` of a file announce, or None."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head.startswith(b"\0\0\1\0") and head[4:6] != b"\0\0" and head[9:10] == b"\0":
        return "ico"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _brand(head: bytes) -> str | None:
    end = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if any(brand in {b"avif", b"avis"} for brand in brands):
        return "avif"
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
