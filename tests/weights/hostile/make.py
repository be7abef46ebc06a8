"""Writes the files of this folder: ``python make.py`` the small ones beside it, ``python make.py DIR`` all to DIR.

Every file in ``cases`` has a dictionary CASES: name -> what is wrong with the file, words of the sentence that refuses
it (None where it is weights all the same), and the content. That is bytes; or, for a folder, a dictionary of names and
bytes, or the target of a link; or a function that returns one of these, where the content is large, has links or is
packed, which not every machine does to the same bytes.
"""

import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
SMALL = 4096
BEGIN, END = "<!-- cases -->\n\n", "\n\n<!-- end -->\n"


def all_cases():
    """Return the title of each group -> its cases, and the names of those that are models too."""
    groups, models = {}, set()
    for place in sorted(HERE.glob("cases/*.py")):
        found = runpy.run_path(str(place))
        groups[found["__doc__"].partition(". ")[0].strip().rstrip(".")] = found["CASES"]
        models |= set(found["CASES"]) if found.get("LOAD") else set()
    return groups, models


def is_kept(content):
    """Whether a case is small enough to lie in the folder."""
    parts = content.values() if isinstance(content, dict) else [content]
    return all(isinstance(part, bytes) and len(part) <= SMALL for part in parts)


def write(place, content):
    """Write a file, a folder or a link."""
    content = content() if callable(content) else content
    if isinstance(content, dict):
        place.mkdir(parents=True, exist_ok=True)
        for name, part in content.items():
            write(place / name, part)
    elif isinstance(content, str):
        os.symlink(content, place)
    else:
        place.write_bytes(content)


def table():
    """Return all cases as Markdown."""
    lines = []
    for title, cases in all_cases()[0].items():
        lines += [f"## {title}", "", "| file | what it does | what is said |", "| --- | --- | --- |"]
        for name, (what, words, _) in cases.items():
            said = "*read as weights*" if words is None else f"… {words} …".replace("|", "\\|")
            lines.append(f"| `{name}` | {what} | {said} |")
        lines.append("")
    return "\n".join(lines).strip()


def readme():
    """Return the README with the table of all cases in it."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    return text[: text.index(BEGIN) + len(BEGIN)] + table() + text[text.index(END) :]


def main():
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "files"
    target.mkdir(parents=True, exist_ok=True)
    for cases in all_cases()[0].values():
        for name, (_, _, content) in cases.items():
            if len(sys.argv) > 1 or is_kept(content):
                write(target / name, content)
    if len(sys.argv) == 1:
        (HERE / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
