// The talk: slides by reveal.js where there is room for them, a page to read elsewhere. Without scripts it is a page too.
(function () {
  "use strict";

  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const deck = document.querySelector(".deck");
  const printing = asked.has("print-pdf") || asked.get("view") === "print";
  const inNotes = asked.has("receiver"); // a slide in the window of the speaker notes
  const narrow = window.matchMedia("(max-width: 40em)").matches;
  const reading = asked.has("read") || (narrow && !asked.has("slides") && !printing && !inNotes);

  // Light or dark: as the system says, until the key T says otherwise. All windows of the talk follow.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const key = "ld-talk-scheme";

  function chosen() {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // some browsers keep nothing for files
    }
  }

  function paint(scheme) {
    root.dataset.mdColorScheme = scheme || chosen() || (dark.matches ? "slate" : "default");
  }

  function swap() {
    const scheme = root.dataset.mdColorScheme === "slate" ? "default" : "slate";
    try {
      localStorage.setItem(key, scheme);
    } catch {
      // then the choice ends with this page
    }
    paint(scheme);
  }

  paint();
  dark.addEventListener("change", () => paint());
  window.addEventListener("storage", (event) => event.key === key && paint());

  function go(search) {
    location.href = location.pathname + search + location.hash;
  }

  function read() {
    const bar = document.createElement("nav");
    bar.className = "talk-bar";
    bar.setAttribute("aria-label", "The talk");
    bar.innerHTML = '<a href="?slides">Show as slides</a><a href="../index.html">The site</a>';
    const button = document.createElement("button");
    button.textContent = "Light or dark";
    button.addEventListener("click", swap);
    bar.append(button);
    deck.before(bar);
    const slide = location.hash.startsWith("#/") && document.getElementById(location.hash.slice(2));
    if (slide) slide.scrollIntoView();
  }

  function present() {
    deck.classList.add("reveal");
    Reveal.initialize({
      width: 1280,
      height: 720,
      margin: 0,
      minScale: 0.1,
      maxScale: 4,
      center: false,
      hash: true,
      respondToHashChanges: true,
      controlsTutorial: false,
      slideNumber: "c/t",
      transition: window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "none" : "fade",
      transitionSpeed: "fast",
      navigationMode: "linear",
      scrollActivationWidth: null,
      pdfMaxPagesPerSlide: 1,
      pdfSeparateFragments: false,
      defaultTiming: 60,
      plugins: [RevealNotes],
    });
    const keys = [
      [84, "T", "Light or dark", swap],
      [65, "A", "Play or stop the sound", sound],
      [82, "R", "A page to read", () => go("?read")],
      [69, "E", "Print, one slide a page", () => go("?print-pdf")],
      [87, "W", "The page that this slide is from", () => Reveal.getCurrentSlide().querySelector("footer a").click()],
    ];
    for (const [keyCode, key, description, action] of keys) Reveal.addKeyBinding({ keyCode, key, description }, action);
    Reveal.on("ready", () => {
      // reveal.js makes a landmark of its arrows that would have to stand outside of all others.
      const arrows = deck.querySelector("aside.controls");
      arrows.setAttribute("role", "region");
      arrows.setAttribute("aria-label", "Arrows");
    });
    if (printing) return;
    // Printed from the menu of the browser, the talk is a page to read.
    window.addEventListener("beforeprint", () => deck.classList.remove("reveal"));
    window.addEventListener("afterprint", () => deck.classList.add("reveal"));
  }

  function sound() {
    const player = Reveal.getCurrentSlide().querySelector("audio");
    if (player) player.paused ? player.play() : player.pause();
  }

  if (reading) read();
  else present();
})();
