"""PPO on CartPole three times: ours, stable-baselines3's, CleanRL's.

``python benchmarks/classic/run.py`` makes an environment of its own in ``_build`` for all three,
then measures in turn, one core each:

1. CPU seconds for the same work: same settings, same number of steps, several rounds;
2. seconds to a solved CartPole, five seeds, each with the settings its authors give, and ours also
   with those of the others;
3. where our time goes: the environment alone, collecting, updates.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
VENV = REPOSITORY / "_build" / "classic-bench"
CLEANRL = REPOSITORY / "_build" / "cleanrl"
CLEANRL_URL = "https://github.com/vwxyzjn/cleanrl"
CLEANRL_COMMIT = "fe8d8a03c41a7ef5b523e2e354bd01c363e786bb"
PACKAGES = (
    ["torch==2.13.0"],
    ["stable-baselines3==2.9.2", "gymnasium[box2d]==1.4.0", "tqdm", "tyro==1.0.17", "tensorboard"],
)
Row = dict[str, Any]


def prepare() -> None:
    """Make the environment that all three share, once."""
    done = VENV / "ready"
    if done.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    for packages in PACKAGES:
        subprocess.run([python(), "-m", "pip", "install", "-q", *packages], check=True)
    done.touch()


def python() -> str:
    """The interpreter of that environment."""
    return str(VENV / ("Scripts" if os.name == "nt" else "bin") / "python")


def cleanrl_script(given: Path | None) -> Path | None:
    """CleanRL's ppo.py: as given, or fetched at the commit above; None where neither works."""
    script = given or CLEANRL / "cleanrl" / "ppo.py"
    if not script.exists() and given is None:
        CLEANRL.mkdir(parents=True, exist_ok=True)
        for command in (
            ["init", "-q"],
            ["fetch", "-q", "--depth", "1", CLEANRL_URL, CLEANRL_COMMIT],
            ["checkout", "-q", "FETCH_HEAD"],
        ):
            if subprocess.run(["git", "-C", str(CLEANRL), *command]).returncode:
                break
    if script.exists():
        return script
    print(f"CleanRL is left out: get {CLEANRL_URL}, then --cleanrl FOLDER/cleanrl/ppo.py")
    return None


def measure(who: str, work: str, seed: int, script: Path | None, until_solved: bool) -> Row:
    """One run in a process of its own."""
    command = [python(), str(HERE / f"{who}.py"), work, "--seed", str(seed)]
    command += ["--until-solved"] if until_solved else []
    command += ["--script", str(script)] if who == "cleanrl" else []
    row = last_line(command)
    print(
        f"  {who:<8}{work:<10}{seed:>2}  {row['cpu']:6.2f} CPU s {row['steps']:>8,} steps",
        flush=True,
    )
    return row


def last_line(command: list[str]) -> Row:
    """What a worker printed last, with one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{command} failed:\n{answer.stderr}")
    line: Row = json.loads(answer.stdout.splitlines()[-1])
    return line


def same_work(rounds: int, script: Path | None) -> dict[str, list[Row]]:
    """The three in turn; another seed each round."""
    contestants = ["ours", "sb3"] + (["cleanrl"] if script else [])
    found: dict[str, list[Row]] = {who: [] for who in contestants}
    for turn in range(rounds):
        for who in contestants:
            found[who].append(measure(who, "same", turn, script, until_solved=False))
    return found


def to_the_threshold(
    seeds: int, peer_seeds: int, script: Path | None, with_cleanrl: bool
) -> dict[str, list[Row]]:
    """Each until CartPole is solved, in turn."""
    runs = [("ours", "course"), ("ours", "zoo"), ("sb3", "zoo")]
    runs += [("cleanrl", "defaults")] if script and with_cleanrl else []
    found: dict[str, list[Row]] = {f"{who} ({work})": [] for who, work in runs}
    for seed in range(seeds):
        for who, work in runs[: len(runs) if seed < peer_seeds else 1]:
            found[f"{who} ({work})"].append(measure(who, work, seed, script, until_solved=True))
    return {who: rows for who, rows in found.items() if rows}


def where_time_goes(rounds: int) -> dict[str, list[Row]]:
    """Our own parts, for the settings of the same work and for those of the page."""
    works = ("parts", "parts-course")
    command = [python(), str(HERE / "ours.py")]
    return {work: [last_line([*command, work]) for _ in range(rounds)] for work in works}


def show_same_work(found: dict[str, list[Row]]) -> None:
    """Medians, and the median of the ratios of each round."""
    print(f"\n{'same work':<22}{'CPU s':>8}{'steps / CPU s':>15}{'ours faster':>13}")
    for who, rows in found.items():
        cpu = [row["cpu"] for row in rows]
        ratios = [row["cpu"] / own["cpu"] for row, own in zip(rows, found["ours"], strict=True)]
        speed = rows[0]["steps"] / median(cpu)
        print(f"{who:<22}{median(cpu):>8.2f}{speed:>15,.0f}{median(ratios):>12.2f}x")


def show_threshold(found: dict[str, list[Row]]) -> None:
    """Medians over the seeds, the slowest seed, and how many arrived."""
    print(
        f"\n{'to a solved CartPole':<22}{'CPU s':>8}{'worst':>8}{'wall s':>8}{'steps':>10}  seeds"
    )
    own = median(row["cpu"] for row in found["ours (course)"])
    for who, rows in found.items():
        cpu, wall = [row["cpu"] for row in rows], [row["wall"] for row in rows]
        steps, arrived = median(row["steps"] for row in rows), sum(row["reached"] for row in rows)
        print(
            f"{who:<22}{median(cpu):>8.1f}{max(cpu):>8.1f}{median(wall):>8.1f}{steps:>10,.0f}"
            f"  {arrived} of {len(rows)}, {median(cpu) / own:.1f}x ours"
        )


def show_parts(found: dict[str, list[Row]]) -> None:
    """Shares of the whole."""
    print(f"\n{'where our time goes':<22}{'env alone':>10}{'acting':>8}{'updates':>9}{'CPU s':>8}")
    for work, rows in found.items():
        alone, collecting, whole = (
            median(row[name] for row in rows) for name in ("environment", "collecting", "whole")
        )
        shares = (alone / whole, (collecting - alone) / whole, 1 - collecting / whole)
        print(f"{work:<22}{shares[0]:>9.0%}{shares[1]:>9.0%}{shares[2]:>9.0%}{whole:>8.2f}")


def main() -> None:
    """Measure, print, and keep the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["work", "parts", "threshold"])
    parser.add_argument("--rounds", type=int, default=5, help="of the same work")
    parser.add_argument("--seeds", type=int, default=5, help="to the threshold, with our settings")
    parser.add_argument(
        "--peer-seeds", type=int, default=5, help="of those, how many the others do"
    )
    parser.add_argument("--quick", action="store_true", help="without CleanRL to the threshold")
    parser.add_argument("--cleanrl", type=Path, help="its ppo.py, where git cannot fetch it")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    prepare()
    script = cleanrl_script(options.cleanrl)
    found = measure_all(options, script)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def measure_all(options: argparse.Namespace, script: Path | None) -> dict[str, Any]:
    """The tables that were asked for, each printed when it is complete."""
    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"{found['date']}, {machine}")
    if options.only in (None, "work"):
        found["same work"] = same_work(options.rounds, script)
        show_same_work(found["same work"])
    if options.only in (None, "parts"):
        found["parts"] = where_time_goes(min(3, options.rounds))
        show_parts(found["parts"])
    if options.only in (None, "threshold"):
        peers, slow = options.peer_seeds, not options.quick
        found["threshold"] = to_the_threshold(options.seeds, peers, script, slow)
        show_threshold(found["threshold"])
    return found


if __name__ == "__main__":
    main()
