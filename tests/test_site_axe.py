"""Every page of the built site, checked by axe: names, roles, contrast, order."""

from __future__ import annotations

import pytest
from browsing import AXE, PAGES, SCHEMES, opened
from playwright.sync_api import Browser


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_no_violation(browser: Browser, address: str, page: str, scheme: str) -> None:
    """Protects readers who use a screen reader, a keyboard, or need contrast; in light and dark, on every page."""
    with opened(browser, address + page, scheme=scheme) as tab:
        shown = tab.evaluate("document.body.getAttribute('data-md-color-scheme')")
        assert shown == {"light": "default", "dark": "slate"}[scheme]
        tab.evaluate(AXE)
        result = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
    assert not found, "\n".join(found[:10])
