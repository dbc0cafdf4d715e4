"""Keys of a talk: arrows, Page Up and Down (which remote controls send), Home, End, and the number of a step; Escape
leads back to it from another page."""

import re
from collections.abc import Callable

import streamlit as st

PRESSED = re.compile(r"all|[1-9][0-9]?")

_keys = st.components.v2.component(
    "talk_keys",
    html="<span hidden></span>",
    js="""
const wait = 700  // milliseconds within which the second digit of a number comes

export default function ({ data, parentElement, setTriggerValue }) {
  // The step is sent and not the direction: of two quick presses the server may see the last only.
  let at = data.step
  // A digit waits for a second one while the page may run again and again: what was typed outlives that.
  const typing = (parentElement.typing ??= { digits: "", timer: null, go: null })
  const go = (step) => {
    at = Math.min(Math.max(step, 1), data.steps)
    typing.digits = ""
    clearTimeout(typing.timer)
    setTriggerValue("pressed", String(at))
  }
  typing.go = go
  const moves = {
    ArrowRight: () => go(at + 1), PageDown: () => go(at + 1), ArrowLeft: () => go(at - 1), PageUp: () => go(at - 1),
    Home: () => go(1), End: () => go(data.steps), o: () => setTriggerValue("pressed", "all"),
  }
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    // Where a key means something else already: text, sliders, choices, an open menu. Components stand behind a shadow
    // root, so the innermost element is asked.
    const own = ["input", "textarea", "select", "[contenteditable=true]"].concat(
      ["slider", "radio", "radiogroup", "tab", "option", "listbox", "menu", "combobox"].map((role) => `[role=${role}]`))
    const target = event.composedPath()[0]
    if (target.closest && target.closest(own.join(", "))) return
    if (/^[0-9]$/.test(event.key)) {
      const digits = (typing.digits + event.key).replace(/^0+/, "")
      clearTimeout(typing.timer)
      typing.digits = digits
      if (!digits) return
      if (digits.length === 2 || Number(digits + "0") > data.steps) go(Number(digits))
      else typing.timer = setTimeout(() => parentElement.isConnected && typing.go(Number(digits)), wait)
      return
    }
    // The key O by its place as well: with Caps Lock, or where the keyboard writes Korean, it sends another letter.
    const move = moves[event.key] ?? (event.code === "KeyO" ? moves.o : null)
    if (move) {
      event.preventDefault()
      move()
    }
  }
  if (parentElement.stop) parentElement.stop()
  document.addEventListener("keydown", pressed)
  parentElement.querySelector("span").dataset.step = data.step  // whoever drives the page from outside can wait for it
  parentElement.stop = () => document.removeEventListener("keydown", pressed)
  return parentElement.stop
}
""",
)


def talk_keys(step: int, steps: int, on_press: Callable[[str], None]) -> None:
    """Listen for the keys of a talk at a step of so many; `on_press` gets the number of a step that is there, or "all"
    for the list of all, before the page runs again."""

    def pressed() -> None:
        # What a browser sends can be anything.
        found = st.session_state["talk keys"].get("pressed")
        if isinstance(found, str) and PRESSED.fullmatch(found) and (found == "all" or int(found) <= steps):
            on_press(found)

    _keys(key="talk keys", data={"step": step, "steps": steps}, on_pressed_change=pressed, height=1)


_escape = st.components.v2.component(
    "escape",
    html="<span hidden></span>",
    js="""
// Where Escape closes something, or belongs to what is being typed, it means that.
const OPEN = ["[role=dialog]", "[role=listbox]", "[role=menu]", "[data-testid=stPopoverBody]",
  "[aria-label='Close fullscreen']"].join(", ")

export default function ({ parentElement, setTriggerValue }) {
  const pressed = (event) => {
    if (event.key !== "Escape" || document.querySelector(OPEN)) return
    const target = event.composedPath()[0]
    if (target.closest && target.closest("input, textarea, select, [contenteditable=true]")) return
    setTriggerValue("pressed", true)
  }
  if (parentElement.stop) parentElement.stop()
  document.addEventListener("keydown", pressed, true)  // first of all: what is open is still open then
  parentElement.stop = () => document.removeEventListener("keydown", pressed, true)
  return parentElement.stop
}
""",
)


def escape() -> bool:
    """Listen for Escape; whether it was pressed just now."""
    return bool(_escape(key="escape", on_pressed_change=lambda: None, height=1).get("pressed"))
