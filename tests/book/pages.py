"""Which pages there are: README, CONTRIBUTING and those of the book; and the fenced blocks in them."""

import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = "README.md"
CONTRIBUTING = "CONTRIBUTING.md"
BOOK = "docs/src"
SUMMARY = "docs/src/SUMMARY.md"


def book_pages():
    """The pages of the book, from the top folder."""
    found = []
    for folder, _, files in os.walk(os.path.join(TOP, BOOK)):
        found += [os.path.relpath(os.path.join(folder, file), TOP) for file in files if file.endswith(".md")]
    return sorted(page for page in found if page != SUMMARY)


def all_pages():
    return [README, CONTRIBUTING] + book_pages()


def read(page):
    with open(os.path.join(TOP, page), encoding="utf-8") as file:
        return file.read()


def blocks(text):
    """The fenced blocks: language, the words before, the lines."""
    before, language, lines = "", None, []
    for line in text.splitlines():
        if language is None and line.startswith("```"):
            language, lines = line[3:].strip(), []
        elif language is not None and line.strip() == "```":
            yield language, before, lines
            language, before = None, ""
        elif language is not None:
            lines.append(line)
        elif line.strip():
            before = line
    assert language is None, "an open fence"


def program():
    """The one whole program in Rust that the pages have."""
    found = []
    for page in all_pages():
        programs = [lines for language, _, lines in blocks(read(page)) if language == "rust"]
        found += [lines for lines in programs if any("fn main()" in line for line in lines)]
    assert len(found) == 1, "the pages have one Rust program"
    return "\n".join(found[0]) + "\n"
