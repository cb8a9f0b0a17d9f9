"""Real headless Chromium, Debian's own package, and what it may not complain about."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from tests.page.scene import Served, furnish, served
from tests.surface import house as houses
from tests.surface.house import House

CHROMIUM = shutil.which("chromium")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: where pictures are put; none are made without it
_SCREENSHOTS = os.environ.get("LHBACKUPD_SCREENSHOTS")

#: axe-core's one file, from npm; what it would find is not looked for without it
AXE = Path(os.environ.get("LHBACKUPD_AXE") or "/nowhere")
AXE_TEXT = AXE.read_text() if AXE.is_file() else ""

Open = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.page)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium here (Debian: apt-get install chromium)"))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture
def house() -> Iterator[House]:
    with houses.house() as found:
        yield found


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Served]:
    """A house with something of everything, open."""
    furnish(house)
    async with served(house) as made:
        yield made


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Open]:
    """Opens a page; in the end none has asked anybody else for anything, or met an error or its own policy."""
    troubles: list[str] = []
    homes: set[str] = set()

    async def opened(url: str, **context: Any) -> Page:
        page = await (await browser.new_context(**context)).new_page()
        homes.add("/".join(url.split("/")[:3]))

        def console(message: ConsoleMessage) -> None:
            if message.type == "error" and "net::ERR" not in message.text:
                troubles.append(message.text)

        def asked(request: Request) -> None:
            if not any(request.url.startswith(home) for home in homes):
                troubles.append(f"asked for {request.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", asked)
        await page.goto(url)
        return page

    yield opened
    assert troubles == []


@pytest.fixture
def picture() -> Callable[[Page, str], Awaitable[None]]:
    """Keeps a picture of a page, where somebody wants to see it."""

    async def taken(page: Page, name: str) -> None:
        if _SCREENSHOTS:
            await page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png", full_page=True)

    return taken
