/* A formula wider than the page scrolls; then the keyboard must be able to reach it. */
(() => {
  const reach = () => {
    for (const box of document.querySelectorAll('mjx-container[display="true"], .genindextable, .field-list')) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  const start = () => window.MathJax?.startup?.promise?.then(reach) ?? reach();
  addEventListener("load", start);
  addEventListener("resize", reach);
})();
