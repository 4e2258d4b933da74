"""Bokeh's widgets in the page's style."""

from functools import cache
from pathlib import Path
from typing import Any

from bokeh.models import (
    Button,
    Checkbox,
    Column,
    Div,
    InlineStyleSheet,
    RadioButtonGroup,
    Row,
    Select,
    Slider,
)

HERE = Path(__file__).parent


class Kit:
    """The widgets of one document, which share one style sheet."""

    def __init__(self) -> None:
        self.sheets: list[Any] = [InlineStyleSheet(css=text_of("widgets.css"))]

    def html(self, text: str = "", **settings: Any) -> Div:
        settings = {"sizing_mode": "stretch_width", "margin": 0} | settings
        return Div(text=text, stylesheets=self.sheets, **settings)

    def slider(self, title: str, start: float, end: float, value: float, step: float, **more: Any) -> Slider:
        settings = {"sizing_mode": "stretch_width", "margin": (2, 8, 6, 8)} | more
        return Slider(
            title=title, start=start, end=end, value=value, step=step, stylesheets=self.sheets, **settings
        )

    def button(self, label: str, main: bool = False, **settings: Any) -> Button:
        kind = "primary" if main else "default"
        settings = {"margin": (0, 8, 0, 0), "width_policy": "min"} | settings
        return Button(label=label, button_type=kind, stylesheets=self.sheets, **settings)

    def select(self, title: str, options: list[tuple[str, str]], value: str, **settings: Any) -> Select:
        settings = {"margin": (0, 12, 0, 0), "width": 210} | settings
        return Select(title=title, options=[*options], value=value, stylesheets=self.sheets, **settings)

    def check(self, label: str, active: bool = False, **settings: Any) -> Checkbox:
        settings = {"margin": (6, 8, 0, 0)} | settings
        return Checkbox(label=label, active=active, stylesheets=self.sheets, **settings)

    def choice(self, labels: list[str], active: int = 0, **settings: Any) -> RadioButtonGroup:
        settings = {"margin": (0, 8, 0, 0)} | settings
        return RadioButtonGroup(labels=labels, active=active, stylesheets=self.sheets, **settings)

    def row(self, *children: Any, **settings: Any) -> Row:
        settings = {"sizing_mode": "stretch_width", "margin": 0} | settings
        return Row(children=list(children), stylesheets=self.sheets, **settings)

    def column(self, *children: Any, **settings: Any) -> Column:
        settings = {"sizing_mode": "stretch_width", "margin": 0, "spacing": 10} | settings
        return Column(children=list(children), stylesheets=self.sheets, **settings)


@cache
def text_of(name: str) -> str:
    """A file of the page."""
    return (HERE / name).read_text()
