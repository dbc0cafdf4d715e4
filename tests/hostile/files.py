"""Hostile and odd files, made here: for each its name, its bytes, and what must come of it.

outcome: "accepted" (no notice), "notice" (accepted, and the person is told what changed) or "refused".
`says` is a piece of the English notice or refusal; for plain acceptance, of the name as it is shown.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin


@dataclass(frozen=True)
class Row:
    title: str
    name: str
    make: Callable[[], bytes]
    outcome: str
    says: str


def photo(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """A smooth colourful picture with a little grain, the same every time."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(0).integers(0, 24, (height, width, 3))
    colours = np.stack([x * 230 // width, y * 230 // height, (x + y) * 230 // (width + height)], 2) + grain
    return Image.fromarray(colours.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png() -> bytes:
    return encoded(photo(), "PNG")


def jpeg() -> bytes:
    return encoded(photo(), "JPEG", quality=90)


def webp() -> bytes:
    return encoded(photo(), "WEBP")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_of(width: int, height: int, depth: int, colour: int, pixels: bytes, extra: bytes = b"") -> bytes:
    """A PNG put together by hand, its header free to lie."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return SIGNATURE + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def rotated(orientation: int, image: Image.Image | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image or photo(), "JPEG", exif=exif, quality=90)


def see_through() -> bytes:
    image = photo(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encoded(image, "PNG")


def palette() -> bytes:
    return encoded(photo().quantize(16), "PNG", transparency=0)


def deep_colour() -> bytes:
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 16
    return png_of(16, 16, 16, 2, zlib.compress(row * 16))


def deep_grey() -> bytes:
    return encoded(Image.fromarray(np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)), "PNG")


def many_frames() -> bytes:
    """A moving PNG of 10,000 frames."""
    pixel = zlib.compress(b"\0\xff\0\0")
    parts = [chunk(b"acTL", struct.pack(">II", 10_000, 0))]
    parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 16, 16, 0, 0, 1, 10, 0, 0)))
    body = chunk(b"IDAT", zlib.compress((b"\0" + b"\xff\0\0" * 16) * 16))
    frames = b"".join(
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * i + 1, 1, 1, 0, 0, 1, 10, 0, 0))
        + chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + pixel)
        for i in range(9_999)
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    return SIGNATURE + header + parts[0] + parts[1] + body + frames + chunk(b"IEND", b"")


def moving_webp() -> bytes:
    return encoded(photo(), "WEBP", save_all=True, append_images=[photo().rotate(90 * i) for i in (1, 2, 3)])


def text_bomb() -> bytes:
    """A compressed text of 200 MB of zeros in about 200 kB."""
    return png_of(4, 4, 8, 0, zlib.compress(b"\0\0\0\0\0" * 4), chunk(b"zTXt", b"a\0\0" + zeros(200)))


def profile_bomb() -> bytes:
    return png_of(4, 4, 8, 0, zlib.compress(b"\0\0\0\0\0" * 4), chunk(b"iCCP", b"a\0\0" + zeros(200)))


def pixel_bomb() -> bytes:
    """A 16 x 16 header over pixel data that unfolds to 400 MB."""
    return png_of(16, 16, 8, 0, zeros(400))


def zeros(megabytes: int) -> bytes:
    """So many MB of zeros, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def many_texts() -> bytes:
    info = PngImagePlugin.PngInfo()
    for i in range(90):
        info.add_text(f"k{i}", "a" * 1_000_000, zip=True)
    return encoded(photo(), "PNG", pnginfo=info)


def lying_jpeg() -> bytes:
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def lying_webp() -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (16382).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def flipped(data: bytes, at: float) -> bytes:
    copy = bytearray(data)
    copy[int(len(copy) * at)] ^= 0xFF
    return bytes(copy)


def two_in_one() -> bytes:
    """A JPEG that holds a second picture, as some cameras write."""
    return encoded(photo(), "MPO", save_all=True, append_images=[photo(32, 32)])


def broken_exif() -> bytes:
    return jpeg()[:2] + b"\xff\xe1\0\x10Exif\0\0MM\0*\xff\xff\xff\xff" + jpeg()[2:]


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)

ROWS = [
    Row("a plain PNG", "photo.png", png, "accepted", "photo.png"),
    Row("a plain JPEG", "photo.jpg", jpeg, "accepted", "photo.jpg"),
    Row("a plain WEBP", "photo.webp", webp, "accepted", "photo.webp"),
    Row("a grey JPEG", "grey.jpg", lambda: encoded(photo(mode="L"), "JPEG"), "accepted", "grey.jpg"),
    Row("one bit a pixel", "bit.png", lambda: encoded(photo(mode="1"), "PNG"), "accepted", "bit.png"),
    Row("a progressive JPEG", "p.jpg", lambda: encoded(photo(), "JPEG", progressive=True),
        "accepted", "p.jpg"),
    Row("48 million pixels", "big.jpg", lambda: encoded(Image.new("RGB", (8000, 6000)), "JPEG"),
        "accepted", "big"),
    Row("two pictures in a JPEG", "two.jpg", two_in_one, "accepted", "two.jpg"),
    Row("a JPEG with a ZIP behind it", "poly.jpg", lambda: jpeg() + b"PK\x03\x04" + bytes(500),
        "accepted", "poly"),
    Row("a PNG with HTML behind it", "poly.png", lambda: png() + HTML, "accepted", "poly.png"),
    Row("a Korean name", "고양이 사진.png", png, "accepted", "고양이 사진.png"),
    Row("a Korean name in parts", "\u1100\u1169.png", png, "accepted", "고.png"),
    Row("capitals in the ending", "PHOTO.JPG", jpeg, "accepted", "PHOTO.JPG"),
    Row("no ending", "photo", jpeg, "accepted", "photo"),
    Row("two endings", "photo.php.png", png, "accepted", "photo.php.png"),
    Row("NUL in the name", "a\0b.png", png, "accepted", "a\\x00b.png"),
    Row("a path as name", "../../etc/passwd.png", png, "accepted", "passwd.png"),
    Row("a Windows path as name", "C:\\temp\\x.png", png, "accepted", "x.png"),
    Row("right-to-left name", "gnp.\u202eexe.png", png, "accepted", "gnp.\\x202eexe.png"),
    Row("a name of 300 characters", "n" * 296 + ".png", png, "accepted", "…"),
    Row("broken camera notes", "exif.jpg", broken_exif, "accepted", "exif.jpg"),
    Row("transparency", "alpha.png", see_through, "notice", "laid on white"),
    Row("grey with transparency", "la.png", lambda: encoded(Image.new("LA", (9, 9)), "PNG"),
        "notice", "laid on white"),
    Row("a palette with transparency", "p.png", palette, "notice", "laid on white"),
    Row("16-bit grey", "deep.png", deep_grey, "notice", "rounded to 8"),
    Row("16-bit colour", "deep.png", deep_colour, "notice", "rounded to 8"),
    Row("printing colours", "cmyk.jpg", lambda: encoded(photo(mode="CMYK"), "JPEG"), "notice", "CMYK"),
    Row("a camera on its side", "side.jpg", lambda: rotated(6), "notice", "Turned upright"),
    Row("a moving WEBP", "moves.webp", moving_webp, "notice", "first frame"),
    Row("a moving PNG of 10,000 frames", "moves.png", many_frames, "notice", "first frame"),
    Row("a JPEG named PNG", "lie.png", jpeg, "notice", "holds JPEG"),
    Row("one pixel", "dot.png", lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), "notice", "little to see"),
    Row("8192 x 1 pixels", "line.png", lambda: encoded(photo(8192, 1), "PNG"), "notice", "little to see"),
    Row("nothing", "empty.png", lambda: b"", "refused", "0 bytes"),
    Row("one byte", "byte.png", lambda: b"\x89", "refused", "not a picture"),
    Row("a PNG signature alone", "sig.png", lambda: SIGNATURE, "refused", "cut short"),
    Row("a PNG without pixels", "none.png", lambda: png_of(9, 9, 8, 2, b""), "refused", "cut short"),
    Row("a PNG of width 0", "zero.png", lambda: png_of(0, 9, 8, 2, zlib.compress(b"")), "refused", "damaged"),
    Row("a PNG of no known colour", "c.png", lambda: png_of(9, 9, 8, 77, zlib.compress(b"")),
        "refused", "damaged"),
    Row("half a PNG", "half.png", lambda: png()[: len(png()) // 2], "refused", "cut short"),
    Row("half a JPEG", "half.jpg", lambda: jpeg()[: len(jpeg()) // 2], "refused", "cut short"),
    Row("half a WEBP", "half.webp", lambda: webp()[: len(webp()) // 2], "refused", "cut short"),
    Row("the first 20 bytes of a WEBP", "20.webp", lambda: webp()[:20], "refused", "cut short"),
    Row("a PNG with a turned byte", "flip.png", lambda: flipped(png(), 0.5), "refused", "cut short"),
    Row("a JPEG of two bytes and noise", "n.jpg", lambda: b"\xff\xd8\xff" + bytes(range(256)),
        "refused", "damaged"),
    Row("a PNG that claims 100,000 x 100,000", "huge.png", lambda: png_of(100_000, 100_000, 8, 2, b"x"),
        "refused", "100000 x 100000 pixels"),
    Row("a JPEG that claims 65,500 x 65,500", "huge.jpg", lying_jpeg, "refused", "million"),
    Row("a WEBP that claims 16,383 x 16,383", "huge.webp", lying_webp, "refused", "16383 x 16383 pixels"),
    Row("64 million honest pixels", "64.png", lambda: encoded(Image.new("L", (8000, 8000)), "PNG"),
        "refused", "at most 50"),
    Row("text that unfolds to 200 MB", "text.png", text_bomb, "refused", "unreasonable size"),
    Row("a profile that unfolds to 200 MB", "icc.png", profile_bomb, "refused", "unreasonable size"),
    Row("90 texts of 1 MB", "texts.png", many_texts, "refused", "unreasonable size"),
    Row("pixels that unfold to 400 MB", "idat.png", pixel_bomb, "accepted", "idat.png"),
    Row("20 MB and a byte", "fat.png", lambda: png() + bytes(20_000_001 - len(png())),
        "refused", "20.0 MB; at most 20"),
    Row("HTML named PNG", "page.png", lambda: HTML, "refused", "holds HTML"),
    Row("SVG named PNG", "draw.png", lambda: SVG, "refused", "holds SVG"),
    Row("EPS named JPEG", "eps.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "refused", "holds EPS"),
    Row("TIFF named PNG", "tiff.png", lambda: encoded(photo(), "TIFF"), "refused", "holds TIFF"),
    Row("PDF named PNG", "pdf.png", lambda: b"%PDF-1.7\n", "refused", "holds PDF"),
    Row("FITS named PNG", "fits.png", lambda: b"SIMPLE  =                    T", "refused", "holds FITS"),
    Row("GIF named PNG", "gif.png", lambda: encoded(photo(), "GIF"), "refused", "holds GIF"),
    Row("BMP named JPEG", "bmp.jpg", lambda: encoded(photo(), "BMP"), "refused", "holds BMP"),
    Row("ZIP named PNG", "zip.png", lambda: b"PK\x03\x04" + bytes(100), "refused", "holds ZIP"),
    Row("a program named PNG", "run.png", lambda: b"\x7fELF" + bytes(100), "refused", "holds ELF"),
    Row("an iPhone's HEIC", "IMG_0001.heic", lambda: HEIC, "refused", "iPhones"),
    Row("HEIC named JPEG", "IMG_0001.jpg", lambda: HEIC, "refused", "Most Compatible"),
    Row("AVIF named PNG", "a.png", lambda: b"\0\0\0\x1cftypavif" + bytes(99), "refused", "holds AVIF"),
    Row("noise", "noise.png", lambda: np.random.default_rng(1).bytes(5000), "refused", "not a picture"),
]  # fmt: skip
