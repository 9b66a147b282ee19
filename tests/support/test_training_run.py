"""The folder of a run: what is in it, what is refused, and that a cut log grows back the same."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from rlcourse.support.metrics import read_csv
from rlcourse.support.seeding import make_generator
from rlcourse.support.training_run import TrainingRun, restore, state_of, tag


@dataclass(frozen=True)
class Inner:
    gamma: float = 0.99


@dataclass(frozen=True)
class Settings:
    sizes: tuple[int, ...] = (64, 64)
    stop_at: float | None = None
    update: Inner = field(default_factory=Inner)


def counting(
    folder: Path, total: int, cut_after: int | None = None, resume: bool = False
) -> TrainingRun:
    """Logs a sum of random numbers; saves every third row; may be cut as by a power failure."""
    run, generator = TrainingRun(folder, Settings(), resume), make_generator(0)
    total_so_far = 0.0
    if (state := run.load()) is not None:
        total_so_far = state["sum"]
        generator.set_state(state["generator"])
    for index in range(len(run.rows), total):
        if index == cut_after:
            break
        total_so_far += torch.rand((), generator=generator).item()
        run.log(10 * index, **{"return": total_so_far, "losses/value_loss": float("nan")})
        if (index + 1) % 3 == 0:
            run.save({"sum": total_so_far, "generator": generator.get_state()})
    run.close()
    return run


@pytest.mark.parametrize("cut_after", range(9))
def test_a_cut_run_grows_back_bit_for_bit(tmp_path: Path, cut_after: int) -> None:
    whole = counting(tmp_path / "whole", 8)
    counting(tmp_path / "cut", 8, cut_after)
    resumed = counting(tmp_path / "cut", 8, resume=True)
    logs = [(tmp_path / name / "progress.csv").read_bytes() for name in ("whole", "cut")]
    assert logs[0] == logs[1] and logs[0].count(b"\n") == 9
    assert str(resumed.rows) == str(whole.rows)
    columns = read_csv(tmp_path / "cut" / "progress.csv")
    assert columns["return"].tolist() == [row["return"] for row in whole.rows]
    assert columns["steps"].tolist() == [10.0 * index for index in range(8)]


def test_without_a_folder_it_only_remembers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = TrainingRun(None, Settings(), resume=True)
    run.log(5, loss=torch.tensor(2.0))
    run.save({"x": 1})
    run.close()
    assert run.rows == [{"steps": 5.0, "loss": 2.0}] and run.load() is None
    assert list(tmp_path.iterdir()) == []


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path, Settings())
    run.log(1, loss=0.0)
    run.save({"x": 1})
    for other, said in (
        (Settings(update=Inner(0.9)), r"update\.gamma was 0\.99, is 0\.9"),
        (Settings(sizes=(64, 32)), r"sizes was \[64, 64\], is \[64, 32\]"),
        (Settings(stop_at=475.0), r"stop_at was None, is 475\.0"),
    ):
        with pytest.raises(ValueError, match=said):
            TrainingRun(tmp_path, other, resume=True).load()
    assert TrainingRun(tmp_path, Settings(), resume=True).load() == {"x": 1}


def test_a_run_is_not_written_over(tmp_path: Path) -> None:
    TrainingRun(tmp_path, Settings()).log(1, loss=0.0)
    with pytest.raises(FileExistsError, match=r"already holds a run .*resume=True"):
        TrainingRun(tmp_path, Settings())
    fresh = TrainingRun(tmp_path, Settings(), resume=True)
    assert fresh.load() is None and fresh.rows == []
    assert not (tmp_path / "progress.csv").exists()  # nothing to go on from: begins anew


def test_a_log_shorter_than_its_checkpoint_is_refused(tmp_path: Path) -> None:
    counting(tmp_path, 6)
    log = tmp_path / "progress.csv"
    log.write_text("".join(log.read_text().splitlines(True)[:4]))
    with pytest.raises(ValueError, match="holds 3 rows, but the checkpoint was saved after 6"):
        TrainingRun(tmp_path, Settings(), resume=True).load()


def test_logging_before_loading_is_refused(tmp_path: Path) -> None:
    counting(tmp_path, 3)
    with pytest.raises(RuntimeError, match=r"call load\(\) before log\(\)"):
        TrainingRun(tmp_path, Settings(), resume=True).log(0, loss=1.0)


def test_other_columns_are_refused() -> None:
    run = TrainingRun(None, Settings())
    run.log(1, loss=0.0)
    with pytest.raises(ValueError, match=r"columns must be \['steps', 'loss'\]"):
        run.log(2, kl=0.0)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch) -> None:
    run = TrainingRun(tmp_path, Settings())
    run.save({"x": 1})

    def half(checkpoint: object, file) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        run.save({"x": 2})
    assert TrainingRun(tmp_path, Settings(), resume=True).load() == {"x": 1}


def test_event_files_carry_the_usual_names(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = TrainingRun(tmp_path, Settings())
    run.log(7, **{"return": 3.0, "approx_kl": 0.5, "mine/own": 1.0})
    run.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    names = {"charts/episodic_return", "losses/approx_kl", "mine/own"}
    assert set(events.Tags()["scalars"]) == names
    assert [(e.step, e.value) for e in events.Scalars("losses/approx_kl")] == [(7, 0.5)]
    assert tag("unknown") == "charts/unknown"


def test_parts_are_put_back_and_others_refused() -> None:
    generator, layer = make_generator(0), torch.nn.Linear(2, 2)
    saved = state_of({"g": generator, "l": layer})
    expected = torch.rand(3, generator=generator)
    again = make_generator(5)
    restore({"g": again, "l": torch.nn.Linear(2, 2)}, saved)
    assert torch.equal(torch.rand(3, generator=again), expected)
    with pytest.raises(ValueError, match=r"holds \['g', 'l'\], this run needs \['g'\]"):
        restore({"g": again}, saved)


class Untellable:
    """A world that cannot be told in numbers, such as one of Box2D."""

    def state_dict(self) -> dict[str, Any]:
        raise TypeError("no numbers for this")

    def load_state_dict(self, state: Any, /) -> None:
        raise AssertionError("never saved")


def test_parts_are_asked_for_numbers_only_where_they_are_kept(tmp_path: Path) -> None:
    TrainingRun(None, Settings()).save_parts({"world": Untellable()})
    with pytest.raises(TypeError, match="no numbers"):
        TrainingRun(tmp_path / "bad", Settings()).save_parts({"world": Untellable()})
    generator = torch.Generator().manual_seed(3)
    TrainingRun(tmp_path / "good", Settings()).save_parts({"generator": generator})
    state = TrainingRun(tmp_path / "good", Settings(), resume=True).load()
    assert state is not None and torch.equal(state["generator"], generator.get_state())


def test_only_the_process_that_writes_keeps_files(tmp_path: Path) -> None:
    counting(tmp_path, 5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = TrainingRun(tmp_path, Settings(), resume=True, writes=False)
    state = other.load()
    assert state is not None and set(state) == {"sum", "generator"}
    other.log(40, **{"return": 1.0, "losses/value_loss": 0.0})
    other.save({"sum": 0.0})
    other.save_parts({"generator": make_generator(1)})
    other.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_of_a_gpu_is_read_where_there_is_none(tmp_path: Path, monkeypatch) -> None:
    """Saved with the tag that a GPU's tensors have; what is read lies on the host, for whoever takes it."""
    run = TrainingRun(tmp_path, Settings())
    run.log(1, score=1.0)
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        run.save({"weight": torch.arange(3.0)})
    run.close()
    state = TrainingRun(tmp_path, Settings(), resume=True).load()
    assert state is not None and state["weight"].device.type == "cpu"
    assert state["weight"].tolist() == [0.0, 1.0, 2.0]
