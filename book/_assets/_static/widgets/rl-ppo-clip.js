/* The clipped objective of PPO for one sample, as a function of the probability ratio. */
(() => {
  const { Explorer, svg, format, path, scale, math } = window.rlWidgets;

  /** min(ratio A, clip(ratio, 1 - eps, 1 + eps) A). */
  math.clippedObjective = (ratio, advantage, eps) => {
    const clipped = Math.min(Math.max(ratio, 1 - eps), 1 + eps);
    return Math.min(ratio * advantage, clipped * advantage);
  };

  /** Its slope in the ratio: the advantage, or zero where the clip holds. */
  math.clippedSlope = (ratio, advantage, eps) => {
    const flat = advantage > 0 ? ratio > 1 + eps : ratio < 1 - eps;
    return flat ? 0 : advantage;
  };

  class PpoClip extends Explorer {
    size = [480, 300];
    label = "Clipped objective against the probability ratio";
    settings = [
      { key: "ratio", label: "probability ratio ρ", min: 0, max: 2, step: 0.01 },
      { key: "advantage", label: "advantage A", min: -2, max: 2, step: 0.1 },
      { key: "eps", label: "clip half-width ε", min: 0.02, max: 0.6, step: 0.01 },
    ];

    readState() {
      const number = (name, fallback) => Number(this.getAttribute(name) ?? fallback);
      return { ratio: number("ratio", 1.4), advantage: number("advantage", 1), eps: number("clip-eps", 0.2) };
    }

    draw() {
      const { ratio, advantage, eps } = this.state;
      const reach = 2 * Math.max(Math.abs(advantage), 0.5);
      const [low, high] = advantage < 0 ? [-reach, 0.15 * reach] : [-0.15 * reach, reach];
      const [x, y] = [scale(0, 2, 56, 468), scale(low, high, 256, 14)];
      const ratios = Array.from({ length: 201 }, (_, i) => i / 100);
      const objective = (r) => math.clippedObjective(r, advantage, eps);
      return [
        svg("rect", { class: "band", x: x(1 - eps), y: 14, width: x(1 + eps) - x(1 - eps), height: 242 }),
        svg("path", { class: "axis", d: path([[56, y(0)], [468, y(0)]]) }),
        ...[0, 0.5, 1, 1.5, 2].map((t) => svg("text", { x: x(t), y: 276, "text-anchor": "middle" }, String(t))),
        ...[low, 0, high].map((t) => svg("text", { x: 50, y: y(t) + 5, "text-anchor": "end" }, format(t, 1))),
        svg("text", { x: 262, y: 297, "text-anchor": "middle" }, "probability ratio ρ"),
        svg("path", { class: "other", d: path(ratios.map((r) => [x(r), y(r * advantage)])) }),
        svg("path", { class: "curve", d: path(ratios.map((r) => [x(r), y(objective(r))])) }),
        svg("circle", { class: "dot", cx: x(ratio), cy: y(objective(ratio)), r: 8 }),
      ];
    }

    say() {
      const { ratio, advantage, eps } = this.state;
      const slope = math.clippedSlope(ratio, advantage, eps);
      const verdict = slope === 0 && advantage !== 0 ? " (clipped: this sample gives no gradient)" : "";
      return `Objective ${format(math.clippedObjective(ratio, advantage, eps))}, slope ${format(slope)}${verdict}. ` +
        "Dashed: without the clip. Shaded: the ratios inside 1 ± ε.";
    }
  }
  customElements.define("rl-ppo-clip", PpoClip);
})();
