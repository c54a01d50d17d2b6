// What the theme leaves to do. Without scripts the pages read the same.
//
// A claim leads to the assertion that proves it. Where the reader has the full-size tab open, the compact one is hidden,
// and the browser would not move: then the same line in the open tab is the goal.
(function () {
  "use strict";

  function openProof() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id.startsWith("claim-")) return;
    const other = id.endsWith("-full-size") ? id.replace(/-full-size$/, "") : id + "-full-size";
    const goal = document.getElementById(id);
    const twin = document.getElementById(other);
    if (goal && twin && !goal.getClientRects().length && twin.getClientRects().length) {
      location.replace("#" + other);
    }
  }

  // The theme puts a copy button into a landmark of its own in front of each code block. Landmarks need names that differ.
  let landmarks = 0;

  function nameLandmarks() {
    for (const landmark of document.querySelectorAll(".md-code__nav:not([aria-label])")) {
      const cell = landmark.closest("[data-cell]");
      landmarks += 1;
      landmark.setAttribute("aria-label", "Copy code " + landmarks + (cell ? ", " + cell.dataset.cell : ""));
    }
  }

  // Wide tables scroll in a box of the theme's, which is then to be reached with the Tab key. It is measured when the browser has laid
  // it out anyway; to ask before would make it lay out the whole page once more. The table is watched too: where the text font arrives
  // late, the table grows and its box does not.
  const boxes = new ResizeObserver((entries) => {
    for (const box of new Set(entries.map(({ target }) => target.closest(".md-typeset__scrollwrap")))) {
      if (!box) continue;
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  });

  const watched = new WeakSet();

  function reachTables() {
    for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) {
      if (watched.has(box)) continue;
      watched.add(box);
      boxes.observe(box);
      const table = box.querySelector("table");
      if (table) boxes.observe(table);
    }
  }

  // Nor does it name its search dialog.
  document.querySelector('.md-search[role="dialog"]:not([aria-label])')?.setAttribute("aria-label", "Search");

  new MutationObserver(() => {
    nameLandmarks();
    reachTables();
  }).observe(document.documentElement, { childList: true, subtree: true });

  // Terms of the glossary. Without this script they are links with a title. With it, the definition appears when a term is
  // pointed at or reached with the Tab key, stays while the pointer is on it, and goes with Escape. On a touch screen the
  // first tap shows the definition, and the second follows the link.
  function explainTerms() {
    const terms = [...document.querySelectorAll("a.ld-term[title]")];
    if (!terms.length) return;
    const tip = document.createElement("div");
    tip.id = "ld-tip";
    tip.className = "ld-tip";
    tip.setAttribute("role", "tooltip");
    tip.hidden = true;
    document.querySelector("main").append(tip);
    let open = null;
    let timer = 0;
    let touched = false;

    function hide() {
      clearTimeout(timer);
      tip.hidden = true;
      open?.removeAttribute("aria-describedby");
      open = null;
    }

    function show(term) {
      clearTimeout(timer);
      if (open === term) return;
      hide();
      open = term;
      tip.textContent = term.dataset.definition;
      tip.hidden = false;
      term.setAttribute("aria-describedby", tip.id);
      const word = term.getClientRects()[0];
      const gap = 6;
      const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
      const below = word.bottom + gap + tip.offsetHeight <= window.innerHeight;
      tip.style.left = Math.max(8, Math.min(word.left, room)) + window.scrollX + "px";
      tip.style.top = (below ? word.bottom + gap : word.top - gap - tip.offsetHeight) + window.scrollY + "px";
    }

    function later(action, wait) {
      clearTimeout(timer);
      timer = setTimeout(action, wait);
    }

    for (const term of terms) {
      term.dataset.definition = term.title;
      term.removeAttribute("title");
      term.addEventListener("pointerenter", (event) => event.pointerType === "touch" || later(() => show(term), 150));
      term.addEventListener("pointerleave", (event) => event.pointerType === "touch" || later(hide, 250));
      term.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
      term.addEventListener("focus", () => touched || show(term));
      term.addEventListener("blur", hide);
      term.addEventListener("click", (event) => {
        if (touched && open !== term) {
          event.preventDefault();
          show(term);
        }
        touched = false;
      });
    }
    tip.addEventListener("pointerenter", () => clearTimeout(timer));
    tip.addEventListener("pointerleave", () => later(hide, 250));
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("pointerdown", (event) => open && !open.contains(event.target) && !tip.contains(event.target) && hide());
  }

  explainTerms();

  window.addEventListener("hashchange", openProof);
  window.addEventListener("load", openProof);
})();
