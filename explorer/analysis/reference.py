"""Statistics of a data set on disk, so that the features of 50,000 training pictures are computed once.

A file is found by the pictures' fingerprint, the weights' sha256 and the extractor's version together: statistics of
another resize or of other pictures cannot be taken for these.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from explorer.analysis.fid import Statistics
from explorer.data import data_root
from explorer.data.inception import SHA256, VERSION
from explorer.files import write_bytes
from explorer.text import Problem


def pack(of: Statistics) -> bytes:
    """An NPZ file with n, total (D,) and the upper triangle of `outer`, float64: 17 MB for D = 2048."""
    buffer = io.BytesIO()
    np.savez(buffer, n=np.int64(of.n), total=of.total, outer=of.outer[np.triu_indices(len(of.total))])
    return buffer.getvalue()


def unpack(data: bytes) -> Statistics:
    """What `pack` packed, bit for bit; Problem when it is something else, or damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            n, total, upper = (found[name] for name in ("n", "total", "outer"))
        width = len(total)
        whole = n.shape == () and n.dtype == np.int64 and n >= 1 and total.shape == (width,)
        whole = (
            whole and upper.shape == (width * (width + 1) // 2,) and total.dtype == upper.dtype == np.float64
        )
        if not whole or not np.isfinite(total).all() or not np.isfinite(upper).all():
            raise ValueError("n, total and outer are not statistics")
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise Problem("These are no stored statistics: {error}", error=str(error)[:200]) from error
    outer = np.zeros((width, width))
    outer[np.triu_indices(width)] = upper
    return Statistics(int(n), total, outer + np.triu(outer, 1).T)


def key(fingerprint: str) -> str:
    """64 hex digits for pictures with this fingerprint, these weights and this resize."""
    return hashlib.sha256(f"{fingerprint} {SHA256} {VERSION}".encode()).hexdigest()


def path(fingerprint: str) -> Path:
    """Where the statistics of pictures with this fingerprint lie, or would lie."""
    return data_root() / "fid" / f"{key(fingerprint)}.npz"


def kept(fingerprint: str) -> Statistics | None:
    """The stored statistics; None when there are none or the file is damaged."""
    try:
        return unpack(path(fingerprint).read_bytes())
    except (OSError, Problem):
        return None


def keep(fingerprint: str, of: Statistics) -> None:
    """Store the statistics of the pictures with this fingerprint; a disk that refuses is a Problem."""
    write_bytes(path(fingerprint), pack(of))
