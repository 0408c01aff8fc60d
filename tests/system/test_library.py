"""The installed library, as another program's author meets it: `make install`, pkg-config, and the example of
libusher(3), compiled and run."""

import os
import pathlib
import re
import signal
import subprocess

import pytest
from support import load, process
from support.daemon import ROOT

PREFIX = "/usr/local"


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """make install, staged; the folder that stands for /."""
    root = tmp_path_factory.mktemp("root")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    flags = (build / "flags").read_text().rstrip("\n").partition(" -- ")[0] if (build / "flags").exists() else ""
    sanitize = " ".join(re.findall(r"-f(?:no-)?sanitize\S*", flags))
    command = ["make", "-C", str(ROOT), "install", f"BUILD={build.relative_to(ROOT)}", f"DESTDIR={root}"]
    if sanitize:
        command += ["OPT=-O1 -g", f"SANITIZE={sanitize} -fno-omit-frame-pointer"]
    run(*command, env=environment)
    return root, sanitize.split()


def pkg_config(root, *arguments):
    return run("pkg-config", "--define-prefix", *arguments, "usher",
               env={**os.environ, "PKG_CONFIG_PATH": f"{root}{PREFIX}/lib/pkgconfig"}).split()


def test_everything_is_there(installed):
    root, _ = installed
    for path in ("bin/usher", "sbin/usherd", "lib/libusher.a", "lib/libusher.so.0", "lib/libusher.so",
                 "lib/pkgconfig/usher.pc", "include/usher/usher.h", "include/usher/error.h", "share/man/man1/usher.1",
                 "share/man/man3/libusher.3", "share/man/man5/usher.ini.5", "share/man/man8/usherd.8"):
        assert pathlib.Path(f"{root}{PREFIX}", path).exists(), path
    assert list(pathlib.Path(f"{root}{PREFIX}/share/usher/templates").iterdir())
    assert pathlib.Path(f"{root}/etc/usher/usher.ini").exists()


def test_only_the_public_names_are_exported(installed):
    root, sanitize = installed
    if sanitize:
        return    # sanitizers add names of their own
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", f"{root}{PREFIX}/lib/libusher.so").splitlines()}
    declared = set()
    for header in (ROOT / "include" / "usher").glob("*.h"):
        declared |= set(re.findall(r"\b(usher_\w+)\(", re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)))
    assert names == declared


@pytest.mark.parametrize("linkage", ["shared", "static"])
def test_the_manuals_example_runs(installed, daemon, smtp, coupon, mariadb, tmp_path, linkage):
    root, sanitize = installed
    page = subprocess.run(["mandoc", "-Tascii", "-Owidth=200", str(ROOT / "man" / "libusher.3")], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    page = re.sub(".\b", "", page)
    source = page[page.index("#include <signal.h>"):page.index("SEE ALSO")]
    program, code = tmp_path / "welcome", tmp_path / "welcome.c"
    code.write_text(source)
    flags = pkg_config(root, "--cflags", "--libs") if linkage == "shared" else pkg_config(root, "--cflags")
    if linkage == "static":
        flags += [f"{root}{PREFIX}/lib/libusher.a"] + [f for f in pkg_config(root, "--static", "--libs") if f != "-lusher"]
    run("cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", *sanitize, "-o", str(program), str(code),
        *flags)
    usherd = daemon(start=False)    # for its configuration and tables
    example = process.start([str(program), str(usherd.config)], usherd.log_path,
                            env={**usherd.environment, "LD_LIBRARY_PATH": f"{root}{PREFIX}/lib"})
    try:
        process.wait_until(lambda: smtp.mails_to("minsu@example.com") and coupon.grants or example.poll() is not None,
                           usherd.log, 20)
        assert example.poll() is None, usherd.log()
        assert "signed up: user " in usherd.log()
        load.wait_settled(mariadb)
    finally:
        code = process.end(example, first=signal.SIGTERM)
    assert code == 0, usherd.log()
    assert smtp.copies() == {"minsu@example.com": 1}


def test_the_examples_mistakes_are_told(installed, tmp_path):
    """A header that a C++ compiler or a strict one stumbles over would be found here."""
    root, _ = installed
    code = tmp_path / "strict.c"
    code.write_text('#include <usher/usher.h>\nint main(void) { return usher_version()[0] == 0; }\n')
    flags = pkg_config(root, "--cflags", "--libs")
    run("cc", "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(code), *flags)
    run("cc", "-x", "c++", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", str(code), *flags) if _has_cxx() else None


def _has_cxx():
    return subprocess.run(["cc", "-x", "c++", "-fsyntax-only", "/dev/null"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0
