/* The largest of several noisy guesses: where it falls, how much it is too large, and what a second opinion says. */
(() => {
  const { Explorer, svg, format, path, scale, math } = window.rlWidgets;

  const density = (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  /** Distribution function of the standard normal (Abramowitz and Stegun, 7.1.26; error below 2e-7). */
  const cumulative = (x) => {
    const z = Math.abs(x) / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * z);
    const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-z * z);
    return x < 0 ? tail / 2 : 1 - tail / 2;
  };

  /** True values from 0 down to minus `gap`, evenly spread. */
  math.spreadValues = (actions, gap) => Array.from({ length: actions }, (_, a) => (actions > 1 ? (-gap * a) / (actions - 1) : 0));

  /** At each x, for each action: how probable it is that its guess lies at x and all others below. */
  const winning = (values, noise, x) => {
    const z = values.map((value) => (x - value) / noise);
    const below = z.map(cumulative);
    return z.map((own, a) => (density(own) / noise) * below.reduce((product, p, b) => (a === b ? product : product * p), 1));
  };

  /** Mean of the largest guess, mean of what an independent second guess says of its action, and the density of the largest. */
  math.largestGuess = (values, noise, points = 600) => {
    const low = Math.min(...values) - 6 * noise;
    const step = (Math.max(...values) + 6 * noise - low) / points;
    const grid = Array.from({ length: points + 1 }, (_, i) => low + i * step);
    const shares = grid.map((x) => winning(values, noise, x));
    const heights = shares.map((row) => row.reduce((sum, p) => sum + p, 0));
    const largest = grid.reduce((sum, x, i) => sum + step * x * heights[i], 0);
    const second = values.reduce((sum, value, a) => sum + value * step * shares.reduce((all, row) => all + row[a], 0), 0);
    return { largest, second, grid, heights };
  };

  class MaxBias extends Explorer {
    size = [480, 260];
    label = "Where the largest of several noisy guesses falls";
    settings = [
      { key: "actions", label: "actions", min: 1, max: 30, step: 1 },
      { key: "noise", label: "noise of a guess", min: 0.1, max: 2, step: 0.1 },
      { key: "gap", label: "best minus worst", min: 0, max: 6, step: 0.1 },
    ];

    readState() {
      const number = (name, fallback) => Number(this.getAttribute(name) ?? fallback);
      return { actions: number("actions", 10), noise: number("noise", 1), gap: number("gap", 0) };
    }

    found() {
      const { actions, noise, gap } = this.state;
      return math.largestGuess(math.spreadValues(actions, gap), noise);
    }

    draw() {
      const { largest, second, grid, heights } = this.found();
      const [x, y] = [scale(-6, 6, 20, 460), scale(0, Math.max(...heights), 200, 40)];
      const shown = grid.map((at, i) => [at, heights[i]]).filter(([at]) => at >= -6 && at <= 6);
      const mark = (at, kind, height) => svg("path", { class: kind, d: path([[x(at), 200], [x(at), height]]) });
      return [
        svg("path", { class: "axis", d: path([[20, 200], [460, 200]]) }),
        ...[-6, -3, 0, 3, 6].map((t) => svg("text", { x: x(t), y: 220, "text-anchor": "middle" }, format(t, 0))),
        svg("text", { x: 240, y: 246, "text-anchor": "middle" }, "value; the best action is truly worth 0"),
        svg("path", { class: "curve", d: path(shown.map(([at, height]) => [x(at), y(height)])) }),
        mark(0, "axis", 30),
        mark(second, "other", 60),
        svg("circle", { class: "dot", cx: x(largest), cy: 200, r: 8 }),
      ];
    }

    say() {
      const { actions, noise } = this.state;
      const { largest, second } = this.found();
      return `${actions} actions, noise ${format(noise)}: the largest guess is ${format(largest)} on average (dot), the best action 0. ` +
        `A second, independent guess of the action chosen says ${format(second)} on average (dashed).`;
    }
  }
  customElements.define("rl-max-bias", MaxBias);
})();
