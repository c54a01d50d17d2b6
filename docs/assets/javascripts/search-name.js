// Material 9.8 gives its search dialog no name for screen readers.
document.querySelector('.md-search[role="dialog"]:not([aria-label])')?.setAttribute("aria-label", "Search");
