"""Pages that keep themselves up to date: over one stream, without taking anything from who reads them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Page, expect

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import Moved
from tests.e2e.harness import policy, staged
from tests.page.conftest import Open
from tests.page.scene import FAILED, Served, served
from tests.surface.house import NOON, House, ended, volume


def finish(shop: Served, name: str = FAILED) -> None:
    """A run of a volume ends well, and the engine says so."""
    run = replace(ended(name, Outcome.COMPLETED, "backup b-9 holds it"), id="run-now")
    shop.house.knows(run)
    shop.house.exposed(Exposure(policy="nightly", volume=name, born=NOON - timedelta(days=60), clear=NOON))
    shop.house.recent.runs = (run, *shop.house.recent.runs)
    shop.web.changes(Moved(None, run))


async def test_a_run_that_finishes_is_seen_without_loading_the_page(shop: Served, visit: Open) -> None:
    page = await visit(shop.url)
    await page.evaluate("window.same = true")
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("5 of 11 volumes are not protected")
    finish(shop)
    await expect(heading).to_have_text("4 of 11 volumes are not protected")
    await expect(page.get_by_role("status")).to_have_text("4 of 11 volumes are not protected")
    assert await page.evaluate("window.same")
    assert (await page.title()).startswith("4 of 11")


async def test_focus_scroll_and_what_is_open_stay(shop: Served, visit: Open) -> None:
    page = await visit(f"{shop.url}/volumes/{FAILED}", viewport={"width": 1280, "height": 500})
    await page.locator("#more-runs summary").click()
    await page.locator("#more-backups summary").focus()
    await page.evaluate("scrollTo(0, 600)")
    finish(shop)
    await expect(page.get_by_role("region", name="Policy nightly")).to_contain_text("backup b-9 holds it")
    assert await page.locator("#more-runs").get_attribute("open") is not None
    assert await page.locator("#more-backups").get_attribute("open") is None
    assert await page.evaluate("document.activeElement.parentElement.id") == "more-backups"
    assert await page.evaluate("scrollY") == 600


async def test_a_link_keeps_the_focus_too(shop: Served, visit: Open) -> None:
    page = await visit(shop.url)
    await page.get_by_role("link", name="shop/parked").first.focus()
    finish(shop, "pvc-new")
    await expect(page.get_by_role("heading", level=1)).to_have_text("4 of 11 volumes are not protected")
    assert (await page.evaluate("document.activeElement.textContent")).startswith("shop/parked")


async def test_who_fills_in_a_form_is_not_disturbed(shop: Served, visit: Open) -> None:
    page = await visit(f"{shop.url}/volumes")
    field = page.get_by_label("Name contains")
    await field.press_sequentially("mai")
    finish(shop)
    await page.wait_for_timeout(1500)  # longer than a change takes to arrive, as the other tests show
    await field.press_sequentially("l")
    assert await field.input_value() == "mail"
    mail = page.locator("tr", has_text="shop/mail")
    await expect(mail).to_contain_text("failing")
    await page.get_by_role("link", name="Runs").focus()
    await expect(mail).to_contain_text("protected")


async def test_a_daemon_that_is_gone_is_said_and_comes_back(house: House, visit: Open) -> None:
    house.has(volume("pvc-a"))
    async with served(house) as made:
        page = await visit(made.url)
        await expect(page.get_by_role("alert")).to_be_hidden()
        port = int(made.url.rpartition(":")[2])
    await expect(page.get_by_role("alert")).to_have_text("The daemon does not answer: what is shown is as it last was.")
    house.knows(ended("pvc-a", Outcome.COMPLETED))
    async with served(house, port=port):
        await expect(page.get_by_role("heading", level=1)).to_have_text("The one volume is protected", timeout=20_000)
        await expect(page.get_by_role("alert")).to_be_hidden()
        await page.context.close()


async def progress(page: Page) -> None:
    await expect(page.get_by_role("progressbar")).to_be_visible(timeout=40_000)


async def test_a_real_run_of_the_real_daemon_is_watched_to_its_end(tmp_path: Path, visit: Open) -> None:
    async with staged(tmp_path) as stage:
        await stage.longhorn.allow(True)
        await stage.longhorn.create("db", data=8 * 2**20)
        await stage.longhorn.slow_backups("db", 90.0)
        daemon = await stage.daemon(policy())
        port = await daemon.port()
        page = await visit(f"http://127.0.0.1:{port}/")
        await page.evaluate("window.same = true")
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("1 of 1 volumes is not protected", timeout=20_000)
        await daemon.due("db")
        await progress(page)
        await expect(heading).to_have_text("The one volume is protected", timeout=40_000)
        await expect(page.get_by_role("region", name="Ended lately")).to_contain_text("completed")
        assert await page.evaluate("window.same")
        assert await daemon.stop() == 0
        await page.context.close()
