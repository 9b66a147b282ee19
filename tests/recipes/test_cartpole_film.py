"""The film of CartPole shows one episode as it was, and draws it where it is."""

import numpy as np
import pytest

from rlcourse.support.environments import make_cartpole


@pytest.fixture(scope="module")
def cartpole(recipe):
    return recipe("cartpole_film")


def always_right(observations):
    return np.tile([0.0, 1.0], (len(observations), 1))


def lean_after_it(observations):
    """Push to where the pole is falling; holds it for long."""
    falls_right = observations[:, 2] + 0.5 * observations[:, 3] > 0
    return np.stack([~falls_right, falls_right], axis=1).astype(float)


def test_an_episode_ends_when_the_pole_has_fallen(cartpole):
    states = cartpole.balance(always_right, seed=3, steps=100)
    assert 8 < len(states) < 13
    assert abs(states[-1, 2]) > 0.2095 >= abs(states[:-1, 2]).max()
    envs = make_cartpole(1)
    assert np.allclose(states[0], envs.reset(seed=3)[0][0])
    assert np.allclose(states[1], envs.step(np.array([1]))[0][0])


def test_it_lasts_as_long_as_it_is_watched(cartpole):
    assert len(cartpole.balance(lean_after_it, seed=3, steps=150)) == 151


def test_the_pole_stands_on_the_cart_and_leans_to_its_side(cartpole):
    from matplotlib.figure import Figure

    stage = cartpole.Stage(Figure().add_subplot())
    stage.show(np.array([1.5, 9.0, np.pi / 6, 9.0]))
    across, up = stage.pole.get_data()
    np.testing.assert_allclose(across, [1.5, 2.0])
    np.testing.assert_allclose(up, [0.0, np.cos(np.pi / 6)])
    assert stage.cart.get_x() + stage.cart.get_width() / 2 == pytest.approx(1.5)


def test_a_film_is_written_with_its_poster(cartpole, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    runs = [cartpole.balance(policy, 3, 12) for policy in (always_right, lean_after_it)]
    movie, poster = cartpole.film(runs, ("one", "other"), tmp_path / "two.mp4")
    assert movie.stat().st_size > 1_000
    assert poster.read_bytes().startswith(b"\x89PNG")
