"""Pictures that a person brings: dropped, taken with the camera, or picked from the samples.

Uploads stay in the memory of their own session: never on disk, never in an address, at most MOST decoded
pictures. The files themselves are let go as soon as they are read, and what is more than MOST is let go unread.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

import streamlit as st
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from explorer import text
from explorer.data import samples
from explorer.data.picture import Picture, open_picture, shown_name, square
from explorer.text import Problem, t
from explorer.ui import incoming, widgets
from explorer.ui.picker import Item, picture_strip
from explorer.views import pictures

MOST = 8  # pictures at a time
EXTENSIONS = ["png", "jpg", "jpeg", "webp"]
HEIC = ["heic", "heif"]  # not readable, but whoever drops one is told what to do instead
FIRST = "flower"  # the sample that is shown before anything is chosen
_KEPT, _CARRIED = "uploaded pictures", "carried picture"
_DROPPED, _PAGE = (
    "dropped here",
    "page with the drop zone",
)  # the id of what it holds, and the page of the last run


def drop_zone(several: bool = True) -> dict[str, Picture]:
    """The drop zone and the camera: the pictures they brought, by an id. A bad file says why it is one."""
    megabytes = incoming.most_megabytes()
    words = t("Drop up to {most} pictures: PNG, JPEG or WEBP", most=MOST)
    files = st.file_uploader(
        words if several else t("Drop a picture: PNG, JPEG or WEBP"),
        type=_extensions(), accept_multiple_files=several, max_upload_size=megabytes, key="files",
    )  # fmt: skip
    if not several:
        files = [files] if files else []
    camera = widgets.toggle(
        t("Camera"), key="camera",
        help=t("Off until you turn it on; the browser asks first. Works on this machine or over https."),
    )  # fmt: skip
    shot = st.camera_input(t("Take a picture"), key="shot", label_visibility="collapsed") if camera else None
    return _read([*([shot] if shot else []), *files], megabytes)


def _extensions() -> list[str]:
    """What the drop zone takes; iPhones turn HEIC into JPEG by themselves, but only where HEIC is not asked for."""
    if "iphone" not in st.session_state:
        browser = st.context.headers.get("User-Agent") or ""
        st.session_state["iphone"] = "iPhone" in browser or "iPad" in browser
    return EXTENSIONS if st.session_state["iphone"] else EXTENSIONS + HEIC


def _read(files: list, megabytes: int) -> dict[str, Picture]:
    # Changed in place: where the session's state is written to, the run of a visitor who has clicked again ends, and
    # what was read before that would be lost with the bytes of its file let go.
    kept: dict[str, Picture | Problem] = st.session_state.setdefault(_KEPT, {})
    for n, file in enumerate(files):
        if file.file_id not in kept:
            kept[file.file_id] = _read_one(file, n < MOST, megabytes)
            _let_go(file)
    now = {file.file_id: kept[file.file_id] for file in files}
    for gone in kept.keys() - now.keys():
        del kept[gone]
    for problem in now.values():
        if isinstance(problem, Problem):
            st.error(widgets.plain(str(problem)), icon=":material/broken_image:")
    return {key: found for key, found in now.items() if isinstance(found, Picture)}


def _read_one(file: UploadedFile, room: bool, megabytes: int) -> Picture | Problem:
    try:
        if not room:
            raise Problem(
                "{name} was not read: {most} pictures at a time are the most. Remove some, and drop it again.",
                name=shown_name(file.name), most=MOST,
            )  # fmt: skip
        return open_picture(file.getvalue(), file.name, max_bytes=megabytes * 1_000_000)
    except Problem as problem:
        return problem


def _let_go(file: UploadedFile) -> None:
    """Free an uploaded file's bytes; its entry stays, so that the drop zone still lists it."""
    ctx = get_script_run_ctx()
    if ctx is not None and isinstance(ctx.uploaded_file_mgr, MemoryUploadedFileManager):
        ctx.uploaded_file_mgr.add_file(
            ctx.session_id, UploadedFileRec(file.file_id, file.name, file.type, b"")
        )


def carry(found: tuple[str, Picture] | None) -> None:
    """Have a picture that the session brought, with its id, at hand on other pages; None: no longer."""
    st.session_state[_CARRIED] = found


def take(new: tuple[str, Picture] | None) -> bool:
    """Carry what the drop zone of this page holds; what was taken out of it again is carried no longer. Returns whether
    it was dropped just now. An empty drop zone that one comes back to says nothing: see `arrive`."""
    before = st.session_state.get(_DROPPED)
    st.session_state[_DROPPED] = new and new[0]
    if new and new[0] != before:
        carry(new)
        return True
    if before and not new and (carried() or ("",))[0] == before:
        carry(None)
    return False


def arrive(page: str) -> None:
    """Told every run which page it is: on another one the drop zone begins empty."""
    if page != st.session_state.get(_PAGE):
        st.session_state[_PAGE] = page
        st.session_state.pop(_DROPPED, None)


def carried() -> tuple[str, Picture] | None:
    """The picture that the session brought on another page, with its id."""
    return st.session_state.get(_CARRIED)


def sample_gallery(
    first: str = FIRST, chosen: str | None = "", on_pick: Callable[[], None] = lambda: None
) -> str:
    """The samples as a strip of pictures to click; the id of the one in use, which is also ?sample=id.

    first: the one in use when the address names none;  chosen: the one to mark, by default the one in use
    on_pick: called as well when one is picked
    """
    used = widgets.from_url("sample", samples.SAMPLES, first)

    def use(name: str) -> None:
        on_pick()
        widgets.to_url("sample", None if name == first else name)

    words = t("No picture at hand? Take one of these:")
    picture_strip(words, _items(text.language(), first), used if chosen == "" else chosen, "samples", use)
    return used


@lru_cache(maxsize=2 * len(text.LANGUAGES))
def _items(language: str, first: str) -> tuple[Item, ...]:
    return tuple(
        Item(
            id=name, src=_thumbnail(name), title=t(one.title), hint=t(one.source),
            alt=t("Sample picture: {title}", title=t(one.title)),
        )
        for name, one in _in_order(first)
    )  # fmt: skip


def _in_order(first: str) -> list[tuple[str, samples.Sample]]:
    """The samples; on a page that begins with one of the later ones, that one first."""
    return sorted(samples.SAMPLES.items(), key=lambda each: first != FIRST and each[0] != first)


def _thumbnail(name: str) -> str:
    """The centred square of a sample, small: photographs as JPEG, the few pixels of a test picture as they are."""
    image = samples.sample(name).image
    left, top, side = square(image.size)
    cut, out = image.crop((left, top, left + side, top + side)), BytesIO()
    if side <= 64:
        return pictures.data_uri(cut)
    cut.resize((112, 112), Image.Resampling.LANCZOS).save(out, "JPEG", quality=75)
    return "data:image/jpeg;base64," + b64encode(out.getvalue()).decode("ascii")
