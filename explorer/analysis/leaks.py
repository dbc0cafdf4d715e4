"""Copies among pictures: the same one twice in a set, or test pictures that stand in the training set as well.

Barz & Denzler 2020 (ciFAIR, arXiv 1902.00423) found, by eye, that 3.25 % of CIFAR-10's test pictures have a near copy
in its training set: they make memory look like understanding. Here nobody looks, so it takes two steps. Candidates: the
nearest by a thumbnail, the picture as it is and mirrored. Confirmed: when their edges lie at the same places after the
best shift, whatever the brightness (likeness.py); the distance is 1 minus the correlation of the edges.

LIMIT, by eye: of 1,000 CIFAR-10 test pictures 25 have a training picture within it, copies all of them. From 0.3 to 0.5
real copies (cropped anew, rescaled) are mixed with mere look-alikes; those are missed, not guessed. Where all pictures
are alike, as digits are, the limit is lower: `limit_of`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.analysis.agreement import shortened
from explorer.analysis.likeness import BLOCK, CELL, likeness, thumbnails
from explorer.analysis.retrieval import Exact
from explorer.data import spread
from explorer.text import Problem

LIMIT = 0.3  # distance up to which a pair is a near copy, at most
USUAL = 0.75  # median distance of candidates below which the pictures of a set are alike; CIFAR-10: 0.85, digits: 0.23
SAMPLE, LEAST = 200, 20  # pictures that say what is usual, and below how many nothing does
CANDIDATES = 5  # of each picture, and as many of its mirror image
APART = (
    0.85  # of thumbnails of length 1 (cosine 0.64): pairs further apart are not looked at, copies lie within
)
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Pairs:
    """M pairs of copies, exact ones first, then by distance.

    a, b: int64 (M,), pictures of the first and the second set; within one set a < b
    distance: float64 (M,) in [0, limit], 0 for exact ones;  exact: bool (M,), equal in every pixel
    mirrored: bool (M,);  shift: int64 (M, 2), pixels (down, right) that b's content lies from a's (a mirrored first)
    limit: distance up to which a pair counts
    """

    a: np.ndarray
    b: np.ndarray
    distance: np.ndarray
    exact: np.ndarray
    mirrored: np.ndarray
    shift: np.ndarray
    limit: float

    def __len__(self) -> int:
        return len(self.a)


def across(
    a: np.ndarray,
    b: np.ndarray,
    features: tuple[np.ndarray, np.ndarray] | None = None,
    on_step: OnStep | None = None,
) -> Pairs:
    """Copies between two sets of pictures, uint8 (N, 3, S, S) and (M, 3, S, S), test and training for example.

    Of several equal pictures in b only the first is named.
    features: float32 (N, D) and (M, D) of a net, which propose candidates as well, by cosine; pixels confirm
    on_step(done, total): pairs compared
    """
    _check(a, b)
    first = _firsts(b)
    unique = np.flatnonzero(first == np.arange(len(b)))
    at = {digest: int(k) for digest, k in zip(_digests(b[unique]), unique)}
    same = np.array([at.get(digest, -1) for digest in _digests(a)], np.int64)
    exact = np.stack([np.flatnonzero(same >= 0), same[same >= 0]], 1)
    everyone = np.arange(len(a))
    pairs = _candidates(a, b, everyone, unique, features) if len(a) and len(b) else exact[:0]
    pairs = pairs[same[pairs[:, 0]] != pairs[:, 1]]
    return _confirmed(a, b, exact, pairs, limit_of(b[unique]), on_step)


def within(images: np.ndarray, features: np.ndarray | None = None, on_step: OnStep | None = None) -> Pairs:
    """Copies within one set of pictures uint8 (N, 3, S, S).

    Of several equal pictures each later one is paired with the first, and only the first is looked for near copies of.
    """
    _check(images, images)
    first = _firsts(images)
    later = np.flatnonzero(first != np.arange(len(images)))
    exact = np.stack([first[later], later], 1)
    unique = np.flatnonzero(first == np.arange(len(images)))
    both = None if features is None else (features, features)
    pairs = _candidates(images, images, unique, unique, both, within=True) if len(unique) > 1 else exact[:0]
    pairs = np.unique(np.sort(pairs, 1), axis=0)
    return _confirmed(images, images, exact, pairs, limit_of(images[unique]), on_step)


def limit_of(images: np.ndarray) -> float:
    """The distance up to which pictures of such a set uint8 (N, 3, S, S), all different, count as near copies.

    LIMIT, times the cube of how much nearer than USUAL candidates are to each other, if they are: over SAMPLE of the
    pictures and all their candidates, most of which are no copies whatever the set. The cube is the least power with
    which none of the digits, in sets of 120 to 1,437, is taken for a copy of another one.
    """
    if len(images) < LEAST:
        return LIMIT
    rows = spread(len(images), SAMPLE)
    pairs = _candidates(images, images, rows, np.arange(len(images)), within=True, apart=np.inf)
    distance, _, _ = _likeness(images, images, pairs, None)
    return LIMIT * min(1.0, float(np.median(distance)) / USUAL) ** 3


# --- how it is done -----------------------------------------------------------------------------------------------


def _check(a: np.ndarray, b: np.ndarray) -> None:
    for images in (a, b):
        if images.ndim != 4 or images.dtype != np.uint8 or min(images.shape[2:]) < 2 * CELL:
            raise Problem(
                "Expected pictures as uint8 (N, 3, H, W), at least {least} pixels a side, got {dtype} {shape}.",
                least=2 * CELL,
                dtype=images.dtype,
                shape=images.shape,
            )
    if a.shape[1:] != b.shape[1:]:
        raise Problem("Pictures of {a} and of {b} cannot be compared.", a=a.shape[1:], b=b.shape[1:])


def _digests(images: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]


def _firsts(images: np.ndarray) -> np.ndarray:
    """For each picture the index of the first that equals it in every pixel, int64 (N,)."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(digest, k) for k, digest in enumerate(_digests(images))], np.int64)


def _candidates(
    a: np.ndarray,
    b: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    features: tuple[np.ndarray, np.ndarray] | None = None,
    within: bool = False,
    apart: float = APART,
) -> np.ndarray:
    """int64 (C, 2), ascending: pictures rows of a, and for each some of the pictures columns of b.

    within: both are the same set, rows are among the columns;  apart: thumbnails further apart are left out
    """
    k = min(CANDIDATES, len(columns) - within)
    own = np.searchsorted(columns, rows) if within else None
    images = a[rows]
    # unit vectors: Euclidean ranks as the cosine does, and takes a picture of one colour too
    gallery = Exact(thumbnails(b[columns]))
    seen = [gallery.search(thumbnails(each), k, "euclidean", own) for each in (images, images[..., ::-1])]
    ids, near = [each.ids for each in seen], [each.values <= apart for each in seen]
    if features is not None:
        mine, theirs = (shortened(each, 1) for each in (features[0][rows], features[1][columns]))
        ids.append(Exact(theirs).search(mine, k, "euclidean", own).ids)
        near.append(np.ones(ids[-1].shape, bool))
    row, place = np.nonzero(np.concatenate(near, 1))
    found = np.concatenate(ids, 1)[row, place]
    return np.unique(np.stack([rows[row], columns[found]], 1), axis=0)


def _likeness(
    a: np.ndarray, b: np.ndarray, pairs: np.ndarray, on_step: OnStep | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`likeness` of pairs int64 (C, 2), BLOCK at a time."""
    found = [(np.zeros(0), np.zeros(0, bool), np.zeros((0, 2), np.int64))]
    for top in range(0, len(pairs), BLOCK):
        part = pairs[top : top + BLOCK]
        found.append(likeness(a[part[:, 0]], b[part[:, 1]]))
        if on_step:
            on_step(min(top + BLOCK, len(pairs)), len(pairs))
    distance, mirrored, shift = (np.concatenate(each) for each in zip(*found))
    return distance, mirrored, shift


def _confirmed(
    a: np.ndarray, b: np.ndarray, exact: np.ndarray, pairs: np.ndarray, limit: float, on_step: OnStep | None
) -> Pairs:
    """The exact pairs, and those of the others (C, 2) that are near enough, sorted."""
    distance, mirrored, shift = _likeness(a, b, pairs, on_step)
    near = np.flatnonzero(distance <= limit)
    near = near[np.lexsort((pairs[near, 1], pairs[near, 0], distance[near]))]
    both, n = np.concatenate([exact, pairs[near]]), len(exact)
    return Pairs(
        *both.T,
        np.concatenate([np.zeros(n), distance[near]]),
        np.arange(len(both)) < n,
        np.concatenate([np.zeros(n, bool), mirrored[near]]),
        np.concatenate([np.zeros((n, 2), np.int64), shift[near]]),
        limit,
    )
