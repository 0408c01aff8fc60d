"""A wall clock that a test sets, for one program and all its threads: libfaketime. The monotonic clock goes on as it is.

    clock = Clock(); Daemon(..., environment=clock.environment); clock.jump(3600)"""

import os
import pathlib
import tempfile

from .daemon import SANITIZER_OPTIONS

LIBRARY = "libfaketimeMT.so.1"
FOLDERS = ("/usr/lib", "/usr/local/lib", "/usr/lib64")


def _library():
    found = next((path for folder in FOLDERS for path in pathlib.Path(folder).rglob(LIBRARY)), None)
    assert found, f"{LIBRARY} is not there: make deps"
    return str(found)


class Clock:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="usher-clock-")
        self._file = pathlib.Path(self._folder.name, "time")
        self._offset_s = 0
        self.jump(0)
        self.environment = {"LD_PRELOAD": _library(), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                            "ASAN_OPTIONS": SANITIZER_OPTIONS["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}

    def jump(self, seconds):
        """From now on the program's time is so much later (earlier)."""
        self._offset_s += seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{self._offset_s:+d}", encoding="ascii")
        os.replace(new, self._file)
