"""Dagster's pages, found and used by what is written on them: its ids change with each release."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from universe_pipeline_tests.support.webserver import PATIENCE

PASSING = (
    NoSuchElementException,
    StaleElementReferenceException,
    ElementNotInteractableException,
    ElementClickInterceptedException,  # by a dialog that is opening or closing, for example
)
"""What looking at a page that draws itself may raise; the next look finds it drawn."""

Seen = TypeVar("Seen")


def mark_as_greeted(dagster_home: Path) -> None:
    """Keep Dagster from covering the first page with an invitation to its newsletter."""
    seen = dagster_home / ".nux" / "nux.yaml"
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.touch()


class Page:
    """What the browser shows of the Dagster at `url`."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self._browser, self._url = browser, url

    # Looking

    @property
    def lines(self) -> list[str]:
        """All visible text."""
        return self._browser.find_element(By.TAG_NAME, "body").text.splitlines()

    def await_seen(self, what: str, look: Callable[[], Seen | None]) -> Seen:
        """Look until there is something to be seen.

        Raises:
            AssertionError: it was never seen; with all that was seen instead.
        """
        waiting = WebDriverWait(self._browser, PATIENCE, 0.2, ignored_exceptions=PASSING)
        try:
            return waiting.until(lambda _: look() or False)
        except TimeoutException:
            shown = "\n".join(self.lines)
            raise AssertionError(
                f"{what}: not seen at {self._browser.current_url}, but\n{shown}"
            ) from None

    def await_line(self, line: str) -> None:
        """Wait until a whole line says this."""
        self.await_seen(line, lambda: line in self.lines)

    def below(self, label: str, count: int = 1) -> list[str]:
        """The lines that follow the line `label`; none as long as that is not there."""
        lines = self.lines
        if label not in lines:
            return []
        first = lines.index(label) + 1
        return lines[first : first + count]

    def assets(self) -> list[str]:
        """The assets of the graph."""
        return sorted(name for name, line in pairwise(self.lines) if line == "Latest event")

    def titles(self, start: str) -> list[str]:
        """Names that begin with `start`, in full also where they are shown shortened."""
        found = self._visible(f"//*[starts-with(@title, '{start}')]")
        return [str(element.get_attribute("title")) for element in found]

    def cell(self, label: str) -> str:
        """What a table of metadata says of `label`."""
        return self._metadata(label).text

    def table(self, label: str) -> list[list[str]]:
        """The rows of a table within a table of metadata, without its heading."""
        rows = self._metadata(label).find_elements(By.XPATH, ".//tbody/tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]

    def drawn_width(self, name: str) -> int:
        """How wide the picture with this name is in itself; none as long as it cannot be drawn."""
        return int(self._first(f"//img[@alt = '{name}']").get_attribute("naturalWidth") or 0)

    def complaints(self) -> list[str]:
        """Errors in the browser's console since the last look.

        Warnings are left out: they are about how Dagster's pages use their own libraries.
        """
        entries = self._browser.get_log("browser")
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def picture(self, file: Path) -> None:
        """Keep what can be seen."""
        file.write_bytes(self._browser.get_screenshot_as_png())

    def filled(self, placeholder: str) -> str | None:
        """What stands in the field with a hint that begins with this; none while it is empty."""
        field = self._first(f"//input[starts-with(@placeholder, '{placeholder}')]")
        return field.get_attribute("value") or None

    # Doing

    def resize(self, height: int) -> None:
        """Make the window so high."""
        self._browser.set_window_size(1440, height)

    def open(self, path: str) -> None:
        """Go to an address of this Dagster."""
        self._browser.get(self._url + path)

    def click(self, name: str) -> None:
        """Click on the button, link or tab that is called this."""
        self._click(
            name,
            f"//button[normalize-space() = '{name}'] | //a[normalize-space() = '{name}']",
        )

    def click_title(self, title: str) -> None:
        """Click on a name that may be shown shortened."""
        self._click(title, f"//*[@title = '{title}']")

    def click_link(self, within_address: str) -> None:
        """Click on a link by where it leads."""
        self._click(within_address, f"//a[contains(@href, '{within_address}')]")

    def click_text(self, text: str) -> None:
        """Click on a text that is not a button."""
        self._click(text, f"//*[text() = '{text}']")

    def click_beside(self, label: str, text: str) -> None:
        """Click on a text in the row of a table that begins with `label`."""
        row = f"//tr[td[1][normalize-space() = '{label}']]"
        self._click(f"{text} beside {label}", f"{row}//*[text() = '{text}']")

    def untick(self, label: str) -> None:
        """Click on the box whose label begins with this."""
        self._click(label, f"//label[starts-with(normalize-space(), '{label}')]")

    def fill(self, placeholder: str, text: str) -> None:
        """Type into the field with a hint that begins with this, and leave it."""

        def typed() -> bool:
            field = self._first(f"//input[starts-with(@placeholder, '{placeholder}')]")
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text)
            field.send_keys(Keys.TAB)
            return field.get_attribute("value") == text

        self.await_seen(f"a field {placeholder}", typed)

    def _click(self, what: str, xpath: str) -> None:
        def clicked() -> bool:
            self._first(xpath).click()
            return True

        self.await_seen(what, clicked)

    def _first(self, xpath: str) -> WebElement:
        usable = [element for element in self._visible(xpath) if element.is_enabled()]
        if not usable:
            raise NoSuchElementException(xpath)
        return usable[0]

    def _visible(self, xpath: str) -> list[WebElement]:
        found = self._browser.find_elements(By.XPATH, xpath)
        return [element for element in found if element.is_displayed()]

    def _metadata(self, label: str) -> WebElement:
        return self._browser.find_element(
            By.XPATH, f"//tr[td[1][normalize-space() = '{label}']]/td[2]"
        )
