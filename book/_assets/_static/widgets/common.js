/* What the widgets share: one custom element with a picture, sliders, a sentence, and the author's table folded below. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  let count = 0;

  /** An SVG or HTML element with attributes and children (text or elements). */
  const make = (namespace) => (name, attributes = {}, ...children) => {
    const element = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const svg = make(SVG);
  const html = make(null);

  /** A number list such as "1 0 -2". */
  const numbers = (text) => text.trim().split(/[\s,]+/).map(Number);
  const format = (value, digits = 2) => (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
  const list = (values, digits = 2) => `(${values.map((value) => format(value, digits)).join(", ")})`;

  /** Uniform numbers in [0, 1) from a seed (mulberry32), so that a reader sees what the author saw. */
  const uniform = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };

  /** A path through points [x, y]. */
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(" ");

  /** An arrow as one path: the shaft and a head of at most `head` units. */
  const arrow = ([x, y], [dx, dy], head = 9) => {
    const length = Math.hypot(dx, dy);
    if (length < 1e-9) return `M${x} ${y}`;
    const size = Math.min(head, length / 2);
    const [ux, uy] = [(dx / length) * size, (dy / length) * size];
    const [tx, ty] = [x + dx, y + dy];
    return path([[x, y], [tx, ty]]) + path([[tx - ux - uy / 2, ty - uy + ux / 2], [tx, ty], [tx - ux + uy / 2, ty - uy - ux / 2]]);
  };

  /** Base of all widgets. A subclass gives `settings`, `size`, `label`, and draws from `this.state`. */
  class Explorer extends HTMLElement {
    connectedCallback() {
      if (this.state) return;
      this.state = this.readState();
      const table = html("details", { class: "rl-static" }, html("summary", {}, "The same in numbers"), ...this.childNodes);
      this.picture = svg("svg", { viewBox: `0 0 ${this.size.join(" ")}`, role: "img", "aria-label": this.label });
      this.controls = html("div", { class: "rl-controls", role: "group", "aria-label": `Controls: ${this.label}` });
      this.sentence = html("p", { class: "rl-say", "aria-live": "polite" });
      this.sliders = this.settings.map((setting) => this.slider(setting));
      this.controls.append(...this.sliders.map(({ row }) => row), ...this.buttons());
      this.replaceChildren(this.picture, this.controls, this.sentence, table);
      this.update();
    }

    slider({ key, label, min, max, step }) {
      const id = `rl-${++count}`;
      const input = html("input", { id, type: "range", min, max, step });
      const output = html("output", { for: id });
      const show = () => {
        input.value = this.get(key);
        output.textContent = format(this.get(key), step < 1 ? 2 : 0);
      };
      input.addEventListener("input", () => {
        this.set(key, Number(input.value));
        this.update();
      });
      return { row: html("label", { for: id }, html("span", {}, label), input, output), show };
    }

    button(text, act) {
      const button = html("button", { type: "button" }, text);
      button.addEventListener("click", () => {
        act();
        this.update();
      });
      return button;
    }

    buttons() { return []; }
    get(key) { return this.state[key]; }
    set(key, value) { this.state[key] = value; }

    update() {
      for (const { show } of this.sliders) show();
      this.picture.replaceChildren(...this.draw());
      this.sentence.textContent = this.say();
    }
  }

  /** A straight scale from numbers to the picture. */
  const scale = (from, to, low, high) => (value) => low + ((value - from) / (to - from)) * (high - low);

  window.rlWidgets = { Explorer, svg, numbers, format, list, uniform, path, arrow, scale, math: {} };
})();
