"""A page that stands by itself: everything is in the file, nothing is fetched and nothing runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pondera import __version__
from pondera.errors import ArgumentError
from pondera.files import check_place, whole_file
from pondera.findings import Finding
from pondera.markup import STYLE, escaped

MADE_BY = "<meta name='generator' content='Pondera "
"""What every page holds near its beginning, so that a page may be replaced by a newer one, and nothing else may."""

LOOK = (
    STYLE
    + """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;color:#1f2933;background:#f5f6f8;
margin:0}
main{max-width:1060px;margin:0 auto;padding:2rem 1.2rem 4rem}
h1{font-size:1.5rem;margin:0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 .2rem}
p.quiet,footer,figcaption{color:#66727f;margin:.1rem 0 .6rem}
section{background:#fff;border:1px solid #e3e7eb;border-radius:8px;padding:1rem 1.2rem;margin-top:1.1rem}
div.wide{overflow-x:auto}
div.wide figure{min-width:40rem}
dl.figures{display:flex;flex-wrap:wrap;gap:.4rem 2.2rem;margin:1rem 0 0}
dl.figures div{min-width:6rem}
dl.figures dt{color:#66727f;font-size:.82rem}
dl.figures dd{margin:0;font-size:1.15rem;font-weight:600}
ul.findings{list-style:none;padding:0;margin:.4rem 0 0}
ul.findings li{border-left:4px solid #c7791f;padding:.2rem 0 .2rem .8rem;margin:.7rem 0;overflow-wrap:anywhere}
ul.findings li b{display:block}
ul.findings span{color:#66727f}
svg{max-width:100%;height:auto}
table.pondera{font-size:.84rem;width:100%}
table.pondera :is(th,td){padding-left:.45em;padding-right:.45em;vertical-align:top}
table.pondera tbody tr:nth-child(even){background:#f8f9fb}
table.pondera th{border-color:#e3e7eb;color:#66727f}
footer{margin-top:1.4rem;font-size:.85rem}
"""
)


@dataclass(frozen=True)
class Section:
    """One part of a page: a heading, a sentence that says how to read it, and its content as HTML."""

    title: str
    sentence: str
    content: str


def page(title: str, subtitle: str, figures: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    title, subtitle
        What it is about.
    figures
        What stands large at the top: a word and a number each.
    sections
        In their order.
    """
    large = "".join(f"<div><dt>{escaped(word)}</dt><dd>{escaped(value)}</dd></div>" for word, value in figures)
    parts = "".join(
        f"<section><h2>{escaped(each.title)}</h2><p class='quiet'>{escaped(each.sentence)}</p>"
        f"<div class='wide'>{each.content}</div></section>"
        for each in sections
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"{MADE_BY}{escaped(__version__)}'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escaped(title)}</title><style>{LOOK}</style></head><body><main>"
        f"<h1>{escaped(title)}</h1><p class='quiet'>{escaped(subtitle)}</p><dl class='figures'>{large}</dl>"
        f"{parts}<footer>Pondera {escaped(__version__)}</footer></main></body></html>\n"
    )


def check_page(path: Path, *sources: Path) -> None:
    """Raise where a page cannot be written, or would replace what is none: before anything is read.

    Parameters
    ----------
    path
        Where the page is to be written.
    sources
        Files that are read, or folders of them.

    Raises
    ------
    ArgumentError
        Naming the page.
    """
    for source in sources:
        for file in source.iterdir() if source.is_dir() else (source,):
            if os.path.exists(path) and file.exists() and path.samefile(file):
                raise ArgumentError(f"--html names {path}, which the page is about. Give the page another name.")
    check_place(path, "--html", MADE_BY.encode())


def write_page(path: Path, content: str) -> None:
    """Write a page, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(content, encoding="utf-8")


def findings_list(findings: Sequence[Finding]) -> str:
    """Return findings as a list, each with its advice and how far it can be believed."""
    items = "".join(
        f"<li><b>{escaped(each.statement)}</b>{escaped(each.advice)} "
        f"<span>({escaped(each.rule)}: {escaped(each.certainty)})</span></li>"
        for each in findings
    )
    return f"<ul class='findings'>{items}</ul>"
