"""A chain in memory behind an HTTP transport: blocks with hashes and parents, the logs of one contract, and faults on request."""

import json

import httpx

from data.amm.chain_logs import TOPICS

ADDRESS = "0x" + "c" * 40
OWNER = "0x" + "00" * 12 + "d" * 40
START_TIME = 1_704_400_000


def word(value, bits=256):
    """One ABI word: 64 hexadecimal digits, two's complement below 0."""
    return f"{value % 2**256:064x}"


def encoded(row):
    """Topics and data of one row of the event schema, written from the ABI layout."""
    kind = row["tx_type"]
    number = {
        name: int(value)
        for name, value in row.items()
        if isinstance(value, str) and value.lstrip("-").isdigit()
    }
    span = [f"0x{word(number[name])}" for name in ("tick_lower", "tick_upper") if name in number]
    owner = f"0x{int(row['owner'], 16):064x}" if str(row.get("owner", "")).startswith("0x") else OWNER
    amounts = [word(number[name]) for name in ("amount0", "amount1") if name in number]
    if kind == "SWAP":
        last = [word(number[name]) for name in ("sqrtPriceX96", "total_liquidity", "current_tick")]
        return [TOPICS[kind], OWNER, OWNER], "".join([*amounts, *last])
    if kind == "MINT":
        return [TOPICS[kind], owner, *span], "".join([OWNER[2:], word(number["liquidity"]), *amounts])
    if kind == "BURN":
        return [TOPICS[kind], owner, *span], "".join([word(number["liquidity"]), *amounts])
    if kind == "COLLECT":
        return [TOPICS[kind], owner, *span], "".join([OWNER[2:], *amounts])
    if kind == "INITIALIZE":
        return [TOPICS[kind]], word(number["sqrtPriceX96"]) + word(number["current_tick"])
    if kind == "FLASH":
        return [TOPICS[kind], OWNER, OWNER], "".join([word(5), word(6), *amounts])
    return [TOPICS[kind]], "".join([word(0), word(0), *amounts])


class Chain:
    """Blocks up to ``head`` that hold the rows given; every question is written down in ``asked``."""

    def __init__(self, rows, head, final=None, most=10**9):
        self.rows = rows
        self.head = head
        self.final = head if final is None else final
        self.most = most
        self.forks = {}
        self.asked = []
        self.faults = []
        self.pauses = []

    def hash(self, number):
        """A block's hash; it changes with every block at or before it that was replaced."""
        replaced = sum(1000 * version + block for block, version in self.forks.items() if block <= number)
        return f"0x{number:032x}{replaced:032x}"

    def fork(self, number):
        """Replace a block and all that follow."""
        self.forks[number] = self.forks.get(number, 0) + 1

    def client(self, make, url="https://key@node.example/secret"):
        """An ``RpcClient`` of this chain."""
        http = httpx.Client(transport=httpx.MockTransport(self.answer))
        return make(http, url, self.pauses.append)

    def answer(self, request):
        """Answer one HTTP request, after the next fault if there is one."""
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            if fault is not None:
                return fault
        body = json.loads(request.content)
        if isinstance(body, list):
            return httpx.Response(200, json=[self.result(call) for call in reversed(body)])
        return httpx.Response(200, json=self.result(body))

    def result(self, call):
        """The answer to one call."""
        method, params = call["method"], call["params"]
        self.asked.append((method, *([params[0]] if isinstance(params[0], str) else [])))
        if method == "eth_getBlockByNumber":
            number = self.final if params[0] == "finalized" else int(params[0], 16)
            return {
                "jsonrpc": "2.0",
                "id": call["id"],
                "result": self.block(number) if number <= self.head else None,
            }
        assert method == "eth_getLogs", f"{method} is no read of a pool"
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        found = [row for row in self.rows if first <= int(row["block_number"]) <= last]
        if last - first + 1 > self.most:
            error = {"code": -32005, "message": "query returned more than 10000 results"}
            return {"jsonrpc": "2.0", "id": call["id"], "error": error}
        return {"jsonrpc": "2.0", "id": call["id"], "result": [self.log(row) for row in found]}

    def block(self, number):
        """What a node says of a block."""
        return {
            "number": hex(number),
            "hash": self.hash(number),
            "parentHash": self.hash(number - 1),
            "timestamp": hex(START_TIME + 12 * number),
        }

    def log(self, row):
        """What a node says of a log."""
        topics, data = encoded(row)
        number = int(row["block_number"])
        return {
            "address": ADDRESS,
            "topics": topics,
            "data": f"0x{data}",
            "blockNumber": hex(number),
            "blockHash": self.hash(number),
            "logIndex": hex(int(row["log_index"])),
            "transactionHash": f"0x{number:064x}",
            "removed": False,
        }
