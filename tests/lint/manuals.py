"""Every manual page is there in every language, and says the same in each. Fails on a page that is missing or was
changed in one language only, naming file, line and what differs:

  - the order of sections, paragraphs, lists and their items;
  - examples, but for what follows a # in them;
  - in a paragraph, the names set in it (options, settings, files, values ...), whatever their order: another
    language has another one; and numbers of the English page that the other lacks;
  - a paragraph left in English, and a reference to a section that the page does not have.
"""

import itertools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

BLOCKS = {"Dd", "Dt", "Os", "Sh", "Ss", "Nd", "Pp", "Bl", "It", "El", "Bd", "Ed", "Dl"}
SAME = {"Dd", "Dt", "Os", "Bd", "Dl"}    # with the same words behind them
TITLED = {"Sh", "Ss", "It"}
NAMES = {"Cm", "Dv", "Ev", "Fa", "Fl", "Fn", "Ft", "Ic", "In", "Li", "Nm", "Pa", "Ql", "Va", "Xr"}
OTHERS = set("Ac Ao Aq Ar Bc Bo Bq Brc Bro Brq Dc Do Dq Em Fc Fo No Ns Oc Oo Op Pc Pf Po Pq Qc Qo Qq Sc So Sq Sx Sy".split())
DELIMITERS = set(".,:;()[]?!|")
ESCAPES = (("\\-", "-"), ("\\&", ""), ("\\e", "\\"), ("\\(dq", '"'))
TOKEN = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
DEFINED = re.compile(r"(\.if \\n\(\.x )?\.ds (\S+) (.*)")    # .x is 0 in mandoc
SENTENCE = re.compile(r"[a-z]+ [a-z]+ [a-z]+")
NUMBER = re.compile(r"\d+(?:\.\d+)*")


def plain(text):
    for escape, sign in ESCAPES:
        text = text.replace(escape, sign)
    return text


def tokens(line):
    return [plain(quoted or bare) for quoted, bare in TOKEN.findall(line)]


def code(line):
    return re.sub(r"(^|\s+)#(\s.*)?$", "", line).rstrip()


class Block:
    """A macro that makes structure, and what stands behind it up to the next."""

    def __init__(self, number, kind, words, section):
        self.number, self.kind, self.section = number, kind, section
        self.head = " ".join(words)
        self.names, self.references, self.text, self.code, self.all = [], [], [], [], ""

    def add_macro(self, words):
        said = [(None, [])]
        for word in words:
            if word in NAMES or word in OTHERS:
                said.append(("Ql" if word == "So" else word, []))
            elif word in DELIMITERS:
                said.append((said[-1][0], []))
            else:
                said[-1][1].append(word)
        for macro, what in said:
            if macro == "Sx" and what:
                self.references.append(" ".join(what))
            elif macro == "Ql" and what:
                self.names.append((macro, " ".join(what)))
            elif macro in NAMES:
                self.names += [(macro, word) for word in " ".join(what).split()]

    def __str__(self):
        return f".{self.kind} {self.head}".rstrip()


class Page:
    """As groff reads it, or as mandoc does: see man/ko/usher.1 for the one title that differs."""

    def __init__(self, path, groff=True):
        self.name = path.relative_to(ROOT)
        lines = path.read_text(encoding="utf-8").splitlines()
        self.strings = {name: text for condition, name, text in (m.groups() for m in map(DEFINED.fullmatch, lines) if m)
                        if groff or not condition}
        self.lines = [re.sub(r"\\\*\[(\S+?)\]", lambda m: self.strings.get(m[1], ""), line) for line in lines]
        self.sections = self.titles_of("Sh")
        self.titles = {*self.sections, *self.titles_of("Ss")}
        self.blocks = list(self.parse())

    def titles_of(self, macro):
        return [" ".join(tokens(line)[1:]) for line in self.lines if line.startswith(f".{macro} ")]

    def synopsis(self):
        return self.sections.index("SYNOPSIS") if "SYNOPSIS" in self.sections else None

    def parse(self):
        block, section, literal = None, -1, False
        for number, line in enumerate(self.lines, 1):
            macro, *words = (tokens(line[1:]) if line.startswith(".") else []) or [""]
            if literal and macro != "Ed":
                block.code.append((number, code(line)))
                continue
            if macro in BLOCKS:
                if block:
                    yield block
                section += macro == "Sh"
                block = Block(number, macro, words, section)
                literal = macro == "Bd" and "-literal" in words
                if macro in TITLED:
                    block.add_macro(words)
            elif macro in NAMES or macro in OTHERS:
                block.add_macro([macro, *words])
            elif not line.startswith((".", "'")):
                block.text.append(line)
            else:
                continue
            block.all += plain(line) + "\n"
        if block:
            yield block


def foreign(text):
    return any(ord(c) > 0x2000 for c in text)


def key(block):
    """What must be the same of a block in every language; the width of a list's heads need not."""
    if block.kind == "Bl":
        return block.head.split()[0], "-compact" in block.head
    return block.head if block.kind in SAME else None


def same_block(english, other):
    if not english or not other or english.kind != other.kind or key(english) != key(other):
        return False
    if english.kind in TITLED and not foreign(other.head):    # a name, then
        return english.head == other.head
    return True


def few(names):
    return ", ".join(f".{macro} {word}" for macro, word in sorted(names))


def differences(english, other, in_order):
    """What a paragraph has in one language only."""
    lacks, more = set(english.names) - set(other.names), set(other.names) - set(english.names)
    translated = {name for name in more if foreign(name[1])}    # what a program says
    more = {name for name in more - translated if name[1] not in english.all}
    if len(lacks) > len(translated):
        yield f"lacks {few(lacks)}"
    if more:
        yield f"has {few(more)} too many"
    if in_order and not lacks and not more and english.names != other.names:
        yield "another order of names"
    if missing := sorted(set(NUMBER.findall(english.all)) - set(NUMBER.findall(other.all))):
        yield f"lacks the number {', '.join(missing)}"
    if any(SENTENCE.search(line) and not foreign(line) for line in other.text) or other.kind == "Nd" and not foreign(other.head):
        yield "not translated"


def compare_code(english, other):
    for (line, theirs), (number, ours) in itertools.zip_longest(english.code, other.code, fillvalue=(0, None)):
        if theirs != ours:
            yield number or other.number, f'"{ours}" for "{theirs}" of line {line}'
            return


def compare(english, other):
    for theirs, ours in itertools.zip_longest(english.blocks, other.blocks):
        if not same_block(theirs, ours):    # what follows would differ as well
            here, there = (ours or other.blocks[-1]).number, (theirs or english.blocks[-1]).number
            yield f"{other.name}:{here}: {ours or 'the end'}, where {english.name}:{there} has {theirs or 'the end'}"
            return
        for what in differences(theirs, ours, theirs.section == english.synopsis()):
            yield f"{other.name}:{ours.number}: {ours}: {what} ({english.name}:{theirs.number})"
        for number, what in compare_code(theirs, ours):
            yield f"{other.name}:{number}: {what} ({english.name})"


def check_references(page):
    for block in page.blocks:
        for title in block.references:
            if title not in page.titles:
                yield f"{page.name}:{block.number}: no section is called {title}"


def check_layout(page, mandoc, synopsis):
    """A page's head is printed, and its synopsis laid out, by the names of these sections: groff can be told them,
    mandoc knows the English ones only."""
    wanted = {"doc-section-name": page.sections[0]}
    if synopsis is not None:
        wanted["doc-section-synopsis"] = page.sections[synopsis]
        if mandoc.synopsis() != synopsis:
            yield f'{page.name}: the synopsis must be called SYNOPSIS for mandoc, by a string that is another one .if \\n(.x'
    for name, title in wanted.items():
        if page.strings.get(name) != title:
            yield f"{page.name}: lacks this line behind .Os: .ds {name} {title}"


def check(path, translation):
    english = Page(path)
    yield from check_references(english)
    if not translation.exists():
        yield f"{translation.relative_to(ROOT)}: not there, unlike {english.name}"
        return
    other = Page(translation)
    yield from check_layout(other, Page(translation, groff=False), english.synopsis())
    yield from check_references(other)
    yield from compare(english, other)


def main():
    pages = sorted((ROOT / "man").glob("*.[1-8]"))
    languages = sorted(path.stem for path in (ROOT / "ui/po").glob("*.po"))
    wrong = []
    for language in languages:
        folder = ROOT / "man" / language
        wrong += [line for page in pages for line in check(page, folder / page.name)]
        wrong += [f"{page.relative_to(ROOT)}: no English page has this name"
                  for page in sorted(folder.glob("*")) if not (ROOT / "man" / page.name).exists()]
    print("\n".join(wrong) if wrong else f"{len(pages)} manual pages: the same in {len(languages) + 1} languages")
    return 1 if wrong or not pages or not languages else 0


if __name__ == "__main__":
    sys.exit(main())
