"""The course's ``rlcourse.recipes.ppo`` on CartPole; prints one line for ``run.py``.

``course`` are the settings of chapter 8's page, ``parts`` says where the time goes.
"""

import argparse
import json
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from settings import SOLVED, WORKS, Meter, Work, warm_up

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
os.environ["RLCOURSE_PROGRESS"] = "0"

import rlcourse  # noqa: E402

rlcourse.overlay(REPOSITORY / "solutions")

from rlcourse.recipes import ppo  # noqa: E402
from rlcourse.support.collector import Collector  # noqa: E402
from rlcourse.support.environments import make_cartpole  # noqa: E402
from rlcourse.support.ppo_config import PPOConfig  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402


def config_of(work: Work) -> ppo.PPORunConfig:
    """The course's names for these settings. It anneals the step size, never the clip."""
    update = PPOConfig(
        gamma=work.gamma,
        lam=work.lam,
        epochs=work.epochs,
        minibatch_size=work.minibatch_size,
        clip_eps=work.clip_eps,
        value_clip_eps=work.value_clip_eps or math.inf,
        critic_coef=work.critic_coef,
        entropy_coef=work.entropy_coef,
    )
    return ppo.PPORunConfig(
        total_steps=work.total_steps,
        num_envs=work.num_envs,
        steps=work.steps,
        learning_rate=work.learning_rate,
        anneal_over=work.total_steps if work.anneal else 0,
        update=update,
    )


def train(config: ppo.PPORunConfig, seed: int) -> None:
    """One run; the number of steps includes the columns that only reset."""
    generator, envs = make_generator(seed), make_cartpole(config.num_envs)
    learner = ppo.Learner(envs, config, generator)
    meter = Meter(until_solved=False)
    rows = ppo.ppo(learner, envs, config, generator)
    meter.reached = rows[-1]["return"] >= SOLVED
    meter.report(len(rows) * config.num_envs * config.steps)


def parts(config: ppo.PPORunConfig, seed: int) -> None:
    """CPU seconds of the environment alone, of collecting, and of a whole run of the same steps."""
    generator, envs = make_generator(seed), make_cartpole(config.num_envs)
    columns = config.updates * config.steps
    actions = [envs.action_space.sample() for _ in range(64)]
    envs.reset(seed=seed)
    start = time.process_time()
    for column in range(columns):
        envs.step(actions[column % 64])
    alone = time.process_time() - start
    learner, collector = ppo.Learner(envs, config, generator), Collector(envs, seed)
    start = time.process_time()
    for _ in range(config.updates):
        collector.collect(learner.policy(), config.steps, generator)
    collecting = time.process_time() - start
    start = time.process_time()
    ppo.ppo(learner, envs, config, generator)
    whole = time.process_time() - start
    print(json.dumps({"environment": alone, "collecting": collecting, "whole": whole}))


def main() -> None:
    """Run once as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=[*WORKS, "course", "parts", "parts-course"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-solved", action="store_true")
    options = parser.parse_args()
    warm_up()
    name = options.work.removeprefix("parts-")
    config = ppo.CARTPOLE if name == "course" else config_of(WORKS.get(name, WORKS["same"]))
    if options.work.startswith("parts"):
        parts(replace(config, stop_at=None), options.seed)
    else:
        train(replace(config, stop_at=SOLVED if options.until_solved else None), options.seed)


if __name__ == "__main__":
    main()
