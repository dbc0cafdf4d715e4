"""What visitors may have the server hold of files on their way in: Streamlit takes any number from every session.

Pages let a file's bytes go as soon as it is read (uploads.py); this bounds what never reaches a page.
"""

import functools

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from explorer import reach

LOCAL_MB, PUBLIC_MB = 20, 5  # of one file
FILES = 10  # files at their largest that one session may have unread
SESSIONS = 10  # as much as so many sessions may have, all sessions may have together
ENTRIES = 200  # files of a session, read or not

# A file on its way in would otherwise be spooled to disk beyond 1 MB.
MultiPartParser.spool_max_size = 2 * LOCAL_MB * 1_000_000


def most_megabytes() -> int:
    """The largest file that is taken: less where strangers can reach the server."""
    return PUBLIC_MB if reach.public_mode() else LOCAL_MB


def bound(add_file):
    """MemoryUploadedFileManager.add_file, refusing (413) what would be more than a session, or all, may have unread."""

    @functools.wraps(add_file)
    def within(self: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
        if file.data:  # what is let go comes without
            with self._lock:
                own = list(self.file_storage.get(session_id, {}).values())
                held = self._total_bytes + len(file.data)
            most = FILES * most_megabytes() * 1_000_000
            unread = sum(len(each.data) for each in own) + len(file.data)
            if unread > most or held > SESSIONS * most or len(own) >= ENTRIES:
                raise HTTPException(413, "Too many files at once; remove some, and try again.")
        add_file(self, session_id, file)

    return within


MemoryUploadedFileManager.add_file = bound(MemoryUploadedFileManager.add_file)
