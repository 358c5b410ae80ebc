"""Losses: those of published formulas, one a model, with weights that add up over parts."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from forecast.training.losses import mae, mse, pinball, student_t

LEVELS = (0.1, 0.5, 0.9)
LOSSES = {"mse": (mse, 1), "mae": (mae, 1), "pinball": (pinball(LEVELS), 3), "student_t": (student_t, 3)}


def case(per_step, models=2, samples=6, steps=3, seed=0):
    rng = np.random.default_rng(seed)
    output = torch.from_numpy(rng.normal(size=(models, samples, steps * per_step)).astype(np.float32))
    return output, torch.from_numpy(rng.normal(size=(models, samples, steps)).astype(np.float32))


def test_squared_and_absolute_errors_are_means_over_samples_and_steps():
    output, target = case(1)
    error = (output - target).numpy()
    np.testing.assert_allclose(mse(output, target), (error**2).mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(mae(output, target), np.abs(error).mean((1, 2)), rtol=1e-6)


def test_pinball_is_the_mean_over_levels_with_levels_varying_fastest():
    output, target = case(3)
    wanted = np.zeros(2)
    for k in range(2):
        for b in range(6):
            for h in range(3):
                for q, level in enumerate(LEVELS):
                    short = float(target[k, b, h] - output[k, b, 3 * h + q])
                    wanted[k] += (level * short if short >= 0 else (level - 1) * short) / (6 * 3 * 3)
    np.testing.assert_allclose(pinball(LEVELS)(output, target), wanted, rtol=1e-5)


def test_student_t_is_the_negative_log_density_of_scipy():
    output, target = case(3)
    location, log_scale, log_excess = output.numpy().reshape(2, 6, 3, 3).transpose(3, 0, 1, 2)
    density = stats.t.logpdf(target.numpy(), 2.0 + np.exp(log_excess), location, np.exp(log_scale))
    np.testing.assert_allclose(student_t(output, target), -density.mean((1, 2)), rtol=1e-5)


def test_student_t_with_many_degrees_of_freedom_is_normal():
    output, target = torch.tensor([[[0.0, 0.0, math.log(1e5)]]]), torch.tensor([[[1.0]]])
    assert float(student_t(output, target)[0]) == pytest.approx(-stats.norm.logpdf(1.0), abs=1e-2)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_weights_change_nothing(name):
    loss, per_step = LOSSES[name]
    output, target = case(per_step)
    torch.testing.assert_close(loss(output, target), loss(output, target, torch.full((2, 6), 1 / 6)))


@pytest.mark.parametrize("name", LOSSES)
def test_parts_of_the_samples_add_up_and_weight_zero_leaves_a_sample_out(name):
    loss, per_step = LOSSES[name]
    output, target = case(per_step)
    weights = torch.tensor([[0.25, 0.25, 0.5, 0.0, 0.0, 0.0]]).expand(2, 6)
    parts = loss(output[:, :2], target[:, :2], weights[:, :2]) + loss(
        output[:, 2:], target[:, 2:], weights[:, 2:]
    )
    torch.testing.assert_close(parts, loss(output, target, weights))
    target[:, 3:] += 100.0
    torch.testing.assert_close(parts, loss(output, target, weights))
