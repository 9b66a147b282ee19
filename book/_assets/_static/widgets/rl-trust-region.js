/* A gradient step of fixed size against a budget of nats, for a softmax policy over three actions. */
(() => {
  const { Explorer, svg, numbers, list, format, path, math } = window.rlWidgets;
  const CORNERS = [[240, 46], [60, 358], [420, 358]];
  const POINTS = 180;

  const softmax = (logits) => {
    const top = Math.max(...logits);
    const weights = logits.map((value) => Math.exp(value - top));
    const total = weights.reduce((sum, weight) => sum + weight);
    return weights.map((weight) => weight / total);
  };
  const mean = (policy, values) => policy.reduce((sum, p, a) => sum + p * values[a], 0);

  /** KL(p || q) in nats. */
  math.klDivergence = (p, q) => p.reduce((sum, value, a) => sum + (value > 0 ? value * Math.log(value / q[a]) : 0), 0);

  /** The policy after a gradient step of this size on the expected advantage: theta + step * pi (A - mean). */
  math.gradientStep = (logits, advantages, step) => {
    const policy = softmax(logits);
    const middle = mean(policy, advantages);
    return softmax(logits.map((value, a) => value + step * policy[a] * (advantages[a] - middle)));
  };

  /** Policies at a distance of `budget` nats, all around, by bisection along directions in the logits. */
  math.klContour = (logits, budget, points = POINTS) => {
    const old = softmax(logits);
    return Array.from({ length: points }, (_, i) => {
      const angle = (2 * Math.PI * i) / points;
      const [c, s] = [Math.cos(angle) / Math.sqrt(6), Math.sin(angle) / Math.sqrt(2)];
      const along = (length) => softmax(logits.map((value, a) => value + length * [2 * c, s - c, -s - c][a]));
      let [low, high] = [0, 200];
      for (let n = 0; n < 60; n += 1) {
        const middle = (low + high) / 2;
        if (math.klDivergence(old, along(middle)) < budget) low = middle;
        else high = middle;
      }
      return along(low);
    });
  };

  /** The policy on the rim whose mean advantage is largest. */
  math.bestWithin = (logits, advantages, budget, points = POINTS) =>
    math.klContour(logits, budget, points).reduce((best, policy) => (mean(policy, advantages) > mean(best, advantages) ? policy : best));

  const place = (policy) => [0, 1].map((axis) => policy.reduce((sum, p, a) => sum + p * CORNERS[a][axis], 0));

  class TrustRegion extends Explorer {
    size = [480, 410];
    label = "A gradient step and a region of equal KL divergence, on the triangle of all policies over three actions";
    settings = [
      { key: "sure", label: "how sure the old policy is", min: 0, max: 4, step: 0.05 },
      { key: "step", label: "step size", min: 0, max: 12, step: 0.1 },
      { key: "budget", label: "budget in nats", min: 0.01, max: 0.5, step: 0.01 },
    ];

    readState() {
      const number = (name, fallback) => Number(this.getAttribute(name) ?? fallback);
      return {
        logits: numbers(this.getAttribute("logits") ?? "0 1 0"),
        advantages: numbers(this.getAttribute("advantages") ?? "1 0 -1"),
        sure: number("sure", 1),
        step: number("step", 3),
        budget: number("budget", 0.05),
      };
    }

    found() {
      const { logits, advantages, sure, step, budget } = this.state;
      const theta = logits.map((value) => sure * value);
      const [old, stepped] = [softmax(theta), math.gradientStep(theta, advantages, step)];
      const rim = math.klContour(theta, budget);
      return { old, stepped, rim, best: math.bestWithin(theta, advantages, budget), kl: math.klDivergence(old, stepped) };
    }

    draw() {
      const { advantages } = this.state;
      const { old, stepped, rim, best } = this.found();
      const [from, to, top] = [place(old), place(stepped), place(best)];
      const names = CORNERS.map(([x, y], a) =>
        svg("text", { x: [x, 6, 474][a], y: y + (a ? 34 : -16), "text-anchor": ["middle", "start", "end"][a] }, `action ${a + 1}: advantage ${format(advantages[a], 1)}`));
      return [
        svg("path", { class: "axis", d: `${path(CORNERS)}Z` }),
        ...names,
        svg("path", { class: "curve", d: `${path(rim.map(place))}Z` }),
        svg("path", { class: "other", d: path([from, to]) }),
        svg("circle", { class: "dot", cx: from[0], cy: from[1], r: 5 }),
        svg("circle", { class: "dot", cx: to[0], cy: to[1], r: 8 }),
        svg("path", { class: "exact", d: path([[top[0] - 8, top[1] - 8], [top[0] + 8, top[1] + 8]]) + path([[top[0] - 8, top[1] + 8], [top[0] + 8, top[1] - 8]]) }),
      ];
    }

    say() {
      const { advantages, budget } = this.state;
      const { old, stepped, best, kl } = this.found();
      return `Old policy (small dot) ${list(old)}. The step leads to (large dot) ${list(stepped)}, ` +
        `${format(kl, 3)} nats away: ${kl > budget ? "outside" : "inside"} the region. ` +
        `The best policy inside (cross) is ${list(best)}, mean advantage ${format(mean(best, advantages))}.`;
    }
  }
  customElements.define("rl-trust-region", TrustRegion);
})();
