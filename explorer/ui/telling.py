"""A talk, step by step: where it stands, its figure, the ways on and back, the list of all steps."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import streamlit as st

from explorer import checkpoints, reach, reported
from explorer.story import figures, steps
from explorer.story.canvas import SHARP, title_of
from explorer.story.figures import Figure
from explorer.story.steps import Broken, Step, Story
from explorer.text import language, set_language, t
from explorer.ui import cache, document, keys, papers, rooms, widgets
from explorer.ui.evidence import dark
from explorer.ui.rooms import Room
from explorer.views import pictures

EVERY = timedelta(seconds=1)  # how often a tab looks where its room is
SQUARE = 350  # pixels
# In the session: TALK is (story, step, room) of the last step seen, for the way back from other pages; SEEN is the room
# that it was last in; FOLLOWS says that it came by the code of a room and without the token.
TALK, SEEN, FOLLOWS = "talk", "room last seen", "follows only"
# What figures, and reported figures that name no net, are about, as names in papers.toml: for the cards of papers.
ABOUT = {
    "gan-game": ("dcgan",), "taps": ("drn-c-26",), "cam": ("cam",), "contest": ("cam",),
    "table.semi_supervised_cifar10_4k": ("fixmatch", "mpl"), "fixmatch_simclr": ("fixmatch", "simclr"),
    "mpl.run_30k": ("mpl",),
}  # fmt: skip
_stories = cache.Kept(8)
_figures = cache.Kept(256)
_warmed = cache.Kept(64)


def stories() -> Mapping[str, Story | Broken]:
    """Every story file by name, read again when one of them changes."""
    folder = steps.folder()
    try:
        stamp = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob("*.toml")))
    except OSError:
        stamp = ()
    return _stories.get((str(folder), stamp), lambda: steps.stories(frozenset(figures.FIGURES)))


def may_lead() -> bool:
    """Whether this visitor may take others along: not a stranger on a public server, nor one who came by a code."""
    return not reach.public_mode() and not st.session_state.get(FOLLOWS)


def leads() -> bool:
    """Whether this tab leads the room of its address: it opened it, and keeps it from one talk to the next."""
    return {"room", "lead"} <= set(st.query_params) and may_lead()


# --- where the talk stands -------------------------------------------------------------------------------------------


def current(story: Story) -> Step:
    """The step that the address names, else the first."""
    asked = st.query_params.get("step", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 1
    return story.steps[number - 1] if 1 <= number <= len(story.steps) else story.steps[0]


def odd(story: Story) -> list[str]:
    """Which of the address's parameters name no step of this story, or no room."""
    asked, found = st.query_params.get("step"), []
    if asked is not None and asked != str(current(story).number):
        found.append("step")
    if st.query_params.get("room") and seen() is None:
        found.append("room")
    return found


def seen() -> Room | None:
    """The room of the address, also when it has ended since this session saw it: then as it was last."""
    code = st.query_params.get("room")
    room, last = rooms.find(code), st.session_state.get(SEEN)
    if room:
        st.session_state[SEEN] = room
    return room or (last if last and last.code == code else None)


def join(room: Room) -> None:
    """Put the step where a room is into the address."""
    widgets.to_url("story", room.story)
    widgets.to_url("step", str(room.step))
    widgets.to_url("all", None)


def notice(story: Story | None) -> Room | None:
    """The room of the address while there is one. Says that it has ended, or what else the address asks for in vain
    of a story."""
    room = seen()
    if room is None or rooms.find(room.code):
        widgets.odd_address(odd(story) if story else [])
        return room
    st.info(t("The room has ended."), icon=":material/group_off:")
    if not st.session_state.get(FOLLOWS):  # goes on alone; without the token one stays at this step
        for key in ("room", "lead"):
            widgets.to_url(key, None)
    return None


def link(story: str, step: int, room: Room | None) -> dict[str, str]:
    """The address of a step, for links from other pages: in its room, which one goes on leading who led it."""
    lead = {"lead": "1"} if may_lead() else {}
    return {"story": story, "step": str(step)} | ({"room": room.code} | lead if room else {})


def go(story: str, step: int) -> None:
    """Show a step; in a room that this visitor may lead, to everyone in it. For callbacks."""
    st.query_params["story"], st.query_params["step"] = story, str(step)
    st.query_params.pop("all", None)
    code = st.query_params.get("room")
    if code and may_lead():
        rooms.move(code, story, step)


def _press(story: Story, pressed: str) -> None:
    if pressed == "all":
        widgets.to_url("all", None if st.query_params.get("all") else "1")
    else:
        go(story.name, int(pressed))


def leave() -> None:
    """Back to the list of talks, out of the room. Who leads it keeps it: those who follow wait at the last step, and go
    along when the next talk begins. For callbacks."""
    for key in ("story", "step", "notes", "all", "part", "seed", "against"):
        st.query_params.pop(key, None)
    if not leads():
        _out()


def _out() -> None:
    """Out of the room."""
    for key in ("room", "lead"):
        st.query_params.pop(key, None)
    st.session_state.pop(TALK, None)


def wait() -> None:
    """In a room whose talk cannot be shown, as its file is broken or gone: say so, and stay until it can or the room
    goes on."""
    if notice(None):
        st.info(
            t("The talk of this room cannot be shown at the moment. The page goes on as soon as it can."),
            icon=":material/hourglass_empty:",
        )
        keep_up(waiting=True)


@st.fragment(run_every=EVERY)
def keep_up(waiting: bool = False) -> None:
    """In a room: look every second where it is, and go there; once it has ended, the page says so.

    waiting: for the talk that the room is at, until it can be shown
    """
    room, asked = rooms.find(st.query_params.get("room")), st.query_params
    if room is None:
        if asked.get("room"):  # else another page has been opened meanwhile
            st.rerun()
    # What the page shows can be another step, where the story has become shorter: one would go there for ever.
    elif (room.story, str(room.step)) != (asked.get("story"), asked.get("step")):
        join(room)
        st.rerun()
    elif waiting and isinstance(stories().get(room.story), Story):
        st.rerun()


def say_how_to_lead() -> None:
    """On a public server, where nobody can open a room, so that there is none to follow either."""
    st.markdown(
        t(
            "To lead a talk here, start the server with EXPLORER_TOKEN=…: whoever gives the token leads, others follow."
        )
    )


def ask_for_room() -> None:
    """A place for the code of a room, which is also said aloud; whoever types it is taken there."""
    st.text_input(t("Room code"), key="room code", max_chars=20, on_change=_enter)
    if st.session_state.pop("no such room", False):
        st.error(t("There is no room with this code."), icon=":material/warning:")


def _enter() -> None:
    code = st.session_state["room code"].strip().lower()
    if rooms.find(code):
        leave()
        _out()
        st.query_params["room"] = code
    else:
        st.session_state["no such room"] = bool(code)


# --- a step ----------------------------------------------------------------------------------------------------------


class Drawn(NamedTuple):
    """What a step shows, ready to be sent: a picture is kept as a PNG, which is a twentieth of its pixels.

    figure: without its image; None when there is nothing to show;  said: what has to be said of it, that something is
    missing and the reported figure stands in
    image, width: the picture as a data: address, and how wide it is shown
    """

    figure: Figure | None
    said: str
    image: str = ""
    width: int = 0


def figure_of(step: Step, dark: bool = False) -> Drawn:
    """What a step shows. Made once for each state of the checkpoints and each language; nobody waits for it twice."""

    def make() -> Drawn:
        figure, said = figures.shown(step, dark)
        if figure is None or figure.image is None:
            return Drawn(figure, said)
        image = figure.image
        return Drawn(replace(figure, image=None), said, pictures.data_uri(image), image.width // SHARP)

    return _figures.get((str(step), dark, *stamp()), make)


def stamp() -> tuple:
    """What figures depend on besides their step: the language, and the cards on disk, with the scores in them."""
    root = str(checkpoints.root())
    return language(), root, cache._stamp(root)


def warm(story: Story, first: int, dark: bool) -> None:
    """Draw the whole talk beside its first step, the steps from `first` on before the others, so that none waits."""

    def draw(code: str) -> None:
        set_language(code)  # a thread has a language of its own
        for step in (*story.steps[first - 1 :], *story.steps[: first - 1]):
            with suppress(Exception):  # the step itself says it
                figure_of(step, dark)

    def start() -> None:
        threading.Thread(target=draw, args=(language(),), name=f"warm {story.name}", daemon=True).start()

    _warmed.get((str(story), dark, *stamp()), start)


def show(drawn: Drawn, key: str) -> None:
    """A figure of a step on the page."""
    figure, large = drawn.figure, widgets.large_type()
    if figure.chart is None:
        st.image(drawn.image, width="stretch" if large else drawn.width, alt=figure.alt)
    else:
        # As text of the page the title, and all of a table, breaks its lines where a phone or large type needs it.
        st.subheader(widgets.plain(title_of(figure.chart)), anchor=False)
        if figure.rows:
            _table(figure.rows, figure.alt)
        else:
            _chart(figure, key, large)
    st.caption(figure.evidence)


def _table(rows: Sequence[Sequence[str]], alt: str) -> None:
    heads, *lines = rows
    names = heads or [str(k) for k in range(len(lines[0]))]
    columns = [[widgets.plain(line[k]) for line in lines] for k in range(len(names))]
    made = pa.Table.from_arrays([pa.array(column) for column in columns], names=[*names])
    st.table(made, border="horizontal", hide_index=True, hide_header=not heads, alt=alt)


def _chart(figure: Figure, key: str, large: bool) -> None:
    chart = {name: part for name, part in figure.chart.items() if name != "title"}
    # One whose two sides belong together cannot stretch, and must fit a phone.
    square = chart["width"] == chart["height"]
    chart = _larger(chart) if large else chart
    chart = chart | {"width": SQUARE, "height": SQUARE} if square else chart
    widgets.chart(chart, key=key, alt=figure.alt, width="content" if square else "stretch")


def _larger(chart: dict[str, Any]) -> dict[str, Any]:
    """The chart with its type as much larger as that of the page. Charts of a talk set their own sizes, so that
    widgets.chart leaves them as they are."""
    times = document.LARGE / document.NORMAL

    def larger(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        return {k: round(v * times) if k.lower().endswith("fontsize") else v for k, v in part.items()}

    return chart | {"config": {name: larger(part) for name, part in chart["config"].items()}}


def models_of(step: Step) -> list[str]:
    """The nets and methods that a step is about, as papers.toml names them: of its checkpoints, of what was reported,
    of its figure."""
    cards = cache.cards()
    needed = [cards[name].model for name in step.needs if name in cards]
    told = [reported.figure(key).what.replace("_", "-") for key in step.reported]
    about = [name for key in (step.figure, *step.reported) for name in ABOUT.get(key, ())]
    return [*needed, *told, *about]


def tell(story: Story) -> None:
    """The step at hand, and everything around it."""
    step, room, follows = current(story), notice(story), st.session_state.get(FOLLOWS)
    st.session_state[TALK] = story.name, step.number, room
    head(story, step)
    if room:
        keep_up()
    if st.query_params.get("all"):
        all_steps(story, step)
        return
    st.title(widgets.plain(step.say("headline")), anchor=False)
    st.markdown(widgets.plain(step.say("sentence")))
    with widgets.problems():
        drawn = figure_of(step, dark())
        if drawn.said:
            st.info(drawn.said, icon=":material/info:")
        if drawn.figure:
            show(drawn, f"{story.name} {step.number}")
        papers.button(models_of(step))
    if not follows:  # else the room alone says where one is
        with st.container(horizontal=True, vertical_alignment="center"):
            back_and_on(story, step)
            if step.page:
                widgets.page_link(step.page, t("Open it live"), "open_in_new", step.query)
            st.button(
                t("All steps"), icon=":material/list:", key="talk all", on_click=_press, args=(story, "all")
            )
            st.button(t("Other talks"), icon=":material/close:", key="talk leave", on_click=leave)
        st.caption(
            t("Keys: arrows or Page Up and Page Down, Home, End, the number of a step, O for all steps.")
        )
    warm(story, step.number, dark())


def head(story: Story, step: Step) -> None:
    """How far the talk is; listens for its keys."""
    keys.talk_keys(step.number, len(story.steps), lambda pressed: _press(story, pressed))
    part = step.say("part")
    words = t("{story}, step {n} of {all}", story=story.say("title"), n=step.number, all=len(story.steps))
    st.progress(step.number / len(story.steps), widgets.plain(f"{part} · {words}" if part else words))


def back_and_on(story: Story, step: Step) -> None:
    """The two buttons."""
    last = len(story.steps)
    st.button(t("Back"), icon=":material/arrow_back:", disabled=step.number == 1, key="talk back",
              on_click=go, args=(story.name, max(1, step.number - 1)))  # fmt: skip
    st.button(t("Next"), icon=":material/arrow_forward:", disabled=step.number == last, key="talk next",
              type="primary", on_click=go, args=(story.name, min(last, step.number + 1)))  # fmt: skip


def all_steps(story: Story, step: Step) -> None:
    """The list of all steps, part by part; each is a button."""
    st.title(widgets.plain(story.say("title")), anchor=False)
    st.markdown(widgets.plain(story.say("sentence")))
    part = None
    for one in story.steps:
        if one.say("part") != part:
            part = one.say("part")
            if part:
                st.subheader(widgets.plain(part), anchor=False)
        st.button(
            f"{one.number}  {widgets.plain(one.say('headline'))}", key=f"talk to {one.number}", type="tertiary",
            icon=":material/play_arrow:" if one.number == step.number else None,
            on_click=go, args=(story.name, one.number),
        )  # fmt: skip


def choose(found: Mapping[str, Story | Broken]) -> None:
    """All talks, what is wrong with the files of others, and the game."""
    with st.grid("auto", min_column_width=320):
        for name, story in found.items():
            if isinstance(story, Story):
                with st.container(border=True, height="stretch"):
                    st.markdown(
                        f"**{widgets.plain(story.say('title'))}**  \n{widgets.plain(story.say('sentence'))}"
                    )
                    st.caption(t("{n} steps", n=len(story.steps)))
                    st.button(t("Begin"), key=f"begin {name}", type="primary", on_click=go, args=(name, 1),
                              icon=":material/play_arrow:")  # fmt: skip
        with st.container(border=True, height="stretch"):
            st.markdown(
                f"**{t('Beat the model')}**  \n{t('Ten small pictures: you guess, then the model does.')}"
            )
            st.button(t("Play"), key="play", on_click=widgets.to_url, args=("part", "beat"),
                      icon=":material/sports_esports:")  # fmt: skip
    if reach.public_mode():
        say_how_to_lead()
    else:
        ask_for_room()
    for story in found.values():
        if isinstance(story, Broken):
            lines = "\n".join(f"- {widgets.plain(str(problem))}" for problem in story.problems)
            st.warning(t("A story that cannot be told:") + "\n" + lines, icon=":material/warning:")
