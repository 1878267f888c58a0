"""Compares what each library makes public with the record of it beside its sources, `public_api.txt`.

    cargo doc --no-deps && python3 .ci/public_api.py TARGET/doc [--write]

A change of what others can use is seen as a change of that file. It is read from the pages of rustdoc: every public item's
declaration, its methods, and the traits that it implements.
"""

import difflib
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = {"synthetic-implementations-list", "blanket-implementations-list", "implementors-list", "foreign-impls"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """The declarations on a page."""

    def __init__(self):
        super().__init__()
        self.open, self.taken, self.found = [], None, []

    def handle_starttag(self, tag, attributes):
        if tag in VOID:
            return
        attributes = dict(attributes)
        self.open.append((tag, attributes.get("id", "")))
        classes = (attributes.get("class") or "").split()
        ids = {name for _, name in self.open}
        of_trait = "trait-implementations-list" in ids and tag == "h4"
        if self.taken is None and {"code-header", "item-decl"} & set(classes) and not LISTS & ids and not of_trait:
            self.taken = (len(self.open), [])

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        while self.open and self.open[-1][0] != tag:
            self.open.pop()
        if self.taken and len(self.open) <= self.taken[0]:
            self.found.append(re.sub(r"\s+", " ", "".join(self.taken[1])).strip())
            self.taken = None
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        if self.taken:
            self.taken[1].append(data)


def record(folder):
    """The lines of a crate's record."""
    lines = []
    # Pages of items that are no more stay where they are; this one lists those of today.
    listed = (folder / "all.html").read_text(encoding="utf-8")
    for path in sorted(folder / link for link in set(re.findall(r'href="((?:\w+/)*\w+\.\w+\.html)"', listed))):
        module = "::".join([*path.relative_to(folder.parent).parts[:-1], path.name.split(".")[1]])
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        lines += [f"{module}: {text}" for text in dict.fromkeys(page.found) if "StructuralPartialEq" not in text]
    return lines


def main():
    doc, write = Path(sys.argv[1]), "--write" in sys.argv
    changed = False
    for manifest in sorted(ROOT.glob("src/*/Cargo.toml")):
        lines = record(doc / f"lamcat_{manifest.parent.name}")
        kept = manifest.parent / "public_api.txt"
        if write:
            kept.write_text("".join(f"{line}\n" for line in lines))
            continue
        before = kept.read_text().splitlines() if kept.exists() else []
        for line in difflib.unified_diff(before, lines, str(kept.relative_to(ROOT)), "now", n=0, lineterm=""):
            changed = True
            print(line)
    if changed:
        sys.exit("what a library makes public has changed: if that is meant, write the record with --write")


main()
