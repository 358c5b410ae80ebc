"""iTransformer: channels as tokens, marks as more tokens, scale, size and settings that cannot be met."""

import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from forecast.checks import require_forecaster  # noqa: E402
from forecast.models.i_transformer import ITransformer  # noqa: E402
from forecast.models.network import NetworkShape  # noqa: E402

SMALL = {"context": 16, "horizon": 3, "width": 8, "hidden": 16, "layers": 2, "attention_heads": 2}
SMALL |= {"epochs": 1, "learning_rate": 1e-3}


def drawn(series=2, marks=0, **changed):
    torch.manual_seed(0)
    asked = ITransformer(**(SMALL | {"dropout": 0.0} | changed))
    return asked.module(NetworkShape(16, series, 3, 1, series=series, marks=marks)).double().eval()


@pytest.mark.parametrize("changed", [{"series": "joint"}, {"loss": "student_t", "fields": ("open",)}])
def test_it_keeps_the_contract(changed):
    require_forecaster(ITransformer(**(SMALL | changed)))


def test_channels_reach_each_other_in_any_order():
    model, inputs = drawn(), torch.randn(4, 16, 2, dtype=torch.float64)
    changed = inputs.clone()
    changed[..., 1] = torch.randn(4, 16, dtype=torch.float64)
    assert not torch.allclose(model(inputs).view(4, 3, 2)[..., 0], model(changed).view(4, 3, 2)[..., 0])
    torch.testing.assert_close(model(inputs.flip(2)).view(4, 3, 2).flip(2), model(inputs).view(4, 3, 2))


def test_a_forecast_moves_with_level_and_scale_of_its_window():
    model, inputs = drawn(), torch.randn(4, 16, 2, dtype=torch.float64)
    torch.testing.assert_close(model(50 + 20 * inputs), 50 + 20 * model(inputs), rtol=1e-4, atol=1e-4)


def test_marks_of_the_past_are_tokens_and_the_rows_ahead_are_not_read():
    model, inputs = drawn(marks=3), torch.randn(4, 19, 5, dtype=torch.float64)
    ahead, past = inputs.clone(), inputs.clone()
    ahead[:, 16:] += 1.0
    past[:, :16, 2:] += 1.0
    assert torch.equal(model(ahead), model(inputs))
    assert not torch.allclose(model(past), model(inputs))


def test_the_size_does_not_depend_on_the_number_of_channels():
    """Look-back 96, 96 steps: embedding, two layers of attention, feed-forward and norms, last norm, projection."""
    per_layer = 4 * (128 * 128 + 128) + 2 * (128 * 128 + 128) + 2 * 2 * 128
    expected = (96 * 128 + 128) + 2 * per_layer + 2 * 128 + (128 * 96 + 96)
    asked = ITransformer(horizon=96, series="joint")
    assert asked.parameter_count(series=8) == asked.parameter_count(series=21) == expected


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="attention_heads were 3; they must divide width 8"):
        ITransformer(**(SMALL | {"attention_heads": 3}))
