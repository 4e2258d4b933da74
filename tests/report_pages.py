"""Run folders made by hand, and a reader of pages that knows what a page may hold."""

import io
from html.parser import HTMLParser

from PIL import Image

from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.storage.formats import RUN
from preimage.storage.plain_yaml import dump

VOID = {"meta", "input", "img", "br", "path", "circle", "polyline"}
MAY_RUN = {"script", "style", "iframe", "object", "embed", "base", "link", "form", "video", "audio"}


def png(width: int = 8, height: int = 6) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stream, "png")
    return stream.getvalue()


def made_run(root: Folder, run_name: str, /, **about) -> RunFolder:
    """A run that has begun."""
    run = RunFolder(root / "runs" / run_name)
    known = {
        "job": "train-gan",
        "name": "a",
        "fingerprint": "f" * 64,
        "key": "k",
        "created": "2026-01-02T03:04:05+00:00",
    }
    run.folder.write_json("run.json", {**RUN.stamp(), **known, **about})
    run.folder.write("spec.yaml", dump({"name": known["name"], "job": known["job"], "seed": 3}).encode())
    return run


def finish(run: RunFolder, metrics: dict, **more) -> Outcome:
    known = run.about()
    outcome = Outcome(
        known["job"], known["name"], run.name, known["fingerprint"], metrics, run.folder.uri, **more
    )
    run.finish(outcome)
    return outcome


class Page(HTMLParser):
    """A page that was read: its elements, and its text. Asserts that every element ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def require_harmless(self) -> None:
        """It loads nothing, and runs nothing but its own script."""
        tags = [tag for tag, _ in self.elements]
        charts = sum(each.get("class") == "chart" for each in self.of("figure"))
        data = [each for each in self.of("script") if each.get("type") == "application/json"]
        assert len(data) == charts
        assert tags.count("script") == charts + 1
        assert tags.count("style") == 1
        assert not (MAY_RUN - {"script", "style", "form"}) & set(tags)
        assert self.of("form") == [{"method": "dialog"}]
        for tag, attributes in self.elements:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
            if "src" in attributes:
                assert tag == "img"
                assert str(attributes["src"]).startswith("data:image/png;base64,")
            if "href" in attributes:
                assert tag == "a"
                assert str(attributes["href"]).startswith(("#", "http://", "https://"))
