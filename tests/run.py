"""Runs tests and ends with one line, "N passed, N failed".

    run.py --build DIR  WHAT...  [-k EXPRESSION]
    run.py --build DIR --side-by-side  WHAT...

WHAT is a cmocka program or a folder of pytest tests. A program that dies counts as a failed test. Side by side, the
folder that takes longest (the first that is named) runs beside all the rest: two cores have room for both, and no test
knows of another's servers.
"""

import argparse
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.process import interrupt_on_signals    # noqa: E402

PROGRAM_TIMEOUT_S = 300
CLEAN_UP_S = 60


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, passed, failed):
        self.passed += passed
        self.failed += failed


def run_program(path, tally):
    """A cmocka program: quiet when all is well, its whole output when not."""
    began = time.monotonic()
    try:
        done = subprocess.run([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=PROGRAM_TIMEOUT_S, check=False)
        output, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode("utf-8", "replace"), "no end in sight"
    except OSError as error:
        output, code = str(error), "cannot be run"
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    failed = len(set(re.findall(r"^\[  FAILED  \] (?!\d+ test)(.*)$", output, re.M)))
    if code != 0 and not failed:
        failed = 1
    if failed or passed == 0:
        print(output)
        failed = max(failed, 1)
    print(f"{pathlib.Path(path).name:32} {passed:4} passed {failed:3} failed  {time.monotonic() - began:6.1f} s"
          + (f"  (ended with {code})" if code else ""), flush=True)
    tally.add(passed, failed)


def run_to_its_end(command):
    """Ctrl-C and SIGTERM reach pytest too, which then ends what it started; it is given the time for that."""
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait(CLEAN_UP_S)
        raise


def run_pytest(folder, build, expression, tally):
    """Folder of pytest tests, each file's progress shown as it goes."""
    if not any((ROOT / folder).glob("test_*.py")):
        return
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5",
                   "--tb=short", f"--junitxml={report.name}", "--build", build, folder]
        if expression:
            command += ["-k", expression]
        code = run_to_its_end(command)
        text = report.read()
    passed, failed = set(), set()
    for case in xml.etree.ElementTree.fromstring(text).iter("testcase") if text else ():
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        (failed if bad else passed).add((case.get("classname"), case.get("name")))
    passed, failed = len(passed - failed), len(failed)
    if code not in (0, 5) and not failed:
        failed = 1
    tally.add(passed, failed)
    if code == 2:
        raise KeyboardInterrupt


def run_all(options, tally):
    for what in options.what:
        if (ROOT / what).is_dir():
            run_pytest(what, options.build, options.expression, tally)
            continue
        run_program(what, tally)


def run_side_by_side(options, tally):
    """Each half is a run.py of its own. What the first says is kept until the second has ended, so that neither's lines
    stand among the other's."""
    folders = [what for what in options.what if (ROOT / what).is_dir()]
    halves = [half for half in (folders[:1], [what for what in options.what if what not in folders[:1]]) if half]
    with tempfile.TemporaryDirectory(prefix="usher-run-") as folder:
        said = [pathlib.Path(folder, f"{i}") for i in range(len(halves))]
        children = []
        try:
            for half, path in zip(halves, said):
                with open(path, "w", encoding="utf-8") as out:
                    children.append(subprocess.Popen([sys.executable, __file__, "--build", options.build, *half], cwd=ROOT,
                                                     stdout=out, stderr=subprocess.STDOUT))
            for child, path in list(zip(children, said))[::-1]:
                show_until_its_end(child, path)
        except KeyboardInterrupt:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                child.wait(CLEAN_UP_S)
            raise
        for path in said:
            found = re.findall(r"^(\d+) passed, (\d+) failed$", path.read_text(encoding="utf-8", errors="replace"), re.M)
            tally.add(*(int(n) for n in found[-1]) if found else (0, 1))


def show_until_its_end(child, path):
    """Its output as it comes, but for its own last line."""
    with open(path, encoding="utf-8", errors="replace") as words:
        while True:
            ended = child.poll() is not None
            text = words.read()
            sys.stdout.write(re.sub(r"^\d+ passed, \d+ failed\n", "", text, flags=re.M))
            sys.stdout.flush()
            if ended and not text:
                return
            time.sleep(0 if text else 0.2)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--side-by-side", action="store_true")
    parser.add_argument("-k", dest="expression")
    parser.add_argument("what", nargs="*")
    options = parser.parse_args()
    tally = Tally()
    interrupt_on_signals()
    try:
        (run_side_by_side if options.side_by_side else run_all)(options, tally)
    except KeyboardInterrupt:
        print("interrupted")
        tally.failed += 1
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
