"""Includes run one way. Fails on a wrong #include, naming the line and the rule.

    usherd -> {admin, provision} -> engine -> {broker, channel, notice, store, policy, config} -> net -> model -> base
    ui -> base and the public headers

Folders in braces do not include each other. Each outside library is spoken to by the folders that are
there for it, and by no other.
"""

import pathlib
import re
import sys

LAYERS = [["base"], ["model"], ["net"], ["broker", "channel", "notice", "store", "policy", "config"], ["engine"],
          ["admin", "provision"]]
LAYER_OF = {folder: depth for depth, folders in enumerate(LAYERS) for folder in folders}

LIBRARIES = {
    r"(mysql|mariadb)\b.*": {"store"},
    r"uv\.h": {"net"},
    r"curl/.*": {"net", "channel", "broker", "ui", "usherd"},
    r"microhttpd\.h": {"admin"},
    r"ini\.h": {"config"},
    r"(ncurses|curses|ncursesw/.*|panel)(\.h)?": {"ui"},
    r"cjson/.*": {"base"},
    r"zlib\.h": {"base", "ui"},
    r"expat\.h": {"net"},
    r"openssl/.*": {"base", "net", "broker", "ui"},
}

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def folder_of(path):
    """The part a file belongs to: a folder of src, "usherd", "ui" or "public"."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else "usherd"
    return "ui" if parts[0] == "ui" else "public"


def own_target(path, name):
    """The part that a quoted include names; None when there is no such file."""
    for base in (path.parent, ROOT / "src", ROOT / "include", ROOT / "ui", ROOT):
        if (base / name).is_file():
            return folder_of((base / name).resolve())
    return None


def allowed(folder, target):
    if target in (folder, "public"):
        return True
    if folder == "ui":
        return target == "base"
    if folder == "usherd":
        return target in LAYER_OF
    if folder == "public" or target not in LAYER_OF:
        return False
    return LAYER_OF[target] < LAYER_OF[folder]


def check(path):
    folder = folder_of(path)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, system = match.groups()
        where = f"{path.relative_to(ROOT)}:{number}"
        if quoted:
            target = own_target(path, quoted)
            if target is None and quoted.startswith("gen/"):
                continue
            if target is None:
                yield f'{where}: "{quoted}" is no file of this tree'
            elif not allowed(folder, target):
                yield f'{where}: {folder} must not include {target} ("{quoted}")'
            continue
        if folder == "public" and not system.startswith("usher/") and "/" in system:
            yield f"{where}: public headers include the standard library and <usher/...> only (<{system}>)"
        for pattern, users in LIBRARIES.items():
            if re.fullmatch(pattern, system) and folder not in users:
                yield f"{where}: <{system}> is for {', '.join(sorted(users))}, not for {folder}"


def main():
    files = [p for top in ("src", "ui", "include") for p in sorted((ROOT / top).rglob("*.[ch]"))]
    wrong = [message for path in files for message in check(path)]
    print("\n".join(wrong + [f"includes: {len(files)} files, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
