"""What Streamlit has no setting for and the document needs: its language, its type size, and mendings of what
screen readers and weak eyes meet (measured with axe; each can go when Streamlit has it right).

Themes cannot be switched by a script, so large type is set where the browser keeps it: the font size of the root
element. Streamlit sizes everything in `rem`, therefore all of it follows, without a style sheet of ours. Two rules are
ours all the same, for the dark theme: Streamlit writes white on the accent, which is 2.2 to 1 on light blue, and
darkens the words of a plain button that was clicked, to 3.7 to 1.
"""

import streamlit as st

from explorer.views import style

NORMAL, LARGE = 16, 22  # pixels
ON_ACCENT = "#14161A"  # of type on the dark theme's accent: 8 to 1

_document = st.components.v2.component(
    "document",
    html="<span hidden></span>",
    js="""
const CLICKED = ["[kind=tertiary]:is(:focus, :active)", "[kind=tertiary]:is(:focus, :active) *"]
const ACCENTED = ["[kind=primary]:not(:disabled)", "[kind=primary]:not(:disabled) *", "[data-tag]", "[data-tag] *"]

// The navigation is a list of groups, each with its heading: Streamlit has the items of the groups in a plain element.
function mend() {
  for (const list of document.querySelectorAll("[data-testid=stSidebarNavItems]")) {
    for (const group of list.querySelectorAll(":scope > div:not([role])")) {
      list.setAttribute("role", "group")
      group.setAttribute("role", "list")
    }
  }
}

export default function ({ data, parentElement }) {
  const root = document.documentElement
  root.lang = data.language
  root.style.fontSize = data.pixels === data.normal ? "" : `${data.pixels}px`
  const style = document.getElementById("on-accent") || document.head.appendChild(document.createElement("style"))
  style.id = "on-accent"
  const rule = (places, colour) => `${places.join(", ")} { color: ${colour} !important } `
  style.textContent = data.dark ? rule(ACCENTED, data.on_accent) + rule(CLICKED, data.accent) : ""
  mend()
  parentElement.watching ??= new MutationObserver(mend)
  parentElement.watching.observe(document.body, { childList: true, subtree: true })
  return () => parentElement.watching.disconnect()
}
""",
)


def apply(language: str, large: bool) -> None:
    """Set the document's language (for screen readers and line breaks), the size of its type, and the mendings."""
    _document(
        key="document",
        data={
            "language": language,
            "pixels": LARGE if large else NORMAL,
            "normal": NORMAL,
            "dark": st.context.theme.type == "dark",
            "on_accent": ON_ACCENT,
            "accent": style.ACCENT_ON_DARK,
        },
        height=1,
    )
