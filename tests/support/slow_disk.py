"""A disk that keeps its answer: while it is frozen, each rename(2) of one program waits in the kernel's place.

    disk = SlowDisk(); Daemon(..., environment=disk.environment); disk.freeze(); ...; disk.thaw()"""

import pathlib
import subprocess
import tempfile

from .daemon import SANITIZER_OPTIONS

SHIM = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	while (access(getenv("SLOW_DISK"), F_OK) == 0)
		usleep(2000);
	return real(from, to);
}
"""


class SlowDisk:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="usher-disk-")
        folder = pathlib.Path(self._folder.name)
        code, shim = folder / "slow_disk.c", folder / "slow_disk.so"
        code.write_text(SHIM, encoding="ascii")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(code)], check=True)
        self._frozen = folder / "frozen"
        self.environment = {"LD_PRELOAD": str(shim), "SLOW_DISK": str(self._frozen),
                            "ASAN_OPTIONS": SANITIZER_OPTIONS["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}

    def freeze(self):
        self._frozen.touch()

    def thaw(self):
        self._frozen.unlink(missing_ok=True)
