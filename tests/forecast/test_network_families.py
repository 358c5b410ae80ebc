"""The stock networks: the published numbers of parameters from the shipped files, and slow twins of what they compute."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from backtest.configuration import read_config
from backtest.spec import load_spec
from data.registry import validated
from forecast.checks import synthetic_history
from forecast.models.cnn import Cnn
from forecast.models.encoder_decoder import EncoderDecoder
from forecast.models.network import AbstractNetwork
from forecast.models.network_layers import StackedPieces
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PARAMETERS = {
    "cnn_univ_5": 289,
    "cnn_univ_10": 769,
    "cnn_multv_10": 7_373,
    "cnn_multh_10": 132_965,
    "lstm_univ_5": 182_235,
    "lstm_univ_10": 182_235,
    "lstm_univ_ed_10": 502_601,
    "lstm_multv_ed_10": 505_801,
    "lstm_univ_cnn_10": 347_209,
    "lstm_univ_conv_10": 384_777,
}
"""Mehtab and Sen (2021), chapter 2."""

Array = npt.NDArray[Any]


def shipped(name: str) -> AbstractNetwork:
    (network,) = [
        each
        for each in load_spec(CONFIGS / "networks" / f"{name}.yaml").forecaster
        if isinstance(each, AbstractNetwork)
    ]
    return network


def test_every_shipped_network_has_a_published_number_of_parameters() -> None:
    assert {path.stem for path in (CONFIGS / "networks").glob("*.yaml")} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_shipped_network_has_the_published_number_of_parameters(name: str) -> None:
    assert shipped(name).parameter_count() == PARAMETERS[name]


def test_the_reproduction_runs_the_shipped_networks() -> None:
    described: dict[str, Any] = dict(read_config(CONFIGS / "reproduce" / "nifty_cnn_lstm.yaml"))["networks"]
    for name, settings in described.items():
        built = FORECASTERS.build(settings)
        assert isinstance(built, AbstractNetwork)
        assert built.parameter_count() == PARAMETERS[name.lower()]
        known = shipped(name.lower())
        assert (type(built), built.context, built.epochs, built.batch) == (
            type(known),
            known.context,
            known.epochs,
            known.batch,
        )


def relu(values: Array) -> Array:
    return np.maximum(values, 0.0)


def weights(module: torch.nn.Module) -> list[Array]:
    return [weight.detach().numpy()[0].astype(float) for weight in module.parameters()]


def test_a_cnn_computes_what_plain_loops_compute() -> None:
    asked = Cnn(context=6, horizon=2, target="level", filters=((3, 4),), pools=(2,), kernel=2, dense=(5,))
    network = asked.stacked([7], asked.shape())
    window = np.random.default_rng(0).normal(size=(6, 1))
    rows = window
    first, first_bias, second, second_bias, dense, dense_bias, last, last_bias = weights(network)
    for kernel, bias in ((first, first_bias), (second, second_bias)):
        rows = np.array(
            [relu(flat(rows[i : i + 2], kernel) @ kernel + bias[0]) for i in range(len(rows) - 1)]
        )
    pooled = np.array([rows[i : i + 2].max(axis=0) for i in range(0, len(rows) - 1, 2)])
    said = relu(pooled.ravel() @ dense + dense_bias[0]) @ last + last_bias[0]
    with torch.no_grad():
        made = network(torch.from_numpy(window.astype(np.float32))[None, None])[0, 0].numpy()
    np.testing.assert_allclose(made, said, rtol=1e-5, atol=1e-6)


def flat(patch: Array, kernel: Array) -> Array:
    """A patch of rows as the stacked convolution lays it out: time before channel."""
    assert patch.size == len(kernel)
    return patch.ravel()


def lstm(rows: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """Every hidden state of a tanh LSTM, gates in the order entry, forget, output, fresh."""
    units = recurrent.shape[0]
    hidden, cell, states = np.zeros(units), np.zeros(units), []
    for row in rows:
        gates = row @ kernel + hidden @ recurrent + bias[0]
        entry, forget, output = (1 / (1 + np.exp(-gates[i * units : (i + 1) * units])) for i in range(3))
        cell = forget * cell + entry * np.tanh(gates[3 * units :])
        hidden = output * np.tanh(cell)
        states.append(hidden)
    return np.array(states)


def test_an_encoder_decoder_shows_the_last_state_at_every_step() -> None:
    asked = EncoderDecoder(context=5, horizon=3, target="level", units=4, decoder_units=3, dense=(2,))
    network = asked.stacked([7], asked.shape())
    window = np.random.default_rng(0).normal(size=(5, 1))
    encoder, decoder, (dense, dense_bias, last, last_bias) = (
        weights(network)[:3],
        weights(network)[3:6],
        weights(network)[6:],
    )
    summary = lstm(window, *encoder)[-1]
    states = lstm(np.repeat(summary[None], 3, axis=0), *decoder)
    said = (np.tanh(states @ dense + dense_bias[0]) @ last + last_bias[0]).ravel()
    with torch.no_grad():
        made = network(torch.from_numpy(window.astype(np.float32))[None, None])[0, 0].numpy()
    np.testing.assert_allclose(made, said, rtol=1e-4, atol=1e-6)


def test_a_column_of_filters_sees_its_own_channel_alone() -> None:
    asked = Cnn(context=8, horizon=2, target="level", columns="each", fields=("open",), dense=())
    network = asked.stacked([3], asked.shape())
    columns = next(network.children())
    window = torch.randn(1, 1, 8, 2, generator=torch.Generator().manual_seed(0))
    changed = window.clone()
    changed[..., 1] += 5.0
    with torch.no_grad():
        before, after = columns(window)[0, 0], columns(changed)[0, 0]
    half = len(before) // 2
    assert torch.equal(before[:half], after[:half])
    assert not torch.equal(before[half:], after[half:])


def test_pieces_are_cut_from_the_newest_rows() -> None:
    window = torch.arange(11.0).reshape(1, 1, 11, 1)
    assert StackedPieces(2)(window)[0, 0, :, :, 0].tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]


@pytest.mark.parametrize("kind", ["cnn", "lstm", "encoder_decoder", "cnn_lstm", "conv_lstm", "mlp_network"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_family_says_a_joint_distribution_with_either_activation(kind: str, activation: str) -> None:
    history = synthetic_history()
    settings = {"kind": kind, "context": 12, "horizon": 3, "epochs": 1, "activation": activation}
    asked = FORECASTERS.build({**settings, "series": "joint", "loss": "student_t"})
    made = asked.fit(history, RandomStreams(1, history.cutoff)).predict(
        history, RandomStreams(1, history.cutoff)
    )
    assert made.values.shape == (3, 3, len(asked.levels))


def test_first_weights_of_a_member_do_not_depend_on_how_many_there_are() -> None:
    for kind in ("cnn", "lstm", "encoder_decoder", "cnn_lstm", "conv_lstm", "mlp_network"):
        asked = validated(FORECASTERS.load(kind), {"context": 12, "horizon": 3}, "network")
        assert isinstance(asked, AbstractNetwork)
        one, three = asked.stacked([5], asked.shape()), asked.stacked([9, 5, 2], asked.shape())
        for alone, together in zip(one.parameters(), three.parameters(), strict=True):
            assert torch.equal(alone[0], together[1])
