"""Every page of the built site, checked by axe: names, roles, contrast, order."""

from __future__ import annotations

import pytest
from browsing import AXE, PAGES, opened
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab


def violations(tab: Tab, options: str) -> list[str]:
    """What axe finds, with the element and what to do."""
    result = tab.evaluate(f"axe.run(document, {{resultTypes: ['violations'], {options}}})")
    return [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_no_violation(browser: Browser, address: str, page: str) -> None:
    """Protects readers who use a screen reader, a keyboard, or need contrast; all rules in light, those of colour in dark."""
    with opened(browser, address + page, scheme="light") as tab:
        tab.evaluate(AXE)
        assert tab.evaluate("document.body.getAttribute('data-md-color-scheme')") == "default"
        found = violations(tab, "")
        tab.evaluate("document.getElementById('__palette_1').click()")  # the switch at the top of the page
        tab.wait_for_function("document.body.getAttribute('data-md-color-scheme') === 'slate'")
        found += violations(tab, "runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}")
    assert not found, "\n".join(found[:10])
