"""Claims about the decoding of a contract's logs: hashes of signatures, two's complement, and every kind of event there and back."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.chain_logs import SIGNATURES, TOPICS, decode_log, quantity, signed
from data.errors import PoolError

_ORACLES = Path(__file__).parents[1] / "oracles"


def _loaded(name):
    spec = importlib.util.spec_from_file_location(name, _ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


keccak = _loaded("keccak_oracle")
chain = _loaded("simulated_chain")

AMOUNT = st.integers(0, 2**128 - 1).map(str)
SIGNED = st.integers(-(2**255), 2**255 - 1).map(str)
TICK = st.integers(-887_272, 887_272).map(str)
OWNER = st.integers(0, 2**160 - 1).map(lambda n: f"0x{n:040x}")
RANGE = {"tick_lower": TICK, "tick_upper": TICK, "amount0": AMOUNT, "amount1": AMOUNT, "owner": OWNER}
ROWS = {
    "SWAP": {
        "amount0": SIGNED,
        "amount1": SIGNED,
        "sqrtPriceX96": AMOUNT,
        "total_liquidity": AMOUNT,
        "current_tick": TICK,
    },
    "MINT": {**RANGE, "liquidity": AMOUNT},
    "BURN": {**RANGE, "liquidity": AMOUNT},
    "COLLECT": RANGE,
    "FLASH": {"amount0": AMOUNT, "amount1": AMOUNT},
    "INITIALIZE": {"sqrtPriceX96": AMOUNT, "current_tick": TICK},
    "SET_FEE_PROTOCOL": {"amount0": AMOUNT, "amount1": AMOUNT},
}


def test_keccak_of_nothing_and_of_a_transfer_are_the_published_ones():
    assert keccak.keccak256(b"") == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    assert keccak.keccak256(b"Transfer(address,address,uint256)") == transfer


@pytest.mark.parametrize("kind", SIGNATURES)
def test_a_topic_is_the_hash_of_its_signature(kind):
    assert keccak.keccak256(SIGNATURES[kind].encode()) == TOPICS[kind]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    data=st.data(),
    kind=st.sampled_from(sorted(ROWS)),
    block=st.integers(0, 2**40),
    place=st.integers(0, 5000),
)
def test_every_row_comes_back_from_its_log(data, kind, block, place):
    values = {name: data.draw(strategy) for name, strategy in ROWS[kind].items()}
    row = {"block_number": str(block), "log_index": str(place), "tx_type": kind, **values}
    found = decode_log(chain.Chain([], 0).log(row))
    assert {name: found[name] for name in row} == row


def test_negative_numbers_are_two_complement():
    assert signed(2**256 - 1, 256) == -1
    assert signed(2**256 - 887_272, 24) == -887_272
    assert signed(887_272, 24) == 887_272


def test_a_real_swap_is_decoded():
    # USDC/WETH 0.05 %, block 18937382, log 169: -22686110 USDC for 0.01 WETH.
    words = [-22686110, 10**16, 1662995104975155420368771254341874, 12453647101533358277, 199045]
    log = {
        "topics": [TOPICS["SWAP"], "0x" + "1" * 64, "0x" + "2" * 64],
        "data": "0x" + "".join(f"{n % 2**256:064x}" for n in words),
        "blockNumber": "0x120f626",
        "logIndex": "0xa9",
        "blockHash": "0xAB",
        "transactionHash": "0x0bb5",
        "removed": False,
    }
    row = decode_log(log)
    names = (
        "block_number",
        "log_index",
        "amount0",
        "amount1",
        "sqrtPriceX96",
        "total_liquidity",
        "current_tick",
    )
    assert [int(row[name]) for name in names] == [18937382, 169, *words]


LOG = chain.Chain([], 0).log(
    {"block_number": "7", "log_index": "3", "tx_type": "FLASH", "amount0": "1", "amount1": "2"}
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"removed": True}, "block 7, log 3 was taken back"),
        ({"topics": ["0x1234"]}, "block 7, log 3 has topic"),
        ({"topics": []}, "block 7, log 3 has topic"),
        ({"data": "0x12"}, "block 7, log 3 has 1 bytes of data"),
        ({"data": LOG["data"][:-64]}, "FLASH at block 7, log 3 has 3 topics and 3 words"),
        ({"data": "0x" + 256 * "g"}, "block 7, log 3 holds 'ggg"),
        ({"topics": [TOPICS["FLASH"], "0x1", "owner"]}, "block 7, log 3 holds 'owner'; hexadecimal digits"),
        ({"data": None}, "block 7, log 3 has no 'data'"),
        ({"blockHash": None}, "block 7, log 3 has no 'blockHash'"),
        ({"blockNumber": None}, "a quantity was None"),
        ({"logIndex": 3}, "a quantity was 3"),
        ({"logIndex": "0xzz"}, "a quantity was '0xzz'"),
    ],
)
def test_a_log_that_is_no_event_of_a_pool_is_refused(change, words):
    with pytest.raises(PoolError, match=words):
        decode_log({**LOG, **change})


def test_a_quantity_is_hexadecimal():
    assert quantity("0x0") == 0
    assert quantity("0xff") == 255
