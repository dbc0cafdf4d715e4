"""A picture with a button that puts it on the clipboard. Browsers do that on localhost and over https only."""

import streamlit as st

from explorer.views import pictures

_copy = st.components.v2.component(
    "copy_picture",
    html="<img><div class='row'><button type='button'></button><span role='status'></span></div>",
    css="""
img { display: block; width: 100%; border: 1px solid var(--st-border-color); }
.row { display: flex; gap: 0.75rem; align-items: center; margin-top: 0.5rem; }
button {
  font: inherit; font-family: var(--st-font); color: var(--st-text-color); background: none; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: 0.375rem 0.75rem;
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); }
span { color: var(--st-text-color); font-family: var(--st-font); }
""",
    js="""
export default function ({ data, parentElement }) {
  const [image, button, said] = ["img", "button", "span"].map((tag) => parentElement.querySelector(tag))
  image.src = data.src
  image.alt = data.alt
  button.textContent = data.copy
  said.textContent = ""
  button.onclick = async () => {
    try {
      // A promise of the picture, nothing awaited before `write`: Safari would take the click for over and refuse.
      const picture = fetch(data.src).then((found) => found.blob())
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })])
      said.textContent = data.copied
    } catch {
      said.textContent = data.refused
    }
  }
}
""",
)


def copy_button(png: bytes, alt: str, copy: str, copied: str, refused: str) -> None:
    """Show a PNG and the button; the words on it, and what is said when it is done or the browser refuses."""
    data = {"src": pictures.png_uri(png), "alt": alt, "copy": copy, "copied": copied, "refused": refused}
    _copy(key="copy picture", data=data)
