"""What usher shows to people is marked for translation, and translated. Fails, naming text and file, on

  - a text of ui/ that reads like words and is neither marked (_, N_, C_, a table of the Makefile's MESSAGES) nor
    in ui/po/unmarked.txt, the list of what stays as it is in every language;
  - a line of unmarked.txt that no code has any more;
  - a catalogue that lacks a text, has one too many, is not sure of one (fuzzy), or whose figures (%s) do not fit.

    messages.py BUILD      (after make BUILD/usher.pot)
"""

import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNMARKED = ROOT / "ui/po/unmarked.txt"
FORMAT = re.compile(r"%[-+ #0']*(\*|\d+)?(\.(\*|\d+)?)?(hh|h|ll|l|j|z|t)?[a-zA-Z%]")
WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? +[(\"]?[A-Za-z]{2,}|^[A-Z][a-z]{2,}[:.]?$|^ *[a-z]{2,} +$|^ +[a-z]{2,} *$")


def entries(po):
    """Of a catalogue: (context, id, files, flags, translation), but for the header."""
    context, what, text, files, flags = "", None, {}, [], []

    def done():
        return (text.get("msgctxt", ""), text["msgid"], files, flags, text.get("msgstr", text.get("msgstr[0]", "")))

    for line in [*po.splitlines(), ""]:
        if line.startswith("#~"):
            continue
        if not line:
            if text.get("msgid"):
                yield done()
            context, what, text, files, flags = "", None, {}, [], []
        elif line.startswith("#:"):
            files += line[2:].split()
        elif line.startswith("#,"):
            flags += line[2:].replace(" ", "").split(",")
        elif match := re.match(r'(msg\w+(?:\[\d\])?) (".*")$', line):
            what = match[1]
            text[what] = ast.literal_eval(match[2])
        elif line.startswith('"') and what:
            text[what] += ast.literal_eval(line)


def literals():
    """Every string of the code of ui/."""
    files = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "ui").rglob("*") if p.suffix in (".c", ".h", ".def"))
    pot = subprocess.run(["xgettext", "--language=C", "--from-code=UTF-8", "--extract-all", "--add-location=file", "-o", "-", *files],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {text: files for _, text, files, _, _ in entries(pot)}


def unmarked():
    lines = UNMARKED.read_text().splitlines() if UNMARKED.exists() else []
    return {ast.literal_eval(line) for line in lines if line and not line.startswith("#")}


def check_marks(marked):
    known, code = unmarked(), literals()
    for text, files in code.items():
        if WORDS.search(FORMAT.sub("%", text)) and text not in marked and text not in known:
            yield f"{files[0]}: not marked for translation: {text!r}"
    for text in known - set(code):
        yield f"ui/po/unmarked.txt: no code has this: {text!r}"


def check_catalogue(path, marked):
    name = path.relative_to(ROOT)
    have = {(context, text): (flags, translation) for context, text, _, flags, translation in entries(path.read_text())}
    for key in marked - set(have):
        yield f"{name}: lacks (make messages): {key[1]!r}"
    for key in set(have) - marked:
        yield f"{name}: no code has this (make messages): {key[1]!r}"
    for (_, text), (flags, translation) in have.items():
        if "fuzzy" in flags or not translation:
            yield f"{name}: not translated: {text!r}"
    checked = subprocess.run(["msgfmt", "--check", "-o", "/dev/null", str(path)], capture_output=True, text=True)
    if checked.returncode != 0:
        yield checked.stderr.strip()


def main(build):
    pot = (ROOT / build / "usher.pot").read_text()
    marked = {(context, text) for context, text, *_ in entries(pot)}
    catalogues = sorted((ROOT / "ui/po").glob("*.po"))
    beside = {ast.literal_eval(text) for text in re.findall(r'^msg(?:id_plural|ctxt) (".*")$', pot, re.M)}
    wrong = list(check_marks({text for _, text in marked} | beside))
    for path in catalogues:
        wrong += check_catalogue(path, marked)
    print("\n".join(wrong) if wrong else f"{len(marked)} texts, {len(catalogues)} catalogues: all marked, all translated")
    return 1 if wrong or not catalogues else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "build"))
