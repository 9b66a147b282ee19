/* Sampled policy gradients around the exact one, for a softmax policy over three actions. */
(() => {
  const { Explorer, svg, numbers, list, format, uniform, path, arrow, math } = window.rlWidgets;
  const ARROWS = 24;
  const CORNERS = [[240, 46], [60, 358], [420, 358]];
  const CENTRE = [240, 254];
  const SCALE = 0.4;

  /** Probabilities of the actions. */
  math.softmax = (theta) => {
    const top = Math.max(...theta);
    const weights = theta.map((value) => Math.exp(value - top));
    const total = weights.reduce((sum, weight) => sum + weight);
    return weights.map((weight) => weight / total);
  };

  math.expectedReward = (theta, rewards) => math.softmax(theta).reduce((sum, p, a) => sum + p * rewards[a], 0);

  /** Gradient of the expected reward: pi_a (r_a - J). */
  math.exactGradient = (theta, rewards) => {
    const mean = math.expectedReward(theta, rewards);
    return math.softmax(theta).map((p, a) => p * (rewards[a] - mean));
  };

  /** Mean of r (1_a - pi) over the actions that were drawn. */
  math.sampledGradient = (theta, rewards, actions) => {
    const policy = math.softmax(theta);
    return policy.map((p, k) => actions.reduce((sum, a) => sum + rewards[a] * ((a === k) - p), 0) / actions.length);
  };

  const draw = (policy, random) => {
    const u = random();
    return u < policy[0] ? 0 : u < policy[0] + policy[1] ? 1 : 2;
  };
  const meanOf = (vectors) => [0, 1, 2].map((k) => vectors.reduce((sum, v) => sum + v[k], 0) / vectors.length);
  const place = (policy) => [0, 1].map((axis) => policy.reduce((sum, p, a) => sum + p * CORNERS[a][axis], 0));
  /** A vector whose components sum to zero lies in the plane of the triangle. */
  const direction = (vector) => [0, 1].map((axis) => SCALE * vector.reduce((sum, v, a) => sum + v * (CORNERS[a][axis] - CENTRE[axis]), 0));

  class PolicyGradient extends Explorer {
    size = [480, 410];
    label = "Sampled policy gradients around the exact one, on the triangle of all policies over three actions";
    settings = [
      ...[0, 1, 2].map((a) => ({ key: a, label: `preference θ of action ${a + 1}`, min: -3, max: 3, step: 0.05 })),
      { key: "samples", label: "actions behind each arrow", min: 1, max: 64, step: 1 },
    ];

    readState() {
      return {
        theta: numbers(this.getAttribute("logits") ?? "0.5 0 -0.5"),
        rewards: numbers(this.getAttribute("rewards") ?? "1 0 2"),
        samples: Number(this.getAttribute("samples") ?? 8),
        seed: Number(this.getAttribute("seed") ?? 1),
      };
    }

    get(key) { return key === "samples" ? this.state.samples : this.state.theta[key]; }
    set(key, value) { key === "samples" ? (this.state.samples = value) : (this.state.theta[key] = value); }

    buttons() {
      return [
        this.button("Sample again", () => { this.state.seed += 1; }),
        this.button("One step along the mean arrow", () => {
          const step = meanOf(this.estimates());
          this.state.theta = this.state.theta.map((value, k) => Math.min(3, Math.max(-3, value + step[k])));
        }),
      ];
    }

    estimates() {
      const { theta, rewards, samples, seed } = this.state;
      const policy = math.softmax(theta);
      const random = uniform(seed);
      return Array.from({ length: ARROWS }, () => {
        const actions = Array.from({ length: samples }, () => draw(policy, random));
        return math.sampledGradient(theta, rewards, actions);
      });
    }

    draw() {
      const { theta, rewards } = this.state;
      const at = place(math.softmax(theta));
      const estimates = this.estimates();
      const names = CORNERS.map(([x, y], a) =>
        svg("text", { x: [x, 6, 474][a], y: y + (a ? 34 : -16), "text-anchor": ["middle", "start", "end"][a] }, `action ${a + 1}: reward ${format(rewards[a], 1)}`));
      return [
        svg("path", { class: "axis", d: `${path(CORNERS)}Z` }),
        ...names,
        ...estimates.map((estimate) => svg("path", { class: "sample", d: arrow(at, direction(estimate), 6) })),
        svg("path", { class: "exact", d: arrow(at, direction(math.exactGradient(theta, rewards)), 14) }),
        svg("path", { class: "mean", d: arrow(at, direction(meanOf(estimates)), 12) }),
        svg("circle", { class: "dot", cx: at[0], cy: at[1], r: 7 }),
      ];
    }

    say() {
      const { theta, rewards } = this.state;
      return `Policy ${list(math.softmax(theta))}, expected reward ${format(math.expectedReward(theta, rewards))}. ` +
        `Exact gradient (thick) ${list(math.exactGradient(theta, rewards))}; ` +
        `mean of the ${ARROWS} sampled ones (dashed) ${list(meanOf(this.estimates()))}.`;
    }
  }
  customElements.define("rl-policy-gradient", PolicyGradient);
})();
