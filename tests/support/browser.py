"""A real browser, and what it finds wrong with a page: complaints of its own, and what a screen reader would stumble over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
_FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

# What a page is read by: names of what can be used, one main and one h1, no level left out, tables that say what they are, and
# letters that stand out from what is behind them as WCAG 2.2 AA asks.
_AUDIT: Final = """() => {
  const wrong = [];
  const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const where = (e) => e.outerHTML.slice(0, 90);
  if (document.querySelectorAll("main").length !== 1) wrong.push("not one main");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
  if (!document.documentElement.lang) wrong.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) wrong.push("id twice: " + id);
  let level = 0;
  for (const h of [...document.querySelectorAll("h1,h2,h3,h4")].filter(seen)) {
    const n = Number(h.tagName[1]);
    if (n > level + 1) wrong.push("a level left out: " + where(h));
    level = n;
  }
  const named = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent || "").join("")
    || [...(e.labels || [])].map((l) => l.textContent).join("") || e.textContent || e.title || "").trim();
  for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=img], nav, dialog"))
    if (!named(e)) wrong.push("no name: " + where(e));
  for (const t of document.querySelectorAll("table")) {
    if (!t.caption || !t.caption.textContent.trim()) wrong.push("no caption: " + where(t));
    for (const th of t.querySelectorAll("th")) if (!th.scope) wrong.push("no scope: " + where(th));
  }
  for (const e of document.querySelectorAll("[tabindex]")) if (Number(e.getAttribute("tabindex")) > 0) wrong.push("tabindex: " + where(e));
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3]) { layers.push(c); if (c[3] === 255) break; } }
    return layers.reverse().reduce((under, over) => under.map((v, n) => v + (over[n] - v) * over[3] / 255), [255, 255, 255]);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !seen(e) || e.closest(".unseen, option, script, caption, .skip") || e.matches(".heat td:not([class])")) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const [a, b] = [light(rgba(style.color)), light(behind(e))].sort((x, y) => y - x);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < least) wrong.push("contrast " + ((a + 0.05) / (b + 0.05)).toFixed(2) + ": " + where(e));
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) wrong.push("wider than the screen");
  return [...new Set(wrong)];
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, for the block; tests that want it are skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here; `make chromium` says how to get it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """Somebody who is signed in, with what the browser complained of meanwhile."""

    def __init__(self, browser: Browser, url: str, token: str, **settings: Any) -> None:
        self._url = url
        self.complaints: list[str] = []
        context = {"timezone_id": "Europe/London", "viewport": {"width": 1280, "height": 800}}
        self._context = browser.new_context(**{**context, **settings})
        self.page: Page = self._context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url + "/sign-in")
        self.page.fill("#token", token)
        self.page.click("button.main")
        self.page.wait_for_url(url + "/")

    def see(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(self._url + path)
        return self.page

    def faults(self) -> list[str]:
        """What is wrong with the page that is shown."""
        found: list[str] = self.page.evaluate(_AUDIT)
        return found

    def close(self) -> None:
        """Leave."""
        self._context.close()

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)
