// What a page gains from a script: it keeps itself current, has keys, and copies. Everything works without.
"use strict";

(() => {
  const main = document.getElementById("main");
  const say = (words) => {
    const place = document.getElementById("live");
    if (place && place.textContent !== words) place.textContent = words;
  };

  // Times are told in the zone of whoever looks: from the next page on, since the server writes them.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `ordinaut_zone=${encodeURIComponent(zone)};path=/;max-age=31536000;samesite=strict`;

  // Staying current: parts of the page that differ are exchanged where they stand.
  const kinds = new Set((main?.dataset.live || "").split(" ").filter(Boolean));
  let source = null;
  let wanted = false;
  let busy = false;
  let last = 0;

  const isUsed = (part) =>
    [...part.querySelectorAll("input:checked, details[open]")].some((one) => one.matches("input")) ||
    (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));

  const exchange = (fresh) => {
    let changed = false;
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (!next || isUsed(part)) continue;
      const open = [...part.querySelectorAll("details")].map((one) => one.open);
      [...next.querySelectorAll("details")].forEach((one, n) => { if (open[n] !== undefined) one.open = open[n]; });
      if (part.innerHTML === next.innerHTML && part.className === next.className) continue;
      changed ||= part.id !== "as-of";
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      const links = [...part.querySelectorAll("a, button, summary, [tabindex]")];
      const place = links.indexOf(focused);
      const scrolls = [...part.querySelectorAll(".scroll, pre")].map((one) => [one.scrollLeft, one.scrollTop]);
      part.replaceChildren(...next.childNodes);
      part.className = next.className;
      [...part.querySelectorAll(".scroll, pre")].forEach((one, n) => { if (scrolls[n]) [one.scrollLeft, one.scrollTop] = scrolls[n]; });
      if (focused) {
        const same = focused.id ? document.getElementById(focused.id)
          : [...part.querySelectorAll("a")].find((one) => one.href === focused.href)
          || part.querySelectorAll("a, button, summary, [tabindex]")[place];
        same?.focus({ preventScroll: true });
      }
    }
    const count = fresh.getElementById("n-waiting")?.textContent || "";
    const shown = document.getElementById("n-waiting");
    if (shown && count) shown.textContent = count;
    return changed;
  };

  const refresh = async () => {
    if (busy) { wanted = true; return; }
    busy = true;
    wanted = false;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { location.reload(); return; }
      if (answer.ok) {
        const y = scrollY;
        if (exchange(new DOMParser().parseFromString(await answer.text(), "text/html"))) say("Live · updated");
        if (scrollY !== y) scrollTo(scrollX, y);
      }
    } catch { say("Not reachable"); }
    busy = false;
    if (wanted) setTimeout(refresh, 1000);
  };

  const soon = () => {
    const wait = Math.max(0, 1000 - (Date.now() - last));
    if (wanted) return;
    wanted = true;
    setTimeout(() => { wanted = false; refresh(); }, wait);
  };

  const connect = () => {
    if (source || document.hidden || !kinds.size) return;
    source = new EventSource("/live");
    source.addEventListener("hello", () => say("Live"));
    source.addEventListener("changed", (event) => { if (event.data.split(" ").some((kind) => kinds.has(kind))) soon(); });
    source.addEventListener("bye", () => { source.close(); source = null; say(""); setTimeout(() => { refresh(); connect(); }, 3000); });
    source.onerror = () => say("Reconnecting");
  };

  // A browser has few connections to one address: only the page that is looked at keeps one.
  const disconnect = () => { source?.close(); source = null; };
  if (kinds.size) {
    document.addEventListener("visibilitychange", () => { if (document.hidden) disconnect(); else { connect(); soon(); } });
    addEventListener("pagehide", disconnect);
    addEventListener("pageshow", connect);
    connect();
    setInterval(() => { if (!document.hidden) soon(); }, 60000);
  }

  // Keys.
  const dialog = document.getElementById("keys");
  let leader = 0;
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.classList.contains("chosen"));
    const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
    all[now]?.classList.remove("chosen");
    next.classList.add("chosen");
    next.querySelector("th a, a")?.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (leader && Date.now() - leader < 1500) {
      leader = 0;
      const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    leader = 0;
    if (event.key === "g") leader = Date.now();
    else if (event.key === "/") { const field = document.getElementById("search"); if (field) { event.preventDefault(); field.focus(); field.select?.(); } }
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?") dialog?.showModal();
  });

  // Copying, and forms that are sent once.
  for (const button of document.querySelectorAll("[data-copies]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      say("Copied");
    });
  }
  for (const form of document.querySelectorAll("form")) {
    form.addEventListener("submit", () => {
      const once = form.querySelector("[data-once]");
      if (once) setTimeout(() => { once.disabled = true; }, 0);
    });
  }
  addEventListener("pageshow", () => { for (const one of document.querySelectorAll("[data-once]")) one.disabled = false; });
})();
