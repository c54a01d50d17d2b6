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

  // Nor does it name its search dialog.
  document.querySelector('.md-search[role="dialog"]:not([aria-label])')?.setAttribute("aria-label", "Search");

  new MutationObserver(nameLandmarks).observe(document.documentElement, { childList: true, subtree: true });

  window.addEventListener("hashchange", openProof);
  window.addEventListener("load", openProof);
})();
