/* Generalized advantage estimation of one trajectory, between the TD error (lambda 0) and the return (lambda 1). */
(() => {
  const { Explorer, svg, numbers, list, path, scale, math } = window.rlWidgets;

  /** r_t + gamma V(s_t+1) - V(s_t); `values` has one entry more than `rewards`. */
  math.tdErrors = (rewards, values, gamma) => rewards.map((r, t) => r + gamma * values[t + 1] - values[t]);

  /** A_t = delta_t + gamma lambda A_t+1. */
  math.gae = (rewards, values, gamma, lambda) => {
    const advantages = math.tdErrors(rewards, values, gamma);
    for (let t = advantages.length - 2; t >= 0; t -= 1) advantages[t] += gamma * lambda * advantages[t + 1];
    return advantages;
  };

  class GaeLambda extends Explorer {
    size = [480, 300];
    label = "Advantage of each step as λ goes from the TD error to the return";
    settings = [
      { key: "lambda", label: "λ", min: 0, max: 1, step: 0.01 },
      { key: "gamma", label: "discount γ", min: 0, max: 1, step: 0.01 },
    ];

    readState() {
      const rewards = numbers(this.getAttribute("rewards") ?? "0 0 0 0 1");
      const values = numbers(this.getAttribute("values") ?? "0.2 0.5 0.3 0.7 0.6 0");
      if (values.length !== rewards.length + 1) throw new Error("rl-gae-lambda: one value more than rewards");
      const number = (name, fallback) => Number(this.getAttribute(name) ?? fallback);
      return { rewards, values, gamma: number("gamma", 0.99), lambda: number("lambda", 0.95) };
    }

    draw() {
      const { rewards, values, gamma, lambda } = this.state;
      const at = (l) => math.gae(rewards, values, gamma, l);
      const [shown, td, full] = [at(lambda), at(0), at(1)];
      const reach = Math.max(...[...td, ...full, ...shown].map(Math.abs), 0.1) * 1.1;
      const y = scale(-reach, reach, 262, 12);
      const width = 410 / rewards.length;
      const left = (t) => 56 + width * t;
      const mark = (t, value, css) => svg("path", { class: css, d: path([[left(t) + 6, y(value)], [left(t) + width - 6, y(value)]]) });
      return [
        svg("path", { class: "axis", d: path([[56, y(0)], [468, y(0)]]) }),
        ...[-reach, 0, reach].map((v) => svg("text", { x: 50, y: y(v) + 5, "text-anchor": "end" }, v.toFixed(1))),
        ...shown.map((v, t) => svg("rect", {
          class: v < 0 ? "bar negative" : "bar", x: left(t) + width * 0.2, width: width * 0.6, y: Math.min(y(0), y(v)), height: Math.abs(y(v) - y(0)),
        })),
        ...td.map((v, t) => mark(t, v, "other")),
        ...full.map((v, t) => mark(t, v, "axis")),
        ...rewards.map((_, t) => svg("text", { x: left(t) + width / 2, y: 290, "text-anchor": "middle" }, `t = ${t}`)),
      ];
    }

    say() {
      const { rewards, values, gamma, lambda } = this.state;
      const weights = rewards.map((_, k) => (gamma * lambda) ** k);
      return `Advantages ${list(math.gae(rewards, values, gamma, lambda))}. The first one weighs the TD errors ` +
        `${list(math.tdErrors(rewards, values, gamma))} with ${list(weights)}. Lines: λ = 0 dashed, λ = 1 full.`;
    }
  }
  customElements.define("rl-gae-lambda", GaeLambda);
})();
