/* n-step TD on the random walk: the error of the first episodes for every step size, and the one chosen. */
(() => {
  const { Explorer, svg, format, uniform, path, scale, math } = window.rlWidgets;

  /** Walks from the middle to an end, as lists of states 0 to `states` + 1; `runs` lists of `episodes` walks. */
  math.randomWalks = (states, episodes, runs, seed) => {
    const random = uniform(seed);
    const walk = () => {
      const visited = [(states + 1) / 2];
      while (visited.at(-1) > 0 && visited.at(-1) <= states) visited.push(visited.at(-1) + (random() < 0.5 ? -1 : 1));
      return visited;
    };
    return Array.from({ length: runs }, () => Array.from({ length: episodes }, walk));
  };

  /** Root mean square error of n-step TD, mean over the episodes of one run; 1 is paid for leaving on the right. */
  math.walkError = (walks, states, n, stepSize) => {
    const values = Array.from({ length: states + 2 }, () => 0.5);
    let total = 0;
    for (const visited of walks) {
      const last = visited.length - 1;
      for (let t = 0; t < last; t += 1) {
        const target = t + n >= last ? Number(visited[last] > states) : values[visited[t + n]];
        values[visited[t]] += stepSize * (target - values[visited[t]]);
      }
      let squares = 0;
      for (let s = 1; s <= states; s += 1) squares += (values[s] - s / (states + 1)) ** 2;
      total += Math.sqrt(squares / states);
    }
    return total / walks.length;
  };

  class NStep extends Explorer {
    size = [480, 300];
    label = "Error of n-step temporal-difference learning against the step size";
    settings = [
      { key: "n", label: "n", min: 1, max: 64, step: 1 },
      { key: "stepSize", label: "step size α", min: 0.02, max: 1, step: 0.02 },
    ];

    readState() {
      const number = (name, fallback) => Number(this.getAttribute(name) ?? fallback);
      this.walks = math.randomWalks(19, 10, 30, number("seed", 1));
      this.sizes = Array.from({ length: 25 }, (_, i) => 0.02 + (0.98 * i) / 24);
      this.known = new Map();
      return { n: number("n", 4), stepSize: number("step-size", 0.4) };
    }

    error(n, stepSize) {
      return this.walks.reduce((sum, run) => sum + math.walkError(run, 19, n, stepSize), 0) / this.walks.length;
    }

    /** The error at every step size, worked out once for each n. */
    curve(n) {
      if (!this.known.has(n)) this.known.set(n, this.sizes.map((size) => this.error(n, size)));
      return this.known.get(n);
    }

    best(n) {
      const errors = this.curve(n);
      const lowest = errors.indexOf(Math.min(...errors));
      return [this.sizes[lowest], errors[lowest]];
    }

    draw() {
      const { n, stepSize } = this.state;
      const [x, y] = [scale(0, 1, 56, 468), scale(0.1, 0.32, 250, 20)];
      const line = (errors) => path(this.sizes.map((size, i) => [x(size), y(Math.min(errors[i], 0.32))]));
      const shown = Math.min(this.error(n, stepSize), 0.32);
      return [
        svg("path", { class: "axis", d: path([[56, 20], [56, 250], [468, 250]]) }),
        ...[0, 0.5, 1].map((t) => svg("text", { x: x(t), y: 270, "text-anchor": "middle" }, format(t, 1))),
        ...[0.1, 0.2, 0.3].map((t) => svg("text", { x: 50, y: y(t) + 5, "text-anchor": "end" }, format(t, 1))),
        svg("text", { x: 262, y: 294, "text-anchor": "middle" }, "step size α"),
        svg("text", { x: 64, y: 16 }, "error of the first ten episodes"),
        svg("path", { class: "other", d: line(this.curve(1)) }),
        svg("path", { class: "curve", d: line(this.curve(n)) }),
        svg("circle", { class: "dot", cx: x(stepSize), cy: y(shown), r: 8 }),
      ];
    }

    say() {
      const { n, stepSize } = this.state;
      const [size, least] = this.best(n);
      return `n = ${n}, α = ${format(stepSize)}: error ${format(this.error(n, stepSize), 3)}. ` +
        `The best step size for this n is about ${format(size)}, with ${format(least, 3)}. Dashed: n = 1, at best ${format(this.best(1)[1], 3)}.`;
    }
  }
  customElements.define("rl-n-step", NStep);
})();
