"""A strip of pictures to choose from: one element on the page, each picture a real button that keys and mice reach."""

import json
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from explorer.ui import cache


class Item(NamedTuple):
    """id: what is picked;  src: a data: address;  title: below the picture, in lines;  alt: for who cannot see it

    hint: the words that appear when it is pointed at;  share: 0 to 1, drawn as a bar below the picture; -1: no bar
    """

    id: str
    src: str
    title: str
    alt: str
    hint: str
    share: float = -1.0


_strip = st.components.v2.component(
    "picture_strip",
    html="<p></p><div class='strip' role='group'></div>",
    css="""
p { margin: 0 0 0.5rem; color: var(--st-text-color); font-size: 0.875rem; }
.strip { display: flex; gap: 0.5rem; overflow-x: auto; padding: 3px 3px 0.5rem; scrollbar-width: thin; }
.strip.wrap { flex-wrap: wrap; overflow-x: visible; row-gap: 0.75rem; }
p:empty { display: none; }
button {
  flex: 0 0 5.25rem; padding: 0; border: 0; background: none; cursor: pointer; color: var(--st-text-color);
  font: inherit; font-family: var(--st-font); font-size: 0.8125rem; line-height: 1.25;
  border-radius: var(--st-base-radius);
}
img {
  display: block; width: 5.25rem; height: 5.25rem; object-fit: cover; image-rendering: pixelated;
  margin-bottom: 0.25rem; border-radius: var(--st-base-radius);
}
img.smooth { image-rendering: auto; }
.strip.large button { flex-basis: 128px; width: 128px; }
.strip.large img { width: 128px; height: 128px; border-radius: 0; }
.strip.small button { flex-basis: 64px; width: 64px; }
.strip.small img { width: 64px; height: 64px; border-radius: 0; }
.strip.middle button { flex-basis: 96px; width: 96px; }
.strip.middle img { width: 96px; height: 96px; border-radius: 0; }
span { white-space: pre-line; }
i { display: block; height: 4px; margin-bottom: 0.25rem; background: var(--st-border-color); }
i[hidden] { display: none; }
b { display: block; height: 100%; background: var(--st-primary-color); }
button:hover img { outline: 2px solid var(--st-border-color); }
button[aria-pressed="true"] { font-weight: 700; }
button[aria-pressed="true"] img, button:focus-visible img { outline: 3px solid var(--st-primary-color); }
button:focus-visible { outline: none; text-decoration: underline; }
""",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  data = JSON.parse(new TextDecoder().decode(data))
  const strip = parentElement.querySelector(".strip")
  parentElement.querySelector("p").textContent = data.label
  strip.setAttribute("aria-label", data.label)
  strip.className = data.look
  while (strip.children.length > data.items.length) strip.lastChild.remove()
  data.items.forEach((item, n) => {
    let button = strip.children[n]
    if (!button) {
      button = document.createElement("button")
      button.type = "button"
      const bar = document.createElement("i")
      bar.append(document.createElement("b"))
      button.append(document.createElement("img"), bar, document.createElement("span"))
      strip.append(button)
    }
    const [picture, bar, title] = button.children
    bar.hidden = item.share < 0
    bar.firstChild.style.width = 100 * Math.max(0, item.share) + "%"
    if (picture.src !== item.src) picture.src = item.src
    picture.alt = item.alt
    picture.className = item.src.startsWith("data:image/jpeg") ? "smooth" : ""
    title.textContent = item.title
    button.title = item.hint
    button.setAttribute("aria-label", item.alt)
    button.setAttribute("aria-pressed", String(item.id === data.chosen))
    button.onclick = () => setTriggerValue("picked", item.id)
  })
}
""",
)


def picture_strip(
    label: str,
    items: tuple[Item, ...],
    chosen: str | None,
    key: str,
    on_pick: Callable[[str], None],
    look: str = "strip",
) -> None:
    """Draw the strip with `chosen` marked; a click calls `on_pick` with an id of `items` before the page runs again.

    label: above it, and its name for screen readers; "" for none
    look: "strip" = one row that scrolls, "strip wrap" = as many rows as it takes; with " small", " middle" or " large"
        behind it pictures of 64, 96 or 128 pixels, in large type one size more
    """
    if st.session_state.get("large"):  # widgets.large_type, which stands to the right of this
        look = look.replace("middle", "large").replace("small", "middle")

    def picked() -> None:
        # What a browser sends can be anything: only what was offered counts.
        found = st.session_state[key].get("picked")
        if any(found == item.id for item in items):
            on_pick(found)

    packed = cache.in_session(
        ("strip", label, items, chosen, look), lambda: _packed(label, items, chosen, look)
    )
    _strip(key=key, data=packed, on_picked_change=picked)


def _packed(label: str, items: tuple[Item, ...], chosen: str | None, look: str) -> bytes:
    """What the browser gets, packed once: as a dict, Streamlit would pack it twice at every run."""
    return json.dumps(
        {"label": label, "items": [item._asdict() for item in items], "chosen": chosen, "look": look}
    ).encode()
