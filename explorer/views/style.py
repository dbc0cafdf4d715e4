"""Colours that mean something: one look on every page, safe for colour-blind eyes, on light and dark ground.

Classes: Paul Tol's "muted" set (technical note SRON/EPS/TN/09-002, 2021) in class order. Sequential: cividis
(Nunez, Anderton, Renslow 2018). Signed: vik (Crameri 2018), blue - neutral - red. For maps over pictures there are
others to choose from: viridis and inferno (van der Walt and Smith 2015), and berlin (Crameri 2018), whose middle is
dark. Each is sampled at 33 points, within 5/255 of the published tables of 256.
"""

import numpy as np

CLASS_COLOURS = (
    "#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE",
    "#882255", "#44AA99", "#999933", "#AA4499", "#BBBBBB",
)  # fmt: skip
# The dark ones, lifted to at least 3:1 against the dark ground #14161A; the hue stays.
ON_DARK = {"#332288": "#7A6BD6", "#117733": "#2FA35A", "#882255": "#C25A8C", "#AA4499": "#C06BB3"}
RIGHT, WRONG = "#117733", "#CC6677"
WRONG_INK = "#B0404F"  # of words on light ground, where WRONG has 3.5:1
RIGHT_MARK, WRONG_MARK = "✓", "✗"  # colour is never the only sign
ACCENT, ACCENT_ON_DARK = "#096289", "#5BB8E0"
CHOSEN = "#E8590C"  # the frame around what was clicked: stands out on cividis, vik and both grounds
EMPTY = "#8A8A8A22"  # a cell that counts nothing: a breath of grey on either ground
INK, INK_ON_DARK = "#141619", "#ECEAE4"  # of type in a chart that the theme does not reach
QUIET, QUIET_ON_DARK = "#5B5F66", "#A3A6AC"  # of small grey type, at least 6:1
MUTED = "#8A8A8A"  # guide lines and marks, 3:1 on either ground: too pale for type


def _colours(digits: str) -> tuple[str, ...]:
    return tuple(f"#{colour}" for colour in digits.split())


SEQUENTIAL = _colours(
    "00224E 00285B 002E6A 053371 1A386F 273E6E 32436D 3B496C 434E6C 4B546C 535A6D "
    "5A5F6E 61656F 686A71 6F7073 767676 7D7C78 848279 8C8878 938E78 9B9476 A39A74 "
    "ABA072 B4A76F BCAE6C C4B468 CDBB63 D5C25E DEC958 E7D150 F0D846 F9E03A FEE838"
)
SIGNED = _colours(
    "001261 021F69 022B71 023779 034481 055189 0C5E92 1C6D9C 307DA6 488DB2 619EBD "
    "7AAEC8 94BED2 ADCDDD C6DBE6 DEE6E9 ECE5E0 EED9CD E9CAB8 E2BAA2 DBAA8D D59B79 "
    "CF8C66 C97E53 C27041 BC622F B2511D A33E0D 912D06 811F06 731406 650907 590008"
)
VIRIDIS = _colours(
    "440154 470D60 48186A 482374 472D7B 453781 424086 3E4989 3B528B 375B8D 33638D "
    "2F6B8E 2C728E 297A8E 26828E 23898E 21918C 1F988B 1FA088 22A785 28AE80 32B67A "
    "3FBC73 4EC36B 5EC962 70CF57 84D44B 98D83E ADDC30 C2DF23 D8E219 ECE51B FDE725"
)
INFERNO = _colours(
    "000004 040312 0B0724 150B37 210C4A 2F0A5B 3D0965 4A0C6B 57106E 64156E 71196E "
    "7D1E6D 8A226A 972766 A32C61 B0315B BC3754 C73E4C D24644 DB503B E45A31 EB6628 "
    "F1731D F68013 F98E09 FB9D07 FCAC11 FBBC21 F9CB35 F5DB4C F2EA69 F3F68A FCFFA4"
)
BERLIN = _colours(
    "9EB0FF 8CAEF6 79ABED 65A7E2 519FD3 4194C1 3685AD 2E7699 286886 225973 1D4B61 "
    "183D4F 14303E 11242E 111A20 121214 190C09 220C02 2B0E01 351000 411201 4D1602 "
    "5B1D08 6C2711 7D341E 8E422E 9E513F AE6051 BE6F63 CE7F76 DF8F89 F09F9C FFADAD"
)
# What a map over a picture may be drawn in, by whether it has a sign; the first is the default.
OVERLAYS = {
    True: {"vik": SIGNED, "berlin": BERLIN},
    False: {"cividis": SEQUENTIAL, "viridis": VIRIDIS, "inferno": INFERNO},
}


def class_colours(count: int, dark: bool = False) -> list[str]:
    """A colour for each of `count` classes; beyond ten they repeat, so names are printed as well."""
    found = [CLASS_COLOURS[k % len(CLASS_COLOURS)] for k in range(count)]
    return [ON_DARK.get(colour, colour) for colour in found] if dark else found


def verdict_ink(right: bool, dark: bool = False) -> str:
    """The ink "#RRGGBB" of words that say whether something is right, at least 4.5:1 on its ground."""
    if dark:
        return ON_DARK[RIGHT] if right else WRONG
    return RIGHT if right else WRONG_INK


def table(colours: tuple[str, ...], size: int = 256) -> np.ndarray:
    """A colour map as uint8 (size, 3), interpolated between its anchors."""
    anchors = np.array([_rgb(colour) for colour in colours], float)
    where = np.linspace(0, len(colours) - 1, size)
    return (
        np.stack([np.interp(where, range(len(colours)), anchors[:, k]) for k in range(3)], 1)
        .round()
        .astype(np.uint8)
    )


def at(colours: tuple[str, ...], value: float) -> str:
    """The colour "#RRGGBB" of `value` in [0, 1] on a map; values outside are held at its ends."""
    place = min(max(value, 0.0), 1.0) * (len(colours) - 1)
    low = min(int(place), len(colours) - 2)
    pairs = zip(_rgb(colours[low]), _rgb(colours[low + 1]))
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02X}" for a, b in pairs)


def ink_on(colour: str) -> str:
    """Black or white ink, whichever reads better on "#RRGGBB" (WCAG contrast)."""
    light = luminance(colour)
    return "#FFFFFF" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000000"


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB" as WCAG defines it, in [0, 1]."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
