"""Any picture a person hands over, hostile or odd, brought to plain RGB within bounds of time and memory.

`open_picture` is the one door: the Predict page, the `predict` command and folder data sets go through it.
It raises nothing but `Problem`. `to_input` cuts the square that a model receives.
"""

import re
import struct
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from threading import Lock

import numpy as np
from PIL import Image

from explorer.text import Problem

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_SIDE = 2048  # pixels; what is larger is reduced while it is read: at most 12.6 MB a picture are kept
SCAN, MOST_SCANS = b"\xff\xda", 100  # a JPEG has about ten; each makes a decoder go over all pixels again
_BAND = 1 << 20  # pixels turned to RGB at a time: a 50-megapixel picture never stands twice in memory
# One picture is unpacked at a time, so that memory is bounded however many people upload at once.
_DECODING = Lock()

Box = tuple[int, int, int]  # left, top, side, in pixels of `Picture.image`
Place = tuple[int, int, int]  # x, y, share in percent, as `square` takes them


@dataclass(frozen=True)
class Picture:
    """A picture that was read. str() of a notice is a sentence on what was changed on the way."""

    image: Image.Image  # RGB, upright, no metadata, no side longer than MAX_SIDE
    name: str  # safe to show: shortened, control characters escaped
    size: tuple[int, int]  # width and height in the file, upright
    notices: tuple[Problem, ...] = ()


def shown_name(name: str, limit: int = 60) -> str:
    """A file name that is safe to show: no folders, no control or direction characters, `limit` at most."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1] or "?"
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    safe = "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) in hidden else c for c in last)
    return safe if len(safe) <= limit else f"{safe[: limit - 13]}…{safe[-12:]}"


def open_picture(
    data: bytes, name: str, max_bytes: int = 20_000_000, max_pixels: int = 50_000_000
) -> Picture:
    """Read PNG, JPEG or WEBP `data`, told by content, never by name.

    max_bytes: of the file; max_pixels: width times height as its header claims, checked before unpacking.
    Raises Problem, and nothing else: what was expected, what came, what to do.
    """
    shown = shown_name(name)
    if not data:
        raise Problem("{name} is empty (0 bytes). Choose a PNG, JPEG or WEBP picture.", name=shown)
    if len(data) > max_bytes:
        raise Problem(
            "{name} has {size} MB; at most {limit} MB can be read. Save it smaller and try again.",
            name=shown, size=f"{len(data) / 1e6:.1f}", limit=f"{max_bytes / 1e6:g}",
        )  # fmt: skip
    kind = _kind(data)
    if kind == "HEIC":
        raise Problem(
            "{name} is a HEIC picture, the way iPhones store photographs, which cannot be read here. "
            "Export it as JPEG, or set the camera to “Most Compatible” under Settings > Camera > Formats.",
            name=shown,
        )
    if kind == "?":
        raise Problem(
            "{name} is not a picture that can be read here. Choose a PNG, JPEG or WEBP picture.", name=shown
        )
    if kind not in FORMATS:
        raise Problem(
            "{name} holds {kind}, whatever its name says; a PNG, JPEG or WEBP picture was expected. "
            "Save it as one of these and try again.",
            name=shown, kind=kind,
        )  # fmt: skip
    if kind == "JPEG" and data.count(SCAN) > MOST_SCANS:
        raise Problem(
            "{name} is a JPEG of more than {most} scans, which would take minutes to read. Save it anew and try again.",
            name=shown, most=MOST_SCANS,
        )  # fmt: skip
    limit = min(
        max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels
    )  # so Pillow's own bomb warning is always an error here
    _refuse_large(_declared_size(data), shown, limit)
    try:
        with _DECODING:
            return _decode(data, shown, limit)
    except Problem:
        raise
    except Image.DecompressionBombError as error:
        raise Problem(
            "{name} claims to have more than {limit} million pixels. Save it smaller and try again.",
            name=shown, limit=f"{limit / 1e6:g}",
        ) from error  # fmt: skip
    except Exception as error:  # whatever the decoder meets in a broken file, the person gets one sentence
        if any(words in str(error) for words in ("Decompressed data too large", "memory used in text")):
            raise Problem(
                "{name} carries packed text that unfolds to an unreasonable size. Save the picture without "
                "its metadata and try again.",
                name=shown,
            ) from error
        raise Problem(
            "{name} is damaged or cut short: it begins as {kind}, but its pixels cannot be read. "
            "Get the file again or save it anew.",
            name=shown, kind=kind,
        ) from error  # fmt: skip


def square(size: tuple[int, int], x: int = 50, y: int = 50, share: int = 100) -> Box:
    """A square `share` percent of the shorter side long, at `x`, `y` percent of the room it has."""
    width, height = size
    side = max(1, round(min(width, height) * share / 100))
    return round((width - side) * x / 100), round((height - side) * y / 100), side


def to_input(image: Image.Image, box: Box | None = None, squash: bool = False, size: int = 32) -> np.ndarray:
    """What a model receives, uint8 (3, size, size): `box`, else the centred square, or all squashed."""
    if not squash:
        left, top, side = box or square(image.size)
        image = image.crop((left, top, left + side, top + side))  # cut first: nothing outside bleeds in
    small = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def windows(size: tuple[int, int]) -> dict[Box, Place]:
    """About fifty different squares over a picture and their places, the centred largest first."""
    steps = {1: (50,), 3: (0, 50, 100), 4: (0, 33, 67, 100), 5: (0, 25, 50, 75, 100)}
    found: dict[Box, Place] = {}
    for share, n in ((100, 1), (100, 3), (80, 3), (60, 4), (45, 5)):
        for x, y in product(steps[n], steps[n]):
            found.setdefault(square(size, x, y, share), (x, y, share))
    return found


def _kind(data: bytes) -> str:
    """The format the first bytes speak of, by its usual short name; "?" if unknown."""
    head = data[:1024]
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "AVIF"
        return "HEIC" if head[8:12] in _HEIC or any(brand in head[16:64] for brand in _HEIC) else "MP4"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        return "SVG" if b"<svg" in text and b"<html" not in text else "HTML"
    return "?"


_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif")
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"8BPS": "PSD",
    b"II*\x00": "TIFF", b"MM\x00*": "TIFF", b"II+\x00": "TIFF", b"MM\x00+": "TIFF", b"%PDF": "PDF",
    b"%!PS": "EPS", b"\xc5\xd0\xd3\xc6": "EPS", b"SIMPLE  =": "FITS", b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "GZIP", b"\x00\x00\x00\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL", b"\x00\x00\x00\x0cJXL ": "JPEG XL", b"\x7fELF": "ELF", b"MZ": "EXE",
}  # fmt: skip


def _declared_size(data: bytes) -> tuple[int, int]:
    """Width and height as a PNG or WEBP header claims, read before any decoder; (0, 0) if unknown."""
    try:
        if data.startswith(b"\x89PNG") and data[12:16] == b"IHDR":
            return struct.unpack(">II", data[16:24])
        chunk = data[12:16] if data.startswith(b"RIFF") else b""
        if chunk == b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        if chunk == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if chunk == b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
    except struct.error:
        pass  # cut short within the header; the decoder says so
    return 0, 0


def _refuse_large(size: tuple[int, int], name: str, limit: int) -> None:
    width, height = size
    if width * height > limit:
        raise Problem(
            "{name} has {width} x {height} pixels; at most {limit} million can be read. "
            "Save it smaller and try again.",
            name=name, width=width, height=height, limit=f"{limit / 1e6:g}",
        )  # fmt: skip


def _decode(data: bytes, name: str, limit: int) -> Picture:
    notices = []
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        _refuse_large(image.size, name, limit)
        size = image.size
        if image.format != "MPO" and getattr(image, "is_animated", False):
            notices.append(Problem("The picture moves; its first frame is used."))
        image.draft(None, (MAX_SIDE, MAX_SIDE))  # a large JPEG is reduced inside its decoder, at little cost
        deep = any(";16" in str(tile.args) for tile in image.tile)
        image.load()  # before its notes: asked for these first, a PNG loads itself and hides its own faults
        turn = _orientation(image)
        if deep:
            notices.append(Problem("16 bits a channel were rounded to 8."))
        if image.mode == "CMYK":
            notices.append(Problem("Printing colours (CMYK) were turned into screen colours."))
        rgb, see_through = _to_rgb(image)
    if see_through:
        notices.append(Problem("Transparent parts were laid on white."))
    if turn in _TURNS:
        rgb = rgb.transpose(_TURNS[turn])
        notices.append(Problem("Turned upright, as the camera noted."))
        size = size[::-1] if turn >= 5 else size
    said, is_kind = name.rpartition(".")[2].lower(), image.format.replace("MPO", "JPEG").lower()
    if said.replace("jpg", "jpeg") != is_kind and said in ("png", "jpg", "jpeg", "webp"):
        notices.append(
            Problem("Named .{said}, but it holds {kind}; read as {kind}.", said=said, kind=is_kind.upper())
        )
    if min(size) < 8:
        notices.append(
            Problem("Only {width} x {height} pixels: there is little to see.", width=size[0], height=size[1])
        )
    return Picture(rgb, name, size, tuple(notices))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def _orientation(image: Image.Image) -> int:
    """The camera's note on which way is up, 1..8; 1 when there is none or it cannot be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # broken metadata does not spoil good pixels
        return 1


def _to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """RGB on white, no side over MAX_SIDE, made in bands to spare memory; was anything transparent?"""
    width, height = image.size
    by_x, by_y = (min(side, -(-max(image.size) // MAX_SIDE)) for side in image.size)
    out = Image.new("RGB", (-(-width // by_x), -(-height // by_y)))
    rows = max(1, _BAND // width // by_y) * by_y
    see_through = False
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if band.mode.startswith("I"):
            band = Image.fromarray((np.asarray(band).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
        elif image.has_transparency_data:
            band = band.convert("RGBA")
            if band.getextrema()[3][0] < 255:
                see_through = True
                band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        out.paste(band.convert("RGB").reduce((by_x, by_y)), (0, top // by_y))
    return out, see_through
