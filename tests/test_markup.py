from html.parser import HTMLParser

from pondera.markup import table


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
