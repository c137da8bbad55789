"""Charts as drawings: inline SVG for the page, pictures in Markdown for Dagster's UI."""

import re
from base64 import b64encode
from typing import Any
from xml.etree import ElementTree as ET

import vl_convert

from universe_pipeline.reporting.axes import Chart
from universe_pipeline.reporting.colours import in_the_middle

SVG = "http://www.w3.org/2000/svg"
NO_ADDRESSES: list[str] = []
"""A chart has its data with it; nothing is fetched to draw it."""

_NOISE = ("role", "aria-roledescription", "aria-hidden", "class", "stroke-miterlimit")


def inline(chart: Chart, label: str) -> str:
    """The chart as SVG that takes its colours and font from the page.

    What a mark stands for is shown when it is pointed at; `label` says what the whole shows.
    """
    root = _drawn(chart)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": root.attrib["width"],
        "height": root.attrib["height"],
        "role": "img",
        "aria-label": label,
    }
    return ET.tostring(root, encoding="unicode")


def picture(chart: Chart, name: str) -> str:
    """The chart as a Markdown image that does on a light and on a dark page."""
    drawing = in_the_middle(ET.tostring(_drawn(chart), encoding="unicode"))
    encoded = b64encode(drawing.encode()).decode()
    return f"![{name}](data:image/svg+xml;base64,{encoded})"


def _drawn(chart: Chart) -> ET.Element:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    text = vl_convert.vegalite_to_svg(spec, allowed_base_urls=NO_ADDRESSES)
    ET.register_namespace("", SVG)
    root = ET.fromstring(_rounded(text))  # noqa: S314  # our own drawing
    for element in root.iter():
        said = element.attrib.pop("aria-label", None)
        for name in _NOISE:
            element.attrib.pop(name, None)
        if said is not None and len(element) == 0:
            ET.SubElement(element, f"{{{SVG}}}title").text = said
    return root


def _rounded(text: str) -> str:
    """Coordinates to a hundredth of a pixel: the drawing is half as long."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", text)
