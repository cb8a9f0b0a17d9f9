"""What people do with the pages: ask three questions, use the keyboard only, go without scripts, look at very many."""

import re
import time

from playwright.async_api import Page, expect

from lhbackupd.surface.pages.volumes import ROWS
from tests.page.conftest import Open
from tests.page.scene import FAILED, WHY, Served, crowd, served
from tests.surface.house import House


async def cells(page: Page, heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = page.get_by_role("region", name=re.compile(f"^{heading}"))
    rows = section.get_by_role("table").first.locator("tbody tr")
    return [await row.locator("th, td").all_inner_texts() for row in await rows.all()]


async def names(page: Page) -> list[str]:
    """The volumes on their page."""
    return [row[0].partition("\n")[0] for row in await cells(page, "Volumes")]


async def test_a_new_user_has_three_questions_answered(shop: Served, visit: Open) -> None:
    page = await visit(shop.url)
    # which volumes are not protected?
    assert await page.get_by_role("heading", level=1).inner_text() == "5 of 11 volumes are not protected"
    found = [row[0].partition("\n")[0] for row in await cells(page, "Not protected")]
    lone = "pvc-5b1d9c1e-77aa-4c0e-9d3e-0a4b7b1f9f6e"
    assert found == ["shop/mail", "shop/new", "shop/orders", "shop/parked", lone]
    # why did the last run of mail fail, and when is the next?
    await page.get_by_role("link", name="shop/mail").first.click()
    policy = page.get_by_role("region", name="Policy nightly")
    await expect(policy).to_contain_text(f"failed (3 times): {WHY}")
    await expect(policy).to_contain_text("2026-10-23 02:00 in 14 h")
    await expect(policy).to_contain_text(f"lhbackupd backup {FAILED} --policy nightly")


async def test_the_keyboard_is_enough(shop: Served, visit: Open) -> None:
    page = await visit(shop.url)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
    shown = await page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert shown >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    seen: list[str] = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        there = await page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                return [e.textContent, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }"""
        )
        assert there[1], f"{there[0]} has the focus, and nobody sees it"
        seen.append(there[0])
        if there[0].startswith("shop/mail"):
            break
    assert len(seen) <= 12
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/volumes/pvc-mail")
    await page.locator("summary").first.focus()
    await page.keyboard.press("Enter")
    assert await page.locator("details").first.get_attribute("open") is not None


async def test_volumes_are_found_by_keyboard_and_form(shop: Served, visit: Open) -> None:
    page = await visit(f"{shop.url}/volumes")
    await page.get_by_label("State").select_option("protected")
    await page.get_by_label("Name contains").fill("S")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/volumes?q=S&state=protected*")
    assert await names(page) == [
        "shop/cart",
        "shop/db",
        "shop/ledger",
        "shop/media",
        "shop/orders",
        "shop/search",
        "shop/sessions",
    ]
    await page.get_by_role("link", name="Next run").click()
    await expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Next run")
    assert (await names(page))[0] == "shop/db"
    await page.get_by_role("link", name="Next run").click()
    await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Next run")
    assert (await names(page))[-1] == "shop/db"


async def test_without_scripts_all_of_it_is_there(shop: Served, visit: Open) -> None:
    page = await visit(f"{shop.url}/volumes", java_script_enabled=False)
    assert await page.locator("meta[http-equiv=refresh]").count() == 1
    await page.get_by_label("State").select_option("failing")
    await page.get_by_role("button", name="Show").click()
    await page.get_by_role("link", name="shop/mail").click()
    await expect(page.get_by_role("region", name="Policy nightly")).to_contain_text(WHY)
    assert await page.get_by_role("button", name="Copy").count() == 0
    await page.locator("summary").first.click()
    assert await page.locator("details[open]").count() == 1


async def test_a_command_can_be_copied(shop: Served, visit: Open) -> None:
    page = await visit(shop.url, permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name=f"Copy the command lhbackupd backup {FAILED} --policy nightly").click()
    assert await page.evaluate("navigator.clipboard.readText()") == f"lhbackupd backup {FAILED} --policy nightly"


async def test_ten_thousand_volumes_do_not_freeze_it(house: House, visit: Open) -> None:
    crowd(house, 10_000)
    async with served(house) as made:
        page = await visit(made.url)
        begun = time.perf_counter()
        answer = await page.goto(f"{made.url}/volumes?sort=next")
        gone = time.perf_counter() - begun
        assert answer
        size = len(await answer.body())
        laid_out = await page.evaluate(
            """() => { const t = performance.now(); document.body.style.width = '900px';
                document.body.offsetHeight; return performance.now() - t; }"""
        )
        print(f"\n10,000 volumes: {size} bytes in {gone:.2f} s, laid out anew in {laid_out:.0f} ms")
        assert await page.locator("tbody tr").count() == ROWS
        assert size < 1000 * ROWS + 10_000
        await expect(page.locator(".paging").first).to_contain_text("1 to 200 of 10,000")
        await page.get_by_role("link", name="Next", exact=True).click()
        await expect(page.locator(".paging").first).to_contain_text("201 to 400 of 10,000")
        await page.goto(f"{made.url}/volumes?q=pvc-09999")
        assert await page.locator("tbody tr").count() == 1
        await page.goto(f"{made.url}/volumes?page=99999")
        await expect(page.locator(".paging").first).to_contain_text("9,801 to 10,000 of 10,000")
        await page.goto(made.url)
        assert len(await page.content()) < 100_000
        await page.context.close()
