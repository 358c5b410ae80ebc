"""Chain logs: what a pool's contract emits, decoded from topics and words of 32 bytes into rows of an event file.

The layout is that of the contract ABI: topic 0 is the Keccak-256 of the event's signature, indexed arguments follow as topics,
the others stand one a word in ``data``; integers are big-endian, signed ones in two's complement.
"""

from collections.abc import Callable, Mapping
from typing import Any

from data.errors import PoolError

SIGNATURES: dict[str, str] = {
    "SWAP": "Swap(address,address,int256,int256,uint160,uint128,int24)",
    "MINT": "Mint(address,address,int24,int24,uint128,uint256,uint256)",
    "BURN": "Burn(address,int24,int24,uint128,uint256,uint256)",
    "COLLECT": "Collect(address,address,int24,int24,uint128,uint128)",
    "FLASH": "Flash(address,address,uint256,uint256,uint256,uint256)",
    "INITIALIZE": "Initialize(uint160,int24)",
    "SET_FEE_PROTOCOL": "SetFeeProtocol(uint8,uint8,uint8,uint8)",
}
"""Signature of each kind of row."""

TOPICS: dict[str, str] = {
    "SWAP": "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67",
    "MINT": "0x7a53080ba414158be7ec69b987b5fb7d07dee101fe85488f0853ae16239d0bde",
    "BURN": "0x0c396cd989a39f4459b5fa1aed6a9a8dcdbc45908acfd67e028cd568da98982c",
    "COLLECT": "0x70935338e69775456a85ddef226c395fb668b63fa0115f5f20610b388e6ca9c0",
    "FLASH": "0xbdbdb71d7860376ba52b25a5028beea23581364a40522f6bcfb86bb1f2dca633",
    "INITIALIZE": "0x98636036cb66a9c19a37435efc1e90142190214e8abeb821bdba3f2990dd4c95",
    "SET_FEE_PROTOCOL": "0x973d8d92bb299f4af6ce49b52a8adb85ae46b9f214c4c4fc06ac77401237b133",
}
"""Keccak-256 of each signature."""

_KINDS = {topic: kind for kind, topic in TOPICS.items()}
_SHAPES = {"SWAP": (3, 5), "MINT": (4, 4), "BURN": (4, 3), "COLLECT": (4, 3), "FLASH": (3, 4), "INITIALIZE": (1, 2), "SET_FEE_PROTOCOL": (1, 4)}  # fmt: skip

Row = dict[str, str]


def decode_log(log: Mapping[str, Any]) -> Row:
    """Return one log of ``eth_getLogs`` as a row of an event file, all values as text.

    A flash loan's row holds what was paid for it, a new protocol share's row 1 / share of token0 and token1, both in
    ``amount0`` and ``amount1``.

    Raises:
        PoolError: when the log was taken back, is of another event, lacks a part, or has not the event's number of words.
    """
    block, place = quantity(log.get("blockNumber")), quantity(log.get("logIndex"))
    where = f"block {block}, log {place}"
    if log.get("removed"):
        raise PoolError(f"the log at {where} was taken back by a reorganisation; ask for it again")
    for part in ("topics", "data", "transactionHash", "blockHash"):
        if log.get(part) is None:
            raise PoolError(f"the log at {where} has no '{part}'")
    topics = [str(topic).lower() for topic in log["topics"]]
    kind = _KINDS.get(topics[0] if topics else "")
    if kind is None:
        raise PoolError(f"the log at {where} has topic {topics[:1]}; allowed: {', '.join(TOPICS)}")
    words = _words(str(log["data"]), where)
    if (len(topics), len(words)) != _SHAPES[kind]:
        raise PoolError(
            f"the {kind} at {where} has {len(topics)} topics and {len(words)} words; {_SHAPES[kind]} are those of {SIGNATURES[kind]}"
        )
    values = _DECODERS[kind]([_number(topic, where) for topic in topics], words)
    return {
        "block_number": str(block),
        "log_index": str(place),
        "tx_type": kind,
        "transaction_hash": str(log["transactionHash"]),
        "block_hash": str(log["blockHash"]).lower(),
        **{name: value if isinstance(value, str) else str(value) for name, value in values.items()},
    }


def quantity(text: Any) -> int:
    """Return a quantity of JSON-RPC: 0x and hexadecimal digits.

    Raises:
        PoolError: when it is anything else.
    """
    if not isinstance(text, str) or not text.startswith("0x"):
        raise PoolError(f"a quantity was {text!r}; 0x and hexadecimal digits are needed")
    try:
        return int(text, 16)
    except ValueError as error:
        raise PoolError(f"a quantity was {text!r}; 0x and hexadecimal digits are needed") from error


def signed(word: int, bits: int) -> int:
    """Return the low ``bits`` of a word in two's complement."""
    low = word & ((1 << bits) - 1)
    return low - (1 << bits) if low >> (bits - 1) else low


def _words(data: str, where: str) -> list[int]:
    digits = data.removeprefix("0x")
    if len(digits) % 64:
        raise PoolError(f"the log at {where} has {len(digits) // 2} bytes of data; words of 32 are needed")
    return [_number(digits[i : i + 64], where) for i in range(0, len(digits), 64)]


def _number(digits: str, where: str) -> int:
    try:
        return int(digits, 16)
    except ValueError as error:
        raise PoolError(f"the log at {where} holds {digits!r}; hexadecimal digits are needed") from error


def _swap(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {
        "amount0": signed(words[0], 256),
        "amount1": signed(words[1], 256),
        "sqrtPriceX96": words[2],
        "total_liquidity": words[3],
        "current_tick": signed(words[4], 24),
    }


def _range(topics: list[int], amounts: list[int]) -> dict[str, Any]:
    return {
        "owner": f"0x{topics[1]:040x}",
        "tick_lower": signed(topics[2], 24),
        "tick_upper": signed(topics[3], 24),
        "amount0": amounts[0],
        "amount1": amounts[1],
    }


def _mint(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {**_range(topics, words[2:]), "liquidity": words[1]}


def _burn(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {**_range(topics, words[1:]), "liquidity": words[0]}


def _collect(topics: list[int], words: list[int]) -> dict[str, Any]:
    return _range(topics, words[1:])


def _flash(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {"amount0": words[2], "amount1": words[3]}


def _initialize(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {"sqrtPriceX96": words[0], "current_tick": signed(words[1], 24)}


def _protocol(topics: list[int], words: list[int]) -> dict[str, Any]:
    return {"amount0": words[2], "amount1": words[3]}


_DECODERS: dict[str, Callable[[list[int], list[int]], dict[str, Any]]] = {
    "SWAP": _swap,
    "MINT": _mint,
    "BURN": _burn,
    "COLLECT": _collect,
    "FLASH": _flash,
    "INITIALIZE": _initialize,
    "SET_FEE_PROTOCOL": _protocol,
}
