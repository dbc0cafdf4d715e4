"""What figures share: the title that states what is seen, the subtitle with n and source, percentages."""

import unicodedata

QUIET = "#787C82"  # small grey type, 4:1 against either ground: Streamlit themes a title, not a subtitle


def wrapped(sentence: str, width: int = 42) -> list[str]:
    """A sentence in lines of at most `width` letters for a chart's title (a Korean letter counts twice)."""
    lines, line = [], ""
    for word in sentence.split(" "):
        longer = f"{line} {word}" if line else word
        if line and sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in longer) > width:
            lines, longer = [*lines, line], word
        line = longer
    return [*lines, line]


def title(sentence: str, source: str) -> dict:
    """What is seen as the title, n and source as the subtitle."""
    return {
        "text": wrapped(sentence), "subtitle": wrapped(source, 60), "anchor": "start", "frame": "bounds",
        "subtitleColor": QUIET, "offset": 14, "subtitlePadding": 6,
    }  # fmt: skip


def percentage(value: float) -> str:
    """A share in [0, 1] as a percentage with one decimal, without the sign: "93.4", "0", "100"."""
    return f"{100 * value:.1f}".removesuffix(".0") if value in (0, 1) else f"{100 * value:.1f}"
