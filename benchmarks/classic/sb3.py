"""stable-baselines3's PPO on CartPole; prints one line for ``run.py``."""

import argparse
import contextlib
from collections.abc import Callable

import gymnasium
from settings import WORKS, Meter, Reached, Work, warm_up
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv


def fading(first: float) -> Callable[[float], float]:
    """A number that falls to 0 along a line."""
    return lambda left: left * first


class Watch(BaseCallback):
    """Shows the meter every episode that ends."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            for info in self.locals["infos"]:
                if "episode" in info:
                    self.meter.episode(info["episode"]["r"])
        return True


def make_model(work: Work, seed: int) -> PPO:
    """Their names for the settings; their critic's loss has no half, so its weight is halved."""
    envs = DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))] * work.num_envs)
    return PPO(
        "MlpPolicy",
        envs,
        n_steps=work.steps,
        batch_size=work.minibatch_size,
        n_epochs=work.epochs,
        learning_rate=fading(work.learning_rate) if work.anneal else work.learning_rate,
        gamma=work.gamma,
        gae_lambda=work.lam,
        clip_range=fading(work.clip_eps) if work.anneal_clip else work.clip_eps,
        clip_range_vf=work.value_clip_eps,
        ent_coef=work.entropy_coef,
        vf_coef=work.critic_coef / 2,
        seed=seed,
        device="cpu",
    )


def main() -> None:
    """Run once as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-solved", action="store_true")
    options = parser.parse_args()
    warm_up()
    work = WORKS[options.work]
    model, meter = make_model(work, options.seed), Meter(options.until_solved)
    with contextlib.suppress(Reached):
        model.learn(work.total_steps, Watch(meter) if options.until_solved else None)
    meter.report(model.num_timesteps)


if __name__ == "__main__":
    main()
