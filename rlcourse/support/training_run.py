"""The folder of one training run: its log, its curves, and a checkpoint to go on from exactly.

Every recipe writes the same three files, so that one run can be read like another::

    config.json      the settings
    progress.csv     one row of numbers each time, and TensorBoard's event files beside it
    checkpoint.pt    everything that the rest of the run depends on
"""

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch

TAGS = {
    "return": "charts/episodic_return",
    "reward": "charts/reward",
    "learning_rate": "charts/learning_rate",
    "actor_loss": "losses/policy_loss",
    "policy_loss": "losses/policy_loss",
    "critic_loss": "losses/value_loss",
    "value_loss": "losses/value_loss",
    "entropy": "losses/entropy",
    "approx_kl": "losses/approx_kl",
    "clip_fraction": "losses/clipfrac",
    "explained_variance": "losses/explained_variance",
    "grad_norm": "losses/grad_norm",
    "td_loss": "losses/td_loss",
    "q_values": "losses/q_values",
    "epsilon": "charts/epsilon",
}
"""The course's names, and what dashboards usually call them; a name with a slash stays."""


class HasState(Protocol):
    """A network, an optimizer, a collector, a buffer."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> Any: ...


Part = HasState | torch.Generator
"""Something that remembers."""


def state_of(parts: Mapping[str, Part]) -> dict[str, Any]:
    """What each part of a run remembers, by name: the ``state`` of ``TrainingRun.save``."""
    return {
        name: part.get_state() if isinstance(part, torch.Generator) else part.state_dict()
        for name, part in parts.items()
    }


def restore(parts: Mapping[str, Part], state: Mapping[str, Any]) -> None:
    """Put into each part what ``state_of`` read.

    Raises:
        ValueError: if the parts are others than those that were saved.
    """
    if set(parts) != set(state):
        raise ValueError(f"the checkpoint holds {sorted(state)}, this run needs {sorted(parts)}")
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            part.set_state(state[name])
        else:
            part.load_state_dict(state[name])


class TrainingRun:
    """One run: what it logs, and the checkpoint from which it goes on.

    Args:
        folder: where to keep it; None keeps the log in memory and saves nothing.
        config: a dataclass of plain values, the settings of the run.
        resume: whether to go on from the checkpoint in the folder, if there is one.
        writes: whether to keep the files. Where several processes share a run one of them does; the others read the
            checkpoint.

    Raises:
        FileExistsError: if the folder holds a run and ``resume`` is not asked for.
    """

    def __init__(
        self,
        folder: str | Path | None,
        config: Any,
        resume: bool = False,
        *,
        writes: bool = True,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self._writes = self.folder is not None and writes
        self.rows: list[dict[str, float]] = []
        """What was logged, ``steps`` first."""
        self._settings = json.loads(json.dumps(asdict(config)))
        self._resume = resume
        self._saved_rows_unread = False
        self._writer: Any = None
        if self.folder is not None and writes:
            self._open(self.folder)

    def log(self, step: int, **diagnostics: float) -> None:
        """Add a row to the log, and the same numbers to the event files.

        Args:
            step: steps of all environments together so far; the column ``steps``.
            diagnostics: numbers, or tensors of one element; every row the same names.

        Raises:
            ValueError: if the names are not those of the first row.
            RuntimeError: if there is a checkpoint to go on from that was not loaded.
        """
        if self._saved_rows_unread:
            raise RuntimeError("call load() before log(): this run goes on from a checkpoint")
        row = {"steps": float(step), **{name: float(x) for name, x in diagnostics.items()}}
        if self.rows and list(row) != list(self.rows[0]):
            raise ValueError(f"columns must be {list(self.rows[0])}, got {list(row)}")
        self.rows.append(row)
        if self.folder is not None and self._writes:
            self._write_row(self.folder / "progress.csv", row)
            self._write_events(self.folder, step, row)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint in one piece: cut at any moment, the old one or the new one stays.

        Args:
            state: tensors and plain values only; all that the rest of the run depends on.
        """
        if self.folder is None or not self._writes:
            return
        checkpoint = {"config": self._settings, "rows": len(self.rows), "state": dict(state)}
        beside = self.folder / "checkpoint.pt.new"
        with beside.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.folder / "checkpoint.pt")

    def save_parts(self, parts: Mapping[str, Part]) -> None:
        """Save what each part remembers; without a folder, nothing is asked of them.

        So one can train, without a checkpoint, in a world that cannot be told in numbers.
        """
        if self._writes:
            self.save(state_of(parts))

    def load(self) -> dict[str, Any] | None:
        """The saved state if there is one to go on from, and in the process that writes ``rows`` up to it; else None.

        Rows that were logged after the checkpoint are dropped: they are going to be logged again.

        Raises:
            ValueError: if the checkpoint belongs to other settings, or the log has lost rows.
        """
        if self.folder is None or not self._resume:
            return None
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        # To the host first: saved on one GPU, it may be read by several processes, or where there is none.
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        self._refuse_other_settings(checkpoint["config"])
        if self._writes:
            self.rows = self._cut_log(self.folder / "progress.csv", checkpoint["rows"])
        self._saved_rows_unread = False
        state: dict[str, Any] = checkpoint["state"]
        return state

    def close(self) -> None:
        """Finish the event files. A run that is logged to afterwards opens new ones."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = [name for name in ("checkpoint.pt", "progress.csv") if (folder / name).exists()]
        if kept and not self._resume:
            raise FileExistsError(
                f"{folder} already holds a run ({', '.join(kept)}): "
                "go on with it by resume=True, or name another folder"
            )
        if (folder / "checkpoint.pt").exists():
            self._saved_rows_unread = True
            return
        (folder / "progress.csv").unlink(missing_ok=True)  # rows that no checkpoint covers
        settings = json.dumps(self._settings, indent=2) + "\n"
        (folder / "config.json").write_text(settings, encoding="utf-8")

    def _refuse_other_settings(self, saved: dict[str, Any]) -> None:
        there, here = _flat(saved), _flat(self._settings)
        differing = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if differing:
            said = "; ".join(
                f"{name} was {there.get(name)}, is {here.get(name)}" for name in differing
            )
            raise ValueError(
                f"this run has other settings than the one in {self.folder}: {said}. "
                "Give it the settings of its config.json, or another folder"
            )

    @staticmethod
    def _cut_log(path: Path, count: int) -> list[dict[str, float]]:
        """Keep the first rows of a log, byte for byte, and return them."""
        lines = path.read_text(encoding="utf-8").splitlines(True) if path.exists() else []
        if len(lines) < count + 1 and count:
            raise ValueError(
                f"{path} holds {max(len(lines) - 1, 0)} rows, but the checkpoint was saved "
                f"after {count}: put the file back, or start in another folder"
            )
        text = "".join(lines[: count + 1]) if count else ""
        beside = path.with_name(path.name + ".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
        rows = csv.DictReader(io.StringIO(text))
        return [{name: float(value) for name, value in row.items()} for row in rows]

    def _write_row(self, path: Path, row: dict[str, float]) -> None:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if len(self.rows) == 1:
                writer.writerow(row)
            writer.writerow(row.values())

    def _write_events(self, folder: Path, step: int, row: dict[str, float]) -> None:
        if self._writer is None:
            self._writer = _event_writer(folder, step)
        if self._writer:
            for name, value in row.items():
                if name != "steps":
                    self._writer.add_scalar(tag(name), value, step)


def tag(name: str) -> str:
    """What a dashboard calls a number."""
    return name if "/" in name else TAGS.get(name, f"charts/{name}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``{"update.gamma": 0.99}``."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else None
        flat |= inner if inner is not None else {prefix + name: value}
    return flat


def _event_writer(folder: Path, step: int) -> Any:
    """A writer of event files, or False where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        return False
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, purge_step=step)
