"""Keeps a run of the finale alive: log, checkpoints, an orderly end. ``python -m rlcourse.recipes.finale_run --help``.

Every ``checkpoint_every`` steps, and at the end, the state is saved in one piece; a run that goes on from there
computes the same numbers as one that was never cut. On SIGTERM, which clusters send before they take a machine back,
the step is finished and saved. A loss that is not finite stops the run, with the last good checkpoint and the step in
the message. From the command line, a run that is through ends with a report.
"""

import argparse
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from rlcourse.recipes.finale_batch import FinaleConfig
from rlcourse.recipes.finale_report import make_report, write_report
from rlcourse.recipes.ppo_gpt2 import Finale
from rlcourse.support.processes import leave
from rlcourse.support.progress import Progress
from rlcourse.support.training_run import TrainingRun, restore, state_of


def run_finale(
    config: FinaleConfig,
    folder: str | Path | None = None,
    *,
    resume: bool = False,
    device: str | None = None,
    quiet: bool | None = None,
    watch: Callable[[Mapping[str, float]], None] | None = None,
) -> tuple[Finale, list[dict[str, float]]]:
    """Train from the start, or from the checkpoint in the folder.

    Args:
        config: settings.
        folder: for ``progress.csv``, ``checkpoint.pt`` and TensorBoard's files; None keeps nothing.
        resume: whether to go on from a checkpoint that is there.
        device: where; by default a GPU if there is one.
        quiet: whether to show no progress bar; by default the environment decides.
        watch: gets the numbers of each step, such as ``LivePlot(("score", "kl")).add`` in a notebook.

    Returns:
        the models, and one row of numbers for each step; other processes than the first know those since they began.

    Raises:
        FloatingPointError: if the loss is no finite number any more; says at which step.
        FileExistsError: if the folder holds a run and ``resume`` is not asked for.
    """
    finale = Finale(config, device)
    first = finale.processes.rank == 0
    run = TrainingRun(folder, config, resume, writes=first)
    parts, begin, state = finale.updates.parts(), 0, run.load()
    refuse_strangers(finale, 0 if state is None else state["step"])
    if state is not None:
        begin, finale.micro_tokens = state.pop("step"), state.pop("micro_tokens")
        restore(parts, state)
        finale.renew_writer()
    with stop_asked_for() as stop:
        bar = Progress(range(begin, config.steps), "PPO", quiet=quiet if first else True)
        for step in bar:
            numbers = one_step(finale, step)
            run.log(step + 1, **numbers)
            bar.report(**numbers, samples_per_second=finale.speeds[-1]["samples_per_second"])
            if watch is not None:
                watch(numbers)
            cut = finale.processes.any_of(bool(stop), finale.device)
            due = (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps
            if cut or due:
                saved = {"step": step + 1, "micro_tokens": finale.micro_tokens}
                state = state_of(parts) | saved  # of all processes, where each has its part
                if first:
                    run.save(state)
            if cut:
                break
    run.close()
    return finale, run.rows


def refuse_strangers(finale: Finale, begin: int) -> None:
    """All processes must go on from the same step.

    Raises:
        FileNotFoundError: if they do not.
    """
    own = torch.tensor([begin, begin * begin], dtype=torch.float64, device=finale.device)
    count, (steps, squares) = finale.processes.count, finale.processes.add_up(own).tolist()
    if count * squares != steps * steps:  # equal only where all are
        raise FileNotFoundError(
            "not all processes see the same checkpoint: the folder must lie on a disk that they share"
        )


def one_step(finale: Finale, step: int) -> dict[str, float]:
    """A step of PPO.

    Raises:
        FloatingPointError: with the step, if the loss is not finite.
    """
    try:
        return finale.step(step)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"step {step + 1}: {error}. The last checkpoint is on disk; "
            "look at kl and approx_kl of the steps before, and try half the learning rate"
        ) from error


@contextmanager
def stop_asked_for() -> Iterator[list[int]]:
    """A list that fills when SIGTERM arrives; what was set up before is set up again afterwards."""
    asked = list[int]()

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before: Any = None
    try:
        before = signal.signal(signal.SIGTERM, note)
    except ValueError:  # not in the main thread: then nobody can ask
        yield asked
        return
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> argparse.ArgumentParser:
    """One option for each setting."""
    made = argparse.ArgumentParser(description="PPO on a small GPT-2, on a CPU or on GPUs.")
    made.add_argument("--folder", required=True, help="where to keep log and checkpoints")
    made.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the folder"
    )
    made.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")
    made.add_argument("--no-report", action="store_true", help="write no report at the end")
    for setting in fields(FinaleConfig):
        kind = type(setting.default)
        option = "--" + setting.name.replace("_", "-")
        made.add_argument(option, type=kind, default=setting.default)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; bad input ends with one line that says what to do."""
    chosen = vars(parser().parse_args(arguments))
    names = ("folder", "resume", "device", "no_report")
    folder, resume, device, no_report = (chosen.pop(name) for name in names)
    try:
        config = FinaleConfig(**chosen)
        finale, rows = run_finale(config, folder, resume=resume, device=device)
    except (ValueError, OSError) as error:
        raise SystemExit(f"finale: {error}") from error
    if finale.processes.rank == 0:
        print(f"{len(rows)} steps; the log is {Path(folder) / 'progress.csv'}")
        if len(rows) == config.steps and not no_report:
            print(f"the report is {write_report(make_report(finale, rows), Path(folder))[0]}")
    leave()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
