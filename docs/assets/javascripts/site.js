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

  window.addEventListener("hashchange", openProof);
  window.addEventListener("load", openProof);
})();
