"""What is seen: no axe violation, nothing wider than the screen, in both schemes and at both widths."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page

from tests.page.conftest import AXE_TEXT, Open
from tests.page.scene import FAILED, Served, served
from tests.surface.house import House

PAGES = {
    "overview": "/",
    "volumes": "/volumes",
    "volume": f"/volumes/{FAILED}",
    "runs": "/runs",
    "plan": "/plan?next=7d",
    "doctor": "/doctor",
}
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """What axe-core finds, each with the first place."""
    await page.evaluate(AXE_TEXT)
    found = await page.evaluate("tags => axe.run(document, {runOnly: tags})", _RULES)
    assert len(found["passes"]) > 15
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}" for one in found["violations"]]


@pytest.mark.skipif(not AXE_TEXT, reason="no axe-core: LHBACKUPD_AXE names its axe.min.js (npm install axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_axe_finds_nothing(
    shop: Served, visit: Open, picture: Callable[[Page, str], Awaitable[None]], width: int, scheme: str
) -> None:
    context = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = await visit(shop.url, **context)
    for name, path in PAGES.items():
        await page.goto(shop.url + path)
        await picture(page, f"{name}-{width}-{scheme}")
        for summary in await page.locator("summary").all():
            await summary.click()
        assert await violations(page) == [], name


@pytest.mark.parametrize("width", [1280, 800, 375, 320])
async def test_nothing_is_wider_than_the_screen(shop: Served, visit: Open, width: int) -> None:
    page = await visit(shop.url, viewport={"width": width, "height": 700})
    for path in PAGES.values():
        await page.goto(shop.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path


async def test_each_page_has_its_landmarks_and_one_heading(shop: Served, visit: Open) -> None:
    page = await visit(shop.url)
    for path in PAGES.values():
        await page.goto(shop.url + path)
        for role in ("banner", "main", "contentinfo", "heading"):
            level = {"level": 1} if role == "heading" else {}
            assert await page.get_by_role(role, **level).count() == 1, (path, role)
        assert await page.get_by_role("navigation", name="Pages", exact=True).count() == 1
        assert await page.locator("header [aria-current]").count() == 1
        unnamed = await page.evaluate("[...document.querySelectorAll('table')].filter(t => !t.caption).length")
        assert unnamed == 0


async def test_colour_is_never_the_only_sign(shop: Served, visit: Open) -> None:
    """Whatever has a tone has words or a mark in it, and things of different tone never say the same."""
    page = await visit(shop.url)
    for path in PAGES.values():
        await page.goto(shop.url + path)
        said = await page.evaluate(
            """[...document.querySelectorAll('.badge, .strip li, .tiles li')].map(
                e => [e.querySelector('span')?.textContent ?? e.textContent, [...e.classList].filter(
                    c => ['good', 'warn', 'bad'].includes(c)).join()])"""
        )
        assert said
        tones: dict[str, set[str]] = {}
        for words, tone in said:
            assert words.strip()
            tones.setdefault(words, set()).add(tone)
        assert all(len(found) == 1 for found in tones.values()), tones


async def test_motion_is_not_forced_on_anybody(shop: Served, visit: Open) -> None:
    page = await visit(shop.url, reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    assert await page.evaluate(moving) == 0


async def test_an_empty_house_can_be_looked_at(house: House, visit: Open) -> None:
    async with served(house) as made:
        page = await visit(made.url)
        assert await page.get_by_role("heading", level=1).inner_text() == "No volumes are known yet"
        if AXE_TEXT:
            assert await violations(page) == []
        await page.context.close()
