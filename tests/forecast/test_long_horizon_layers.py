"""Parts of the long-horizon networks: each equal to its definition, and what cannot be met is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from data.errors import SpecError  # noqa: E402
from forecast.models.layers.attention import MultiHeadAttention  # noqa: E402
from forecast.models.layers.auto_correlation import (  # noqa: E402
    lag_count,
    mean_correlation,
    own_lags,
    shared_lags,
    spectral_correlation,
)
from forecast.models.layers.circular_convolution import CircularConvolution  # noqa: E402
from forecast.models.layers.circular_diagonals import circulant, diagonal_sums  # noqa: E402
from forecast.models.layers.decomposition import SeriesDecomposition, moving_average  # noqa: E402
from forecast.models.layers.heads import restored  # noqa: E402
from forecast.models.layers.reversible_normalisation import ReversibleNormalisation  # noqa: E402

DOUBLE = {"dtype": torch.float64}
seeded = settings(max_examples=25, deadline=None, derandomize=True)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **DOUBLE)


@seeded
@given(length=st.integers(1, 12), seed=st.integers(0, 9))
def test_circular_diagonals_are_summed_and_spread_as_defined(length, seed):
    matrices, vectors = drawn(2, length, length, seed=seed), drawn(2, length, seed=seed)
    sums, spread = diagonal_sums(matrices), circulant(vectors)
    for d in range(length):
        expected = sum(matrices[:, t, (t + d) % length] for t in range(length))
        torch.testing.assert_close(sums[:, d], expected)
        for t in range(length):
            assert torch.equal(spread[:, t, (t + d) % length], vectors[:, d])


def test_the_gradient_of_each_is_the_other_to_the_second_order():
    matrices, vectors = drawn(2, 5, 5).requires_grad_(), drawn(2, 5).requires_grad_()
    assert torch.autograd.gradcheck(diagonal_sums, (matrices,))
    assert torch.autograd.gradcheck(circulant, (vectors,))
    assert torch.autograd.gradgradcheck(circulant, (vectors,))


@seeded
@given(length=st.integers(2, 200), seed=st.integers(0, 9))
def test_both_forms_of_the_correlation_agree(length, seed):
    queries, keys = drawn(2, length, 3, seed=seed), drawn(2, length, 3, seed=seed + 100)
    torch.testing.assert_close(mean_correlation(queries, keys), spectral_correlation(queries, keys))


def test_the_correlation_peaks_where_queries_follow_keys():
    keys = drawn(1, 40, 4)
    assert int(mean_correlation(keys.roll(5, 1), keys).argmax()) == 5


def test_shared_lags_are_those_of_the_batch_and_own_lags_each_samples():
    correlation = torch.tensor([[0.0, 3.0, 1.0, 0.0], [0.0, 0.0, 1.0, 2.5]], **DOUBLE)
    assert (shared_lags(correlation, 1) > 0).tolist() == [[False, True, False, False]] * 2
    assert own_lags(correlation, 1).tolist() == [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    torch.testing.assert_close(shared_lags(correlation, 3).sum(1), torch.ones(2, **DOUBLE))


@pytest.mark.parametrize(
    ("factor", "length", "count"), [(3, 96, 13), (1, 96, 4), (3, 144, 14), (1, 2, 1), (5, 3, 3)]
)
def test_the_number_of_lags_is_that_of_the_formula_inside_its_bounds(factor, length, count):
    assert lag_count(factor, length) == count


@pytest.mark.parametrize("length", [1, 7, 128, 129, 150])
@pytest.mark.parametrize("kernel", [1, 5, 25])
def test_season_and_trend_are_those_of_a_padded_moving_average(length, kernel):
    values = drawn(2, length, 3)
    season, trend = SeriesDecomposition(kernel)(values)
    padded = np.pad(values.numpy(), ((0, 0), (kernel // 2, kernel // 2), (0, 0)), mode="edge")
    expected = np.stack([padded[:, t : t + kernel].mean(axis=1) for t in range(length)], axis=1)
    np.testing.assert_allclose(trend.numpy(), expected, atol=1e-12)
    torch.testing.assert_close(season + trend, values)
    torch.testing.assert_close(SeriesDecomposition(kernel).season(values), season)


def test_a_constant_has_no_season():
    values = torch.full((1, 30, 2), 4.0, **DOUBLE)
    assert float(SeriesDecomposition(25)(values)[0].abs().max()) < 1e-12
    torch.testing.assert_close(moving_average(values, 25), values)


@pytest.mark.parametrize("kernel", [0, 2, 24, -3])
def test_a_kernel_without_a_centre_is_refused(kernel):
    with pytest.raises(SpecError, match=f"kernel was {kernel}; allowed: odd"):
        SeriesDecomposition(kernel)


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 5), (5, 2), (3, 3)])
def test_a_circular_convolution_is_that_of_torch(inputs, outputs):
    ours = CircularConvolution(inputs, outputs).double()
    theirs = torch.nn.Conv1d(inputs, outputs, 3, padding=1, padding_mode="circular", bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    values = drawn(2, 9, inputs)
    torch.testing.assert_close(ours(values), theirs(values.transpose(1, 2)).transpose(1, 2))


def test_attention_is_that_of_torch():
    ours = MultiHeadAttention(8, 2).double()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    tokens = drawn(3, 5, 8)
    torch.testing.assert_close(ours(tokens)[0], theirs(tokens, tokens, tokens)[0])


def test_scores_of_the_layer_below_are_added():
    attention, tokens = MultiHeadAttention(8, 2).double(), drawn(1, 4, 8)
    _, scores = attention(tokens)
    _, twice = attention(tokens, scores)
    torch.testing.assert_close(twice, 2 * scores)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(SpecError, match="width was 8 and heads were 3"):
        MultiHeadAttention(8, 3)


@pytest.mark.parametrize("is_affine", [True, False])
def test_normalisation_is_undone_exactly(is_affine):
    values = 5.0 + 3.0 * drawn(4, 20, 2)
    layer = ReversibleNormalisation(2, is_density=False, is_affine=is_affine).double()
    if is_affine:
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([2.0, -0.5]))
            layer.bias.copy_(torch.tensor([0.3, -1.0]))
    normal, centre, scale = layer(values)
    torch.testing.assert_close(layer.undo(normal.unsqueeze(-1), centre, scale).squeeze(-1), values)
    if not is_affine:
        torch.testing.assert_close(normal.mean(1), torch.zeros(4, 2, **DOUBLE), atol=1e-12, rtol=0)
        torch.testing.assert_close(
            normal.var(1, unbiased=False), torch.ones(4, 2, **DOUBLE), atol=1e-4, rtol=0
        )


def test_a_constant_window_is_normalised_to_finite_numbers():
    normal, _, _ = ReversibleNormalisation(1, is_density=False)(torch.full((1, 8, 1), 3.0))
    assert bool((normal == 0).all())


def test_a_density_is_moved_and_widened_but_keeps_its_tails():
    said = torch.tensor([1.0, 0.5, 0.2], **DOUBLE).view(1, 1, 1, 3)
    scale, centre = torch.full((1, 1, 1), 2.0, **DOUBLE), torch.full((1, 1, 1), 10.0, **DOUBLE)
    made = restored(said, centre, scale, is_density=True).flatten()
    torch.testing.assert_close(made, torch.tensor([12.0, 0.5 + np.log(2.0), 0.2], **DOUBLE))
