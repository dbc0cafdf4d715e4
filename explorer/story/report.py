"""A talk as one HTML file that asks for nothing: to send, to print, to read in ten years.

Typeface, pictures and charts are inside; no script, no address outside of the file. On paper a step has its own sheet,
A4 lying. Whatever stands in a story file is shown as it is written and never read as HTML.
"""

import base64
import contextvars
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from html import escape
from typing import Any
from urllib.parse import urlencode

from explorer import checkpoints, reported
from explorer.jobs import PROJECT
from explorer.story.draw import FAMILY, FONTS, LOOKS, WEIGHTS, Look, chart_svg, size_of, trimmed
from explorer.story.figures import shown
from explorer.story.steps import Step, Story
from explorer.text import Problem, language, set_language, t
from explorer.views import pictures

PLACE = 1000, 380  # of a figure, in pixels: with three lines above it a step fits on a sheet
SHOWN = Mapping[int, tuple[Any, str]]
TAG = re.compile(r'<[a-zA-Z](?:[^>"]|"[^"]*")*>')


def report(story: Story, figures: SHOWN | None = None, code: str = "", day: date | None = None) -> str:
    """The whole talk as the text of an HTML file.

    figures: number of a step -> (story.figures.Figure or None, what has to be said of it), by default made here
    code: of the language, by default the current one;  day: that it is dated with, by default today's
    """

    def write() -> str:
        set_language(code or language())
        found = figures if figures is not None else {step.number: shown(step) for step in story.steps}
        return _document(story, found, day or datetime.now(UTC).date())

    return contextvars.copy_context().run(write)


def _document(story: Story, figures: SHOWN, day: date) -> str:
    title = escape(story.say("title"))
    parts = "\n".join(_step(story, step, *figures.get(step.number, (None, ""))) for step in story.steps)
    return f"""<!DOCTYPE html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
font-src data:">
<title>{title}</title>
<style>
{_faces()}
{_style()}
</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="sentence">{escape(story.say("sentence"))}</p>
<p class="quiet">{escape(_dated(story, day))}</p>
<nav aria-label="{escape(t("Contents"))}">
<h2>{escape(t("Contents"))}</h2>
{_contents(story)}
</nav>
</header>
<main>
{parts}
</main>
<footer>
<h2>{escape(t("What this rests on"))}</h2>
<ul>
{"".join(f"<li>{escape(line)}</li>" for line in _rests_on(story))}
</ul>
</footer>
</body>
</html>
"""


def _dated(story: Story, day: date) -> str:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return t(
        "{n} steps, written on {day} by Model Explorer {version}",
        n=len(story.steps), day=day.isoformat(), version=version,
    )  # fmt: skip


def _contents(story: Story) -> str:
    """A list of the parts, each with its steps; steps before the first part stand alone."""
    lines, part = [], None
    for step in story.steps:
        if step.say("part") != part:
            lines += ["</ol>"] if part is not None else []
            part = step.say("part")
            lines += [f"<h3>{escape(part)}</h3>"] if part else []
            lines += ["<ol>"]
        headline = escape(step.say("headline"))
        lines.append(f'<li value="{step.number}"><a href="#step-{step.number}">{headline}</a></li>')
    return "\n".join([*lines, "</ol>"])


def _step(story: Story, step: Step, figure: Any, said: str) -> str:
    part = f'<p class="part">{escape(step.say("part"))}</p>' if step.say("part") else ""
    said = f'<p class="said">{escape(said)}</p>' if said else ""
    note = "".join(f"<p>{escape(line)}</p>" for line in step.say("note").splitlines() if line.strip())
    return f"""<section id="step-{step.number}">
<div class="sheet">
{part}
<h2>{escape(step.say("headline"))}</h2>
<p class="sentence">{escape(step.say("sentence"))}</p>
{said}
{_figure(step, figure)}
<p class="quiet foot">{escape(_live(step))}<span>{step.number} / {len(story.steps)}</span></p>
</div>
<aside aria-label="{escape(t("Notes"))}">
{note}
</aside>
</section>"""


def _live(step: Step) -> str:
    """Where in the app the step is live."""
    query = f"?{urlencode(step.query)}" if step.query else ""
    return t("In the app: {address}", address=f"/{step.page}{query}") if step.page else ""


def _figure(step: Step, figure: Any) -> str:
    if figure is None:
        return ""
    if figure.image is None:
        try:
            picture = _inline(chart_svg(figure.chart, *PLACE), f"s{step.number}-", figure.alt)
        except Problem as problem:
            picture = f"<p>{escape(str(problem))}</p>"
    else:
        image = trimmed(figure.image, LOOKS[False].ground) if figure.smooth else figure.image
        width, height = _size(*image.size, figure.smooth)
        picture = (
            f'<img src="{pictures.data_uri(image)}" alt="{escape(figure.alt)}" width="{width}" '
            f'height="{height}"{"" if figure.smooth else " class=sharp"}>'
        )
    return f'<figure>\n{picture}\n<figcaption class="quiet">{escape(figure.evidence)}</figcaption>\n</figure>'


def _size(width: float, height: float, smooth: bool = True) -> tuple[int, int]:
    """How large something is shown; small pictures by whole multiples, and larger ones, two pixels for one, halved."""
    times = min(PLACE[0] / width, PLACE[1] / height)
    if not smooth:
        times = int(times) if times >= 1 else min(times, 0.5)
    return max(1, int(width * times)), max(1, int(height * times))


def _inline(svg: str, prefix: str, alt: str) -> str:
    """A chart as a part of the page: names of its own, one text for who cannot see it, nothing from elsewhere.

    Names like "clip0" begin anew in every chart, and on one page the first would cut all others.
    """

    def tag(found: re.Match) -> str:
        words = re.sub(r' (?:xmlns(?::xlink)?|aria-[a-z]+|role|class|tabindex)="[^"]*"', "", found[0])
        words = re.sub(r' (?:xlink:)?href="(?!data:image/|#)[^"]*"', "", words)
        return re.sub(r' id="| (?:xlink:)?href="#|url\(#', lambda start: start[0] + prefix, words)

    width, height = _size(*size_of(svg))
    inside = TAG.sub(tag, svg.partition(">")[2])
    box = " ".join(f"{side:g}" for side in size_of(svg))
    return f'<svg role="img" aria-label="{escape(alt)}" width="{width}" height="{height}" viewBox="0 0 {box}">{inside}'


def _rests_on(story: Story) -> Iterator[str]:
    """Checkpoints with their hashes, reported figures with their source."""
    for name in dict.fromkeys(name for step in story.steps for name in step.needs):
        try:
            card = checkpoints.read_card(name)
            yield t(
                "{name}: weights {weights}, {data} {fingerprint}",
                name=name, weights=card.sha256[:12], data=card.data, fingerprint=card.data_fingerprint[:12],
            )  # fmt: skip
        except Problem as problem:
            yield f"{name}: {problem}"
    for key in dict.fromkeys(key for step in story.steps for key in step.reported):
        found = reported.figure(key)
        yield t("{key}, reported: {source}", key=key, source=t(found.source))


# The look -----------------------------------------------------------------------------------------


@cache
def _faces() -> str:
    """The typeface, inside the file: on a machine without Korean letters it reads the same."""
    return "\n".join(
        f"@font-face {{ font-family: {FAMILY}; font-weight: {'600 900' if bold else '100 500'}; src: "
        f"url(data:font/woff2;base64,{base64.b64encode(file.read_bytes()).decode('ascii')}) format('woff2'); }}"
        for bold, weight in WEIGHTS.items()
        for file in [FONTS / f"{FAMILY}-{weight}.subset.woff2"]
    )


def _colours(look: Look) -> str:
    return (
        f"--ground: {look.ground}; --panel: {look.panel}; --line: {look.line}; "
        f"--ink: {look.ink}; --quiet: {look.quiet}; --accent: {look.accent};"
    )


@cache
def _style() -> str:
    """Charts are drawn for the light ground and keep it in the dark; paper is light."""
    light, dark = (_colours(LOOKS[each]) for each in (False, True))
    return f"""
:root {{ color-scheme: light dark; {light} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
body {{ margin: 0 auto; padding: 2rem 1.5rem; max-width: 1000px; background: var(--ground); color: var(--ink);
  font: 16px/1.5 {FAMILY}, 'Noto Sans CJK KR', sans-serif; word-break: keep-all; overflow-wrap: anywhere; }}
h1 {{ font-size: 2.5rem; line-height: 1.2; margin: 2rem 0 0.5rem; }}
h2 {{ font-size: 1.75rem; line-height: 1.25; margin: 0 0 0.5rem; }}
h3 {{ font-size: 1rem; margin: 1rem 0 0.25rem; color: var(--accent); }}
nav h2, footer h2 {{ font-size: 1.25rem; margin-top: 2rem; }}
nav ol {{ margin: 0; padding-left: 2.5rem; }}
a {{ color: var(--accent); text-decoration: none; }}
a:hover, a:focus {{ text-decoration: underline; }}
section {{ border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1.5rem; }}
.part {{ margin: 0; font-weight: 700; color: var(--accent); }}
.sentence {{ font-size: 1.125rem; margin: 0 0 1rem; }}
.said {{ background: var(--panel); border-left: 4px solid var(--accent); margin: 0 0 1rem; padding: 0.5rem 0.75rem; }}
.quiet {{ color: var(--quiet); font-size: 0.875rem; }}
.foot {{ display: flex; justify-content: space-between; gap: 1rem; margin: 0.5rem 0; }}
.foot span {{ margin-left: auto; white-space: nowrap; }}
figure {{ margin: 0; }}
figure svg, figure img {{ display: block; max-width: 100%; height: auto; }}
figure svg {{ background: {LOOKS[False].ground}; }}
figcaption {{ margin-top: 0.5rem; }}
.sharp {{ image-rendering: pixelated; }}
aside {{ background: var(--panel); padding: 0.25rem 1rem; font-size: 0.9375rem; }}
aside p {{ margin: 0.5rem 0; }}
footer {{ border-top: 1px solid var(--line); margin-top: 3rem; font-size: 0.875rem; }}
@page {{ size: A4 landscape; margin: 12mm 14mm; }}
@media print {{
  :root {{ color-scheme: light; }}
  body {{ max-width: none; padding: 0; background: none; print-color-adjust: exact; }}
  section, footer {{ break-before: page; border: 0; margin: 0; padding: 0; }}
  .sheet, figure, aside p, li {{ break-inside: avoid; }}
  h1, h2, h3 {{ break-after: avoid; }}
  a {{ color: inherit; }}
  h2 {{ font-size: 1.5rem; }}
  .sentence {{ font-size: 1rem; margin-bottom: 0.5rem; }}
  .said {{ margin-bottom: 0.5rem; font-size: 0.875rem; }}
  aside {{ font-size: 0.8125rem; }}
}}
"""
