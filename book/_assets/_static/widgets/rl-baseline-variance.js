/* The variance of the one-sample gradient of a bandit, as the baseline moves. */
(() => {
  const { Explorer, svg, numbers, format, path, scale, math } = window.rlWidgets;

  /** Squared length of the score 1_a - pi of each action. */
  const squaredScores = (policy) => {
    const total = policy.reduce((sum, p) => sum + p * p, 0);
    return policy.map((p) => 1 - 2 * p + total);
  };

  /** Trace of the covariance of (r_a - b)(1_a - pi), a drawn from pi. */
  math.baselineVariance = (policy, rewards, baseline) => {
    const mean = policy.reduce((sum, p, a) => sum + p * rewards[a], 0);
    const second = squaredScores(policy).reduce((sum, s, a) => sum + policy[a] * s * (rewards[a] - baseline) ** 2, 0);
    return second - policy.reduce((sum, p, a) => sum + (p * (rewards[a] - mean)) ** 2, 0);
  };

  /** The baseline of least variance: rewards weighted by the squared scores. */
  math.optimalBaseline = (policy, rewards) => {
    const weights = squaredScores(policy).map((s, a) => policy[a] * s);
    const total = weights.reduce((sum, weight) => sum + weight);
    return weights.reduce((sum, weight, a) => sum + weight * rewards[a], 0) / total;
  };

  class BaselineVariance extends Explorer {
    size = [480, 300];
    label = "Variance of the sampled gradient against the baseline";

    readState() {
      const raw = numbers(this.getAttribute("probabilities") ?? "0.6 0.3 0.1");
      const total = raw.reduce((sum, p) => sum + p);
      const rewards = numbers(this.getAttribute("rewards") ?? "9 10 12");
      const top = Math.max(...rewards, 0) + 2;
      const low = Math.min(...rewards, 0) - 2;
      this.settings = [{ key: "baseline", label: "baseline b", min: low, max: top, step: 0.05 }];
      return { policy: raw.map((p) => p / total), rewards, low, top, baseline: Number(this.getAttribute("baseline") ?? 0) };
    }

    draw() {
      const { policy, rewards, low, top, baseline } = this.state;
      const variance = (b) => math.baselineVariance(policy, rewards, b);
      const ceiling = Math.max(variance(low), variance(top));
      const [x, y] = [scale(low, top, 56, 468), scale(0, ceiling, 250, 20)];
      const curve = Array.from({ length: 121 }, (_, i) => low + ((top - low) * i) / 120);
      const best = math.optimalBaseline(policy, rewards);
      return [
        svg("path", { class: "axis", d: path([[56, 20], [56, 250], [468, 250]]) }),
        ...[low, 0, top].map((t) => svg("text", { x: x(t), y: 270, "text-anchor": "middle" }, format(t, 0))),
        ...[0, ceiling].map((t) => svg("text", { x: 50, y: y(t) + 5, "text-anchor": "end" }, format(t, 0))),
        svg("text", { x: 262, y: 294, "text-anchor": "middle" }, "baseline b"),
        svg("text", { x: 64, y: 16 }, "variance"),
        svg("path", { class: "curve", d: path(curve.map((b) => [x(b), y(variance(b))])) }),
        svg("path", { class: "other", d: path([[x(best), 20], [x(best), 250]]) }),
        svg("circle", { class: "dot", cx: x(baseline), cy: y(variance(baseline)), r: 8 }),
      ];
    }

    say() {
      const { policy, rewards, baseline } = this.state;
      const best = math.optimalBaseline(policy, rewards);
      const mean = policy.reduce((sum, p, a) => sum + p * rewards[a], 0);
      const at = (b) => format(math.baselineVariance(policy, rewards, b));
      return `Variance ${at(baseline)} at b = ${format(baseline)}; ${at(mean)} at the mean reward ${format(mean)}; ` +
        `${at(best)}, the least, at b = ${format(best)} (dashed). The expected gradient is the same for every b.`;
    }
  }
  customElements.define("rl-baseline-variance", BaselineVariance);
})();
