"""PatchTST: patches, channel independence, scale, size and settings that cannot be met."""

import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from forecast.checks import require_forecaster  # noqa: E402
from forecast.models.network import NetworkShape  # noqa: E402
from forecast.models.patch_tst import PatchTst  # noqa: E402

SMALL = {"context": 16, "horizon": 3, "patch": 8, "stride": 4, "width": 8, "hidden": 16, "layers": 2}
SMALL |= {"attention_heads": 2, "epochs": 1, "learning_rate": 1e-3}


def drawn(series=2, **changed):
    torch.manual_seed(0)
    asked = PatchTst(**(SMALL | {"dropout": 0.0} | changed))
    return asked.module(NetworkShape(16, series, 3, asked.heads.per_step, series=series)).eval()


@pytest.mark.parametrize("changed", [{"series": "joint"}, {"loss": "student_t"}])
def test_it_keeps_the_contract(changed):
    require_forecaster(PatchTst(**(SMALL | changed)))


@pytest.mark.parametrize(("context", "patches"), [(336, 42), (512, 64), (96, 12)])
def test_the_number_of_patches_is_the_published_one(context, patches):
    """PatchTST/42 and /64 are named after it."""
    shape = NetworkShape(context, 1, 96, 1)
    assert PatchTst(context=context, horizon=96).module(shape).size.patches == patches


def test_the_size_is_that_of_the_published_settings():
    """ETTh1, look-back 336: 81,728 weights of the transformer and its head, and the two of the normalisation a channel."""
    per_layer = 4 * (16 * 16 + 16) + (16 * 128 + 128) + (128 * 16 + 16) + 2 * 2 * 16
    expected = (16 * 16 + 16) + 42 * 16 + 3 * per_layer + (42 * 16 * 96 + 96)
    assert expected == 81_728
    assert PatchTst(context=336, horizon=96, series="joint").parameter_count(series=7) == expected + 2 * 7


def test_channels_are_independent():
    model, inputs = drawn(), torch.randn(4, 16, 2)
    changed = inputs.clone()
    changed[..., 1] = torch.randn(4, 16)
    same = (model(inputs) == model(changed)).view(4, 3, 2)
    assert same[..., 0].all()
    assert not same[..., 1].any()


def test_a_forecast_moves_with_level_and_scale_of_its_window():
    model, inputs = drawn().double(), torch.randn(4, 16, 2, dtype=torch.float64)
    torch.testing.assert_close(model(50 + 20 * inputs), 50 + 20 * model(inputs), rtol=1e-4, atol=1e-4)


def test_every_step_is_in_some_patch():
    model, inputs = drawn(series=1), torch.randn(1, 16, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(model(inputs).sum(), inputs)
    assert (gradient != 0).all()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"patch": 17}, "patch was 17; the window has 16 steps"),
        ({"attention_heads": 3}, "attention_heads were 3; they must divide width 8"),
        ({"fields": ("open",)}, "it reads the forecast field alone"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(changed, words):
    with pytest.raises(ValidationError, match=words):
        PatchTst(**(SMALL | changed))
