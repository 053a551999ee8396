"""Pages in HTML as tests read them: every tag closed, nothing asked of a network."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "link", "input", "image", "br"}


class Page(HTMLParser):
    """The elements of a page with their attributes and texts; tags that are not closed fail."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[str] = []
        self.open: list[int] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for i in self.open:
            self.texts[i] += data

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, Any], str]]:
        pairs = zip(self.elements, self.texts, strict=True)
        return [
            (a, t) for (n, a), t in pairs if n == tag and wanted.items() <= {**a, "": ""}.items()
        ]


class HTMLRows(HTMLParser):
    """The cells of table rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def require_alone(page: Page) -> None:
    """Assert that a page needs no other file, and has all that it refers to."""
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), value
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    sheet = page.all("style")[0][1]
    assert "url(" not in sheet
    assert "@import" not in sheet
    assert "default-src 'none'" in page.source
    for attributes, _ in page.all("svg"):
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, a in page.elements:
        for name in ("aria-labelledby", "href"):
            if a.get(name, "").removeprefix("#") and not a[name].startswith("data:"):
                assert a[name].removeprefix("#") in ids
