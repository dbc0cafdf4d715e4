"""Statistics of a data set on disk, so that the features of 50,000 training pictures are computed once.

A file is found by the pictures' fingerprint and the extractor's identity (weights, version, resize) together:
statistics of another resize or of other pictures cannot be taken for these. Those of CIFAR-10's training split come
with the project: they cost two cores an hour.
"""

import hashlib
import io
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from explorer.analysis.fid import Statistics
from explorer.data import data_root
from explorer.files import write_bytes
from explorer.text import Problem

SHIPPED = Path(__file__).with_name("reference")


def pack(of: Statistics) -> bytes:
    """An NPZ file with n, total (D,) and the upper triangle of `outer`, float64: 17 MB for D = 2048."""
    buffer = io.BytesIO()
    np.savez(buffer, n=np.int64(of.n), total=of.total, outer=of.outer[np.triu_indices(len(of.total))])
    return buffer.getvalue()


def pack_small(of: Statistics) -> bytes:
    """The same in half the bytes: the upper triangle of the covariance as float32, rounded to 6e-8 of each number. The
    sums themselves would not bear that: the covariance is what little is left of them after a subtraction."""
    buffer = io.BytesIO()
    upper = of.covariance[np.triu_indices(len(of.total))].astype(np.float32)
    np.savez(buffer, n=np.int64(of.n), total=of.total, covariance=upper)
    return buffer.getvalue()


def unpack(data: bytes) -> Statistics:
    """What `pack` packed, bit for bit, or `pack_small`, rounded; Problem when it is something else, or damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            small = "covariance" in found
            n, total, upper = (found[name] for name in ("n", "total", "covariance" if small else "outer"))
        width = len(total)
        whole = n.shape == () and n.dtype == np.int64 and n >= 1 + small and total.shape == (width,)
        whole = whole and upper.shape == (width * (width + 1) // 2,) and total.dtype == np.float64
        whole = whole and upper.dtype == (np.float32 if small else np.float64)
        if not whole or not np.isfinite(total).all() or not np.isfinite(upper).all():
            raise ValueError("n, total and outer are not statistics")
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise Problem("These are no stored statistics: {error}", error=str(error)[:200]) from error
    outer = np.zeros((width, width))
    outer[np.triu_indices(width)] = upper
    outer += np.triu(outer, 1).T
    if small:
        outer = outer * (n - 1) + np.outer(total, total / n)
    return Statistics(int(n), total, outer)


def key(fingerprint: str, identity: str) -> str:
    """64 hex digits for pictures with this fingerprint and an extractor with this identity."""
    return hashlib.sha256(f"{fingerprint} {identity}".encode()).hexdigest()


def path(fingerprint: str, identity: str) -> Path:
    """Where the statistics of these pictures by this extractor lie, or would lie."""
    return data_root() / "fid" / f"{key(fingerprint, identity)}.npz"


def kept(fingerprint: str, identity: str) -> Statistics | None:
    """The statistics stored on this machine, or shipped; None when there are none or the file is damaged."""
    place = path(fingerprint, identity)
    for file in (place, SHIPPED / place.name):
        with suppress(OSError, Problem):
            return unpack(file.read_bytes())
    return None


def keep(fingerprint: str, of: Statistics, identity: str) -> None:
    """Store the statistics of these pictures by this extractor; a disk that refuses is a Problem."""
    write_bytes(path(fingerprint, identity), pack(of))
