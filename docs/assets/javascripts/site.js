// What the theme leaves to do. Without scripts the pages read the same.
//
// A claim leads to the assertion that proves it. Where the reader has the full-size tab open, the compact one is hidden,
// and the browser would not move: then the same line in the open tab is the goal, and the other way round.
(function () {
  "use strict";

  function openProof() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id.startsWith("claim-")) return;
    const other = id.endsWith("-full-size") ? id.replace(/-full-size$/, "") : id + "-full-size";
    const onPage = (name) => document.getElementById(name)?.getClientRects().length;
    if (!onPage(id) && onPage(other)) location.replace("#" + other);
  }

  // The choice of a profile holds for all cells, and is stored where the theme keeps its own, for the next page. The theme could do all
  // of this, and would have to lay out every cell for it while the page loads.
  function choose(profile) {
    for (const label of document.querySelectorAll(".ld-profiles > .tabbed-labels > label")) {
      if (label.textContent !== profile) continue;
      document.getElementById(label.htmlFor).checked = true;
      unfold(label);
    }
  }

  // A profile that nobody has asked for is text in a `noscript`. The theme has put copy buttons on all other code by then.
  function unfold(label) {
    const place = [...label.parentElement.children].indexOf(label);
    const block = label.closest(".ld-profiles").querySelector(":scope > .tabbed-content").children[place];
    const folded = block.firstElementChild;
    if (folded?.localName !== "noscript") return;
    block.innerHTML = folded.textContent;
    for (const code of block.querySelectorAll(".highlight")) {
      const nav = document.createElement("nav");
      nav.className = "md-code__nav";
      nav.innerHTML = '<button class="md-code__button" title="Copy to clipboard" data-md-type="copy"></button>';
      nav.firstElementChild.dataset.clipboardTarget = `#${code.id} code`;
      code.firstElementChild.prepend(nav);
    }
  }

  document.addEventListener("change", ({ target }) => {
    const set = target.closest(".ld-profiles");
    if (!set || target.parentElement !== set) return;
    const chosen = set.querySelector(`label[for="${target.id}"]`).textContent;
    const top = set.getBoundingClientRect().top;
    choose(chosen);
    window.scrollBy({ top: set.getBoundingClientRect().top - top, behavior: "instant" }); // what lies above may be higher now
    __md_set("__tabs", [chosen, ...(__md_get("__tabs") || []).filter((name) => name !== chosen)]);
    complete();
  });

  for (const name of [...(__md_get("__tabs") || [])].reverse()) choose(name); // the last choice wins

  // The theme puts a copy button into a landmark of its own in front of each code block. Landmarks need names that differ.
  let landmarks = 0;

  function nameLandmarks() {
    for (const landmark of document.querySelectorAll(".md-code__nav:not([aria-label])")) {
      const cell = landmark.closest("[data-cell]");
      landmarks += 1;
      landmark.setAttribute("aria-label", "Copy code " + landmarks + (cell ? ", " + cell.dataset.cell : ""));
    }
  }

  // Wide tables scroll in a box of the theme's, which is then to be reached with the Tab key; so does code, which the theme itself
  // looks at when it is on the screen. A box is measured when the browser has laid it out anyway; to ask before would make it lay out
  // the whole page once more. The table is watched too: where the text font arrives late, the table grows and its box does not.
  const boxes = new ResizeObserver((entries) => {
    for (const box of new Set(entries.map(({ target }) => target.closest(".md-typeset__scrollwrap, pre > code")))) {
      if (!box) continue;
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  });

  const watched = new WeakSet();

  function reachBoxes() {
    for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
      if (watched.has(box)) continue;
      watched.add(box);
      if (box.closest("details:not([open])")) box.tabIndex = 0; // until it is laid out, which is when it is opened
      boxes.observe(box);
      const table = box.querySelector("table");
      if (table) boxes.observe(table);
    }
  }

  // Nor does it name its search dialog.
  document.querySelector('.md-search[role="dialog"]:not([aria-label])')?.setAttribute("aria-label", "Search");

  new MutationObserver(() => {
    nameLandmarks();
    reachBoxes();
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

  // What is far from the screen is laid out and fetched too, one part after the other, when the browser has nothing else to do. A page
  // that is searched, printed or photographed is then whole.
  function complete() {
    const idle = window.requestIdleCallback || ((action) => setTimeout(action, 50));
    const parts = document.querySelectorAll(".ld-diagram__frame, .ld-cell, .ld-cell .highlight, .ld-output");
    const rest = [...parts].filter((part) => part.style.contentVisibility !== "visible");
    idle(function next() {
      const part = rest.shift();
      if (!part) return;
      part.style.contentVisibility = "visible";
      part.getBoundingClientRect(); // the work is done here, and not for all of them at once
      for (const picture of part.querySelectorAll("img[loading]")) picture.loading = "eager";
      idle(next);
    });
  }

  if (document.readyState === "complete") complete();
  else window.addEventListener("load", complete);
  window.addEventListener("hashchange", openProof);
  window.addEventListener("load", openProof);
})();
