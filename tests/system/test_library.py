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


class Installed:
    def __init__(self, root, prefix, sanitize):
        self.root, self.sanitize = root, sanitize
        self.prefix = pathlib.Path(f"{root}{prefix}")

    def pkg_config(self, *arguments):
        return run("pkg-config", "--define-prefix", *arguments, "usher",
                   env={**os.environ, "PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig")}).split()


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
    flags = (build / "flags").read_text().splitlines()    # as it was built: nothing is built anew
    run("make", "-C", str(ROOT), "install", f"BUILD={build.relative_to(ROOT)}", f"DESTDIR={root}", *flags, env=environment)
    given = dict(line.split("=", 1) for line in flags)
    return Installed(root, given["PREFIX"], given["SANITIZE"].split())


def test_everything_is_there(installed):
    for path in ("bin/usher", "sbin/usherd", "lib/libusher.a", "lib/libusher.so.0", "lib/libusher.so",
                 "lib/pkgconfig/usher.pc", "include/usher/usher.h", "include/usher/error.h", "share/man/man1/usher.1",
                 "share/man/man3/libusher.3", "share/man/man5/usher.ini.5", "share/man/man8/usherd.8",
                 "share/man/ko/man3/libusher.3", "share/man/ko/man7/usher-api.7", "share/locale/ko/LC_MESSAGES/usher.mo",
                 "share/usher/grafana/usher.json", "share/usher/prometheus/usher.rules.yml",
                 "share/bash-completion/completions/usher", "share/zsh/site-functions/_usher",
                 "share/fish/vendor_completions.d/usher.fish"):
        assert (installed.prefix / path).exists(), path
    assert list((installed.prefix / "share/usher/templates").iterdir())
    assert pathlib.Path(f"{installed.root}/etc/usher/usher.ini").exists()


def test_the_unit_starts_what_was_installed(installed):
    unit = (installed.prefix / "lib/systemd/system/usherd.service").read_text()
    program = re.search(r"^ExecStart=(\S+) run --config (\S+)$", unit, re.M)
    assert pathlib.Path(f"{installed.root}{program.group(1)}").exists()
    assert pathlib.Path(f"{installed.root}{program.group(2)}").exists()


def test_only_the_public_names_are_exported(installed):
    if installed.sanitize:
        return    # sanitizers add names of their own
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", str(installed.prefix / "lib/libusher.so")).splitlines()}
    declared = set()
    for header in (ROOT / "include" / "usher").glob("*.h"):
        declared |= set(re.findall(r"\b(usher_\w+)\(", re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)))
    assert names == declared


@pytest.mark.parametrize("linkage", ["shared", "static"])
def test_the_manuals_example_runs(installed, daemon, smtp, coupon, mariadb, tmp_path, linkage):
    page = subprocess.run(["mandoc", "-Tascii", "-Owidth=200", str(ROOT / "man" / "libusher.3")], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    page = re.sub(".\b", "", page)
    source = page[page.index("#include <signal.h>"):page.index("SEE ALSO")]
    program, code = tmp_path / "welcome", tmp_path / "welcome.c"
    code.write_text(source)
    if linkage == "shared":
        flags = installed.pkg_config("--cflags", "--libs")
    else:
        flags = [str(installed.prefix / "lib/libusher.a") if flag == "-lusher" else flag
                 for flag in installed.pkg_config("--static", "--cflags", "--libs")]
    run("cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", *installed.sanitize, "-o", str(program), str(code),
        *flags)
    usherd = daemon(start=False)    # for its configuration and tables
    example = process.start([str(program), str(usherd.config)], usherd.log_path,
                            env={**usherd.environment, "LD_LIBRARY_PATH": str(installed.prefix / "lib")})
    try:
        process.wait_until(lambda: smtp.mails_to("minsu@example.com") and coupon.grants or example.poll() is not None,
                           usherd.story, 20)
        assert example.poll() is None, usherd.log()
        assert "signed up: user " in usherd.log()
        load.wait_settled(mariadb)
    finally:
        code = process.end(example, first=signal.SIGTERM)
    assert code == 0, usherd.log()
    assert smtp.copies() == {"minsu@example.com": 1}


def test_the_headers_suit_strict_compilers(installed, tmp_path):
    code = tmp_path / "strict.c"
    code.write_text('#include <usher/usher.h>\nint main(void) { return usher_version()[0] == 0; }\n')
    run("cc", "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(code),
        *installed.pkg_config("--cflags"))
