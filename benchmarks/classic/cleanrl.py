"""CleanRL's ppo.py, as it was published, on CartPole; prints one line for ``run.py``.

It was written for gymnasium 0.29, where an environment that ends resets at once. Of gymnasium 1 it
is given environments that still do; and the block that prints returns, which expects another shape
of ``infos``, is passed over. Nothing else is changed.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import torch.utils.tensorboard  # noqa: F401 (imported before the clock starts)
import tyro  # noqa: F401
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from settings import WORKS, Meter, Reached, Work, warm_up

OLD, NEW = '"final_info" in infos', '"nothing of this name" in infos'


class Statistics(RecordEpisodeStatistics[Any, Any]):
    """Theirs; the meter sees each episode, and how many steps there were."""

    meter: Meter
    steps = 0

    def step(self, action: Any) -> Any:
        answer = super().step(action)
        Statistics.steps += 1
        if "episode" in answer[4]:
            self.meter.episode(float(answer[4]["episode"]["r"]))
        return answer


class StartsTheClock(SyncVectorEnv):
    """Imports, options and log files are made before."""

    def __init__(self, makers: Any) -> None:
        super().__init__(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        Statistics.meter.start()


def options_of(work: Work, seed: int) -> list[str]:
    """Their names for the settings."""
    named = {
        "total-timesteps": work.total_steps,
        "num-envs": work.num_envs,
        "num-steps": work.steps,
        "update-epochs": work.epochs,
        "num-minibatches": work.num_envs * work.steps // work.minibatch_size,
        "learning-rate": work.learning_rate,
        "gamma": work.gamma,
        "gae-lambda": work.lam,
        "clip-coef": work.clip_eps,
        "ent-coef": work.entropy_coef,
        "vf-coef": work.critic_coef,
        "seed": seed,
    }
    flags = ["--anneal-lr" if work.anneal else "--no-anneal-lr", "--no-cuda"]
    flags.append("--clip-vloss" if work.value_clip_eps else "--no-clip-vloss")
    return [*flags, *(part for name, value in named.items() for part in (f"--{name}", str(value)))]


def run(script: Path, work: Work, seed: int) -> None:
    """Execute the script as a program."""
    source = script.read_text(encoding="utf-8")
    if source.count(OLD) != 1:
        raise SystemExit(f"{script} is not the ppo.py that this benchmark knows how to run")
    sys.argv = [str(script), *options_of(work, seed)]
    gymnasium.vector.SyncVectorEnv = StartsTheClock  # type: ignore[misc]
    gymnasium.wrappers.RecordEpisodeStatistics = Statistics  # type: ignore[misc]
    code = compile(source.replace(OLD, NEW), str(script), "exec")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it writes its logs to where it is
        sys.stdout.flush()
        exec(code, {"__name__": "__main__", "__file__": str(script)})


def main() -> None:
    """Run once as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("--script", type=Path, required=True, help="CleanRL's ppo.py")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-solved", action="store_true")
    options = parser.parse_args()
    warm_up()
    Statistics.meter = meter = Meter(options.until_solved)
    with contextlib.suppress(Reached):
        run(options.script.resolve(), WORKS[options.work], options.seed)
    meter.report(Statistics.steps)


if __name__ == "__main__":
    main()
