from html.parser import HTMLParser

from pondera.markup import LONGEST, path, table


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_texts_stay_texts():
    parser = Cells()
    parser.feed(table(["<name>"], [["<script>alert('1')</script>"], ['" onload="x']], caption="a & b"))
    assert set(parser.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert parser.texts == ["a & b", "<name>", "<script>alert('1')</script>", '" onload="x']


def test_names_of_tensors_may_be_broken():
    parser = Cells()
    parser.feed(table(["tensor"], [["a.b/<c>:0", "d.e"]], paths=True))
    assert parser.tags.count("wbr") == 3
    assert "".join(parser.texts) == "tensora.b/<c>:0d.e"


def test_letters_that_cannot_be_shown_are_written_out():
    parser = Cells()
    parser.feed(table(["tensor"], [["a\x00\x1b[31m\u202eb", "c\x07"], ["  ", ""]], paths=True))
    assert parser.texts[1:] == ["a\\x00\\x1b[31m\\u202eb", "c\\x07", "'  '"]


def test_very_long_names_lose_their_middles():
    name = "a" * 300 + ".weight"
    shown = path(name)
    parser = Cells()
    parser.feed(shown)
    assert len("".join(parser.texts)) < LONGEST
    assert "".join(parser.texts).endswith("a.weight")
    assert f'title="{name}"' in shown
