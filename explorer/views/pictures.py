"""Small pictures made large without inventing a pixel: nearest neighbour, whole multiples."""

import base64
import io
from functools import lru_cache

import numpy as np
from PIL import Image


def enlarge(picture: np.ndarray, factor: int = 4) -> Image.Image:
    """uint8 (3, H, W) or (H, W) -> PIL image `factor` times as large, every pixel a sharp square."""
    if factor < 1 or factor != int(factor):
        raise ValueError(f"expected a whole factor >= 1, got {factor}")
    picture = np.asarray(picture)
    if (
        picture.dtype != np.uint8
        or picture.ndim not in (2, 3)
        or (picture.ndim == 3 and picture.shape[0] != 3)
    ):
        raise ValueError(f"expected uint8 (3, H, W) or (H, W), got {picture.dtype} {picture.shape}")
    rows = picture if picture.ndim == 2 else picture.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(rows.repeat(factor, 0).repeat(factor, 1)))


def grid(
    pictures: np.ndarray, columns: int, factor: int = 4, gap: int = 2, ground: str = "#8A8A8A"
) -> Image.Image:
    """uint8 (N, 3, H, W) side by side in rows of `columns`, aligned to the pixel; gap: in final pixels."""
    n, _, height, width = pictures.shape
    step_x, step_y = width * factor + gap, height * factor + gap
    rows = -(-n // columns)
    sheet = Image.new("RGB", (min(n, columns) * step_x - gap, rows * step_y - gap), ground)
    for k, picture in enumerate(pictures):
        sheet.paste(enlarge(picture, factor), (k % columns * step_x, k // columns * step_y))
    return sheet


def png(image: Image.Image) -> bytes:
    """The picture as a lossless PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def data_uri(image: Image.Image) -> str:
    """The picture as a data: address (PNG), to stand inside a chart or a page without a file."""
    return png_uri(png(image))


def png_uri(file: bytes) -> str:
    """A PNG file as a data: address."""
    return "data:image/png;base64," + base64.b64encode(file).decode("ascii")


def jpeg_uri(image: Image.Image) -> str:
    """The same as a JPEG, for photographs."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def thumbnail_uri(picture: np.ndarray, factor: int = 4, margin: int = 0) -> str:
    """uint8 (3, H, W) enlarged, as a data: address; the last 2,000 are kept (about 3 KB each).

    margin: clear pixels left and right of it, so that pictures in a row stand apart and stay sharp
    """
    return _thumbnail_uri(np.ascontiguousarray(picture).tobytes(), picture.shape, factor, margin)


@lru_cache(maxsize=2000)
def _thumbnail_uri(pixels: bytes, shape: tuple[int, ...], factor: int, margin: int) -> str:
    image = enlarge(np.frombuffer(pixels, np.uint8).reshape(shape), factor)
    if not margin:
        return data_uri(image)
    wider = Image.new("RGBA", (image.width + 2 * margin, image.height))
    wider.paste(image, (margin, 0))
    return data_uri(wider)
