"""Every page of the built site, opened on a phone and scrolled to its end on a desk."""

from __future__ import annotations

import pytest
from browsing import DESK, PAGES, PHONE, opened
from playwright.sync_api import Browser


@pytest.mark.parametrize("page", PAGES)
def test_every_page_fits_a_phone_and_loads_only_the_site_itself(browser: Browser, address: str, page: str) -> None:
    """Protects readers on a phone, and privacy and offline use.

    The page is never wider than 390 pixels; code scrolls inside its own box. Scrolled to its end on a desk, it has asked no other
    host, logged no error and shown every image.
    """
    with opened(browser, address + page, size=PHONE) as tab:
        for choice in ("Compact", "Full size"):
            for label in tab.locator(".ld-profiles label", has_text=choice).all()[:1]:
                label.click()
            width = tab.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], f"{page} is {width} pixels wide with the tab {choice}"
        tab.set_viewport_size(DESK)  # type: ignore[arg-type]
        tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        tab.wait_for_load_state("networkidle")
        assert tab.locator("h1").count() == 1
        missing = tab.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
        assert not missing
