"""The two things about the document that Streamlit has no per-session setting for: its language and its type size.

Themes cannot be switched by a script, so large type is set where the browser keeps it: the font size of the root
element. Streamlit sizes everything in `rem`, therefore all of it follows, without a style sheet of ours.
"""

import streamlit as st

NORMAL, LARGE = 16, 22  # pixels

_document = st.components.v2.component(
    "document",
    html="<span hidden></span>",
    js="""
export default function ({ data }) {
  const root = document.documentElement
  root.lang = data.language
  root.style.fontSize = data.pixels === data.normal ? "" : `${data.pixels}px`
}
""",
)


def apply(language: str, large: bool) -> None:
    """Set the document's language (for screen readers and line breaks) and the size of its type."""
    _document(
        key="document",
        data={"language": language, "pixels": LARGE if large else NORMAL, "normal": NORMAL},
        height=1,
    )
