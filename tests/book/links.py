"""The links of README, CONTRIBUTING and the book: every relative one leads to a file that is there, every anchor to a
heading. Each page is in SUMMARY.md once, a page's links stay in the book, and the README is short."""

import os
import re
import sys

import pages

README_LINES_MOST = 200
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"(`+).*?\1")


def prose(text):
    """The lines outside of fenced blocks."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line


def anchors(path):
    """The ids that the headings of a page get, here as there: small letters, blanks as dashes, no other signs."""
    found = set()
    for line in prose(pages.read(path)):
        heading = re.match(r"#+ (.*)", line)
        if heading:
            words = LINK.sub(lambda link: link.group()[1:].split("]")[0], heading.group(1)).strip().lower()
            anchor = base = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words))
            count = 0
            while anchor in found:
                count += 1
                anchor = "%s-%d" % (base, count)
            found.add(anchor)
    return found


def wrong_link(page, target):
    """What is wrong with a link of a page, if something is."""
    file, _, anchor = target.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
    if not os.path.exists(os.path.join(pages.TOP, path)):
        return "there is no %s" % path
    if anchor and (not path.endswith(".md") or anchor not in anchors(path)):
        return "%s has no heading #%s" % (path, anchor)
    if page.startswith(pages.BOOK) and not (path.startswith(pages.BOOK) and path.endswith(".md")):
        return "it leads out of the book: name the file instead"
    if page == pages.CONTRIBUTING and file:
        return "this page is part of the book, too, where the link leads elsewhere: name the file instead"
    return None


def main():
    wrong, count = [], 0
    for page in pages.all_pages() + [pages.SUMMARY]:
        for line in prose(pages.read(page)):
            # A link in code is none; code in the title of a link may be anything.
            bare = CODE.sub(lambda code: "" if "](" in code.group() else "code", line)
            for target in LINK.findall(bare):
                if re.match(r"[a-z]+:", target):
                    continue
                count += 1
                problem = wrong_link(page, target)
                if problem:
                    wrong.append("%s: (%s): %s" % (page, target, problem))
    listed = [os.path.join(pages.BOOK, target) for target in LINK.findall(pages.read(pages.SUMMARY))]
    for page in pages.book_pages():
        if listed.count(page) != 1:
            wrong.append("%s: SUMMARY.md lists it %d times" % (page, listed.count(page)))
    lines = len(pages.read(pages.README).splitlines())
    if lines > README_LINES_MOST:
        wrong.append("README.md has %d lines, which is more than %d" % (lines, README_LINES_MOST))
    print("\n".join(wrong), end="\n" if wrong else "")
    print("links: %d looked at, %d things wrong; README.md has %d lines" % (count, len(wrong), lines))
    return 1 if wrong or count < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
