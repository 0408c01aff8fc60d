"""Runs tests and ends with one line, "N passed, N failed".

    run.py --build DIR  WHAT...  [-k EXPRESSION]
    run.py --build DIR --jobs N  WHAT...

WHAT is a cmocka program or a folder of pytest tests. A program that dies counts as a failed test. With --jobs so many
programs and files of tests run side by side, those first that took longest the last time; each is told of in one line
when it has ended, or whole when something failed. No test knows of another's servers, and most of them wait.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
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
    """Folder of pytest tests, or one file; progress is shown as it goes."""
    if (ROOT / folder).is_dir() and not any((ROOT / folder).glob("test_*.py")):
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
        if (ROOT / what).is_dir() or what.endswith(".py"):
            run_pytest(what, options.build, options.expression, tally)
            continue
        run_program(what, tally)


# -- Side by side ------------------------------------------------------------------------------------

class Jobs:
    """Items of `what`, each in a run.py of its own."""

    def __init__(self, build, tally):
        self._build, self._tally = build, tally
        self._lock, self._children, self._stopping = threading.Lock(), set(), False
        self._times_path = ROOT / build / "test-times.json"
        try:
            self._times = json.loads(self._times_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._times = {}

    def _one(self, item):
        with self._lock:
            if self._stopping:
                return
            began = time.monotonic()
            child = subprocess.Popen([sys.executable, __file__, "--build", self._build, item], cwd=ROOT, text=True,
                                     errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL)
            self._children.add(child)
        said, _ = child.communicate()
        took = time.monotonic() - began
        found = re.findall(r"^(\d+) passed, (\d+) failed$", said, re.M)
        passed, failed = (int(n) for n in found[-1]) if found else (0, 1)
        with self._lock:
            self._children.discard(child)
            self._tally.add(passed, failed)
            self._times[item] = round(took, 1)
            if failed:
                print(said)
            print(f"{item.removeprefix(self._build + '/'):44} {passed:4} passed {failed:3} failed  {took:6.1f} s", flush=True)

    def run(self, items, count):
        longest_first = sorted(items, key=lambda item: -self._times.get(item, (ROOT / item).stat().st_size / 1000))
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(self._one, item) for item in longest_first]
            try:
                for future in futures:
                    future.result()
            except KeyboardInterrupt:
                self.stop()
                raise
        self._times_path.write_text(json.dumps(self._times), encoding="utf-8")

    def stop(self):
        with self._lock:
            self._stopping = True
            children = set(self._children)
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait(CLEAN_UP_S)


def items_of(what):
    """Programs and files of tests."""
    for one in what:
        if (ROOT / one).is_dir():
            yield from (str(path.relative_to(ROOT)) for path in sorted((ROOT / one).glob("test_*.py")))
        else:
            yield one


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("-k", dest="expression")
    parser.add_argument("what", nargs="*")
    options = parser.parse_args()
    missing = [one for one in options.what if not (ROOT / one).exists()]
    if missing:
        parser.error(f"there is no {', no '.join(missing)}: name programs (make unit-bins contract-bins builds them), test files or folders")
    tally = Tally()
    interrupt_on_signals()
    try:
        if options.jobs:
            Jobs(options.build, tally).run(list(items_of(options.what)), options.jobs)
        else:
            run_all(options, tally)
    except KeyboardInterrupt:
        print("interrupted")
        tally.failed += 1
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
