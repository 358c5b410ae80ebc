"""Claims about reading a pool from a node: what went in comes out, whatever the node refuses, and no reorganisation passes unseen."""

import importlib.util
from pathlib import Path

import httpx
import numpy as np
import pytest

from data.amm.event_file import event_log
from data.errors import LakeError, OfflineError, PoolError, ReorgError, SourceError, SpecError
from data.lake import entries
from data.registry import Registry
from data.sources.ethereum_rpc import URL_VARIABLE, PoolRpcSource
from data.sources.fetched import Machine
from data.sources.pool_batches import folder_of
from data.sources.rpc_client import ATTEMPTS, RpcClient

_ORACLES = Path(__file__).parents[1] / "oracles"


def _loaded(name):
    spec = importlib.util.spec_from_file_location(name, _ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = _loaded("pool_tables")
simulated = _loaded("simulated_chain")
KINDS = Registry("data source", {"pool_rpc": "data.sources.ethereum_rpc:PoolRpcSource"}, "wayfold.sources")
NOW = "2024-02-01T00:00:00+00:00"
WBTC = {"token0": "WBTC", "token1": "WETH", "decimals0": 8, "decimals1": 18, "fee_pips": 3000}
BLOCKS = (100, 610)


def pool(**more) -> PoolRpcSource:
    config = {
        "kind": "pool_rpc",
        "address": simulated.ADDRESS,
        "pool": WBTC,
        "from_block": BLOCKS[0],
        "to_block": BLOCKS[1],
        "blocks_per_request": 100,
        **more,
    }
    return KINDS.build(config, "data")


ROWS = made.event_table(count=1000, is_whole=True).to_dict("records")


def chain_of(rows=ROWS, head=BLOCKS[1] + 100, **more):
    return simulated.Chain(rows, head, **more)


def fetched(lake, chain, **more):
    return pool(**more).fetch(lake, NOW, chain.client(RpcClient))


def test_the_events_that_went_in_come_out(tmp_path):
    entry = fetched(tmp_path, chain_of())
    assert entry.rows == len(ROWS)
    history = pool().load(tmp_path)
    original = event_log(made.event_table(count=1000, is_whole=True))
    expected = original.to_pool_log(made.WBTC)
    times = np.datetime64(simulated.START_TIME, "s") + 12 * expected.swaps.blocks
    for name in ("blocks", "log_indices", "sqrt_before", "sqrt_after", "amount0", "amount1", "liquidity"):
        np.testing.assert_array_equal(getattr(history.pool.swaps, name), getattr(expected.swaps, name))
    np.testing.assert_array_equal(history.pool.swaps.times, times)
    assert history.pool.changes.liquidity.tolist() == [made.HELD]
    assert history.panel.series == ("WBTC/WETH 0.3%",)


def test_the_exact_events_are_equal_too(tmp_path):
    table = pool().download(chain_of().client(RpcClient))
    log, original = event_log(table), event_log(made.event_table(count=1000, is_whole=True))
    assert log.events == original.events
    assert (log.start_sqrt_x96, log.is_whole) == (original.start_sqrt_x96, True)


def test_only_two_questions_are_ever_asked(tmp_path):
    chain = chain_of()
    fetched(tmp_path, chain)
    assert {method for method, *_ in chain.asked} == {"eth_getLogs", "eth_getBlockByNumber"}


def test_too_many_results_halve_the_stretch_until_they_fit(tmp_path):
    chain = chain_of(most=30)
    fetched(tmp_path, chain)
    widths = [batch.last - batch.first + 1 for batch in finished_in(tmp_path)]
    assert max(widths) <= 30
    assert sum(widths) == BLOCKS[1] - BLOCKS[0] + 1
    assert pool().load(tmp_path).fingerprint() == history_of_whole(tmp_path / "whole").fingerprint()


def history_of_whole(lake):
    fetched(lake, chain_of())
    return pool().load(lake)


def finished_in(lake):
    from data.sources.pool_batches import finished

    return finished(folder_of(lake, simulated.ADDRESS), *BLOCKS)


def test_one_block_that_is_too_much_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="block 100 alone is too much for node.example"):
        fetched(tmp_path, chain_of(most=0))


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, json={"error": {"code": -32005, "message": "rate limit exceeded"}}),
    ],
)
def test_a_busy_node_is_asked_again_after_a_pause(tmp_path, fault):
    chain = chain_of()
    chain.faults = [None, fault, fault]
    fetched(tmp_path, chain)
    is_told = isinstance(fault, httpx.Response) and "retry-after" in fault.headers
    assert chain.pauses == ([7.0, 7.0] if is_told else [1.0, 2.0])
    assert len(pool().load(tmp_path).pool.swaps) == 1000


def test_pauses_grow_and_patience_ends(tmp_path):
    chain = chain_of()
    chain.faults = [httpx.ConnectError("refused")] * ATTEMPTS
    with pytest.raises(
        OfflineError, match="node.example could not be reached in 6 attempts: ConnectError"
    ) as caught:
        fetched(tmp_path, chain)
    assert chain.pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401, text="who are you"), "status 401 and no JSON"),
        (
            httpx.Response(200, json={"error": {"code": -32601, "message": "method not found"}}),
            "refused .*: method not found",
        ),
        (httpx.Response(200, json={"id": 1}), "refused eth_getBlockByNumber: no result"),
        (httpx.Response(200, json={"id": 1, "result": "no"}), "does not know block finalized"),
        (
            httpx.Response(200, json={"id": 1, "result": {"number": "0x1"}}),
            "answered about block finalized without 'hash'",
        ),
    ],
)
def test_an_answer_that_is_none_is_refused_at_once(tmp_path, answer, words):
    chain = chain_of()
    chain.faults = [answer]
    with pytest.raises(SourceError, match=words):
        fetched(tmp_path, chain)
    assert chain.pauses == []


def test_an_interrupted_fetch_goes_on_where_it_ended(tmp_path):
    chain = chain_of()
    chain.faults = [None] * 9 + [httpx.ConnectError("gone")] * ATTEMPTS
    with pytest.raises(OfflineError):
        fetched(tmp_path, chain)
    done = finished_in(tmp_path)
    assert done
    assert entries(tmp_path) == []
    chain.asked.clear()
    fetched(tmp_path, chain)
    asked = [
        int(block, 16)
        for method, *rest in chain.asked
        if method == "eth_getBlockByNumber"
        for block in rest
        if block != "finalized"
    ]
    assert min(asked) == done[-1].last
    assert pool().load(tmp_path).fingerprint() == history_of_whole(tmp_path / "whole").fingerprint()


def test_a_second_fetch_reads_nothing_again_and_makes_no_revision(tmp_path):
    chain = chain_of()
    fetched(tmp_path, chain)
    chain.asked.clear()
    assert fetched(tmp_path, chain).revision == 1
    assert "eth_getLogs" not in {method for method, *_ in chain.asked}


def test_a_longer_fetch_reads_only_what_is_new(tmp_path):
    chain = chain_of()
    fetched(tmp_path, chain, to_block=299)
    chain.asked.clear()
    fetched(tmp_path, chain)
    assert sum(method == "eth_getLogs" for method, *_ in chain.asked) == 4
    assert pool().load(tmp_path).fingerprint() == history_of_whole(tmp_path / "whole").fingerprint()


def test_blocks_that_were_not_final_and_were_replaced_are_read_again(tmp_path):
    chain = chain_of(final=350)
    fetched(tmp_path, chain)
    before = finished_in(tmp_path)
    chain.fork(450)
    dropped = [row for row in ROWS if int(row["block_number"]) <= 480]
    chain.rows = dropped
    fetched(tmp_path, chain)
    after = finished_in(tmp_path)
    assert [batch.hash for batch in after[:3]] == [batch.hash for batch in before[:3]]
    assert after[3].hash != before[3].hash
    assert pool().load(tmp_path).pool.swaps.blocks.max() <= 480
    assert [entry.revision for entry in entries(tmp_path)] == [1, 2]


def test_a_final_block_with_another_hash_is_a_reorganisation_and_drops_nothing(tmp_path):
    chain = chain_of()
    fetched(tmp_path, chain)
    before = finished_in(tmp_path)
    chain.fork(550)
    with pytest.raises(ReorgError, match="block 610 was read under hash 0x.* though it is final"):
        fetched(tmp_path, chain)
    assert finished_in(tmp_path) == before


def answering(chain, after, change):
    """The chain's answers, with a change to it made after so many logs were sent."""
    told = {"logs": 0}

    def answer(request):
        response = simulated.Chain.answer(chain, request)
        told["logs"] += b"eth_getLogs" in request.content
        if told["logs"] == after:
            told["logs"] = 10**9
            change()
        return response

    return RpcClient(
        httpx.Client(transport=httpx.MockTransport(answer)), "https://node.example", chain.pauses.append
    )


@pytest.mark.parametrize(
    ("block", "words"),
    [(250, "block 299 was replaced while blocks 200 to 299 were read"), (150, "block 199|block 299")],
)
def test_a_chain_that_changes_while_it_is_read_is_noticed(tmp_path, block, words):
    chain = chain_of()
    client = answering(chain, 2, lambda: chain.fork(block))
    with pytest.raises(ReorgError, match=words):
        pool().fetch(tmp_path, NOW, client)
    assert len(finished_in(tmp_path)) == 1


def test_a_stretch_that_does_not_follow_the_one_before_is_noticed(tmp_path):
    chain = chain_of(final=0)
    fetched(tmp_path, chain, to_block=199)
    client = answering(chain, 10**6, lambda: None)
    chain.fork(150)
    kept = chain.hash
    chain.hash = lambda number: kept(number) if number != 199 else finished_hash
    finished_hash = finished_in(tmp_path)[-1].hash
    chain.block = lambda number: {**simulated.Chain.block(chain, number), "parentHash": kept(number - 1)}
    with pytest.raises(ReorgError, match="block 200 does not follow block 199 as it was read"):
        pool().fetch(tmp_path, NOW, client)


def test_an_altered_stretch_is_refused(tmp_path):
    fetched(tmp_path, chain_of())
    path = finished_in(tmp_path)[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LakeError, match="was altered; delete it and fetch again"):
        fetched(tmp_path, chain_of())


def test_a_file_that_is_no_stretch_is_named(tmp_path):
    folder = folder_of(tmp_path, simulated.ADDRESS)
    folder.mkdir(parents=True)
    (folder / "notes.parquet").touch()
    with pytest.raises(LakeError, match="notes.parquet is no batch by its name"):
        fetched(tmp_path, chain_of())


def test_without_a_last_block_it_reads_to_the_newest_final_one(tmp_path):
    fetched(tmp_path, chain_of(final=400), to_block=None)
    assert pool().load(tmp_path).pool.swaps.blocks.max() == 400


def test_blocks_the_node_does_not_have_are_an_error(tmp_path):
    with pytest.raises(SourceError, match="node.example does not know block 610"):
        fetched(tmp_path, chain_of(head=500, final=500), blocks_per_request=5000)
    with pytest.raises(SourceError, match="from_block 100 is after block 50, the newest final one"):
        fetched(tmp_path, chain_of(final=50), to_block=None)


def test_blocks_without_a_log_are_no_history(tmp_path):
    with pytest.raises(SourceError, match="blocks 100 to 610 hold no log of 0xcc"):
        fetched(tmp_path, chain_of(rows=[]))


def test_another_protocol_share_than_the_pools_is_refused(tmp_path):
    share = {
        "block_number": "300",
        "log_index": "9",
        "tx_type": "SET_FEE_PROTOCOL",
        "amount0": "4",
        "amount1": "6",
    }
    rows = (
        [row for row in ROWS if int(row["block_number"]) <= 300]
        + [share]
        + [row for row in ROWS if int(row["block_number"]) > 300]
    )
    fetched(tmp_path, chain_of(rows=rows))
    with pytest.raises(
        PoolError, match="became 1/4 and 1/6 .* at block 300, log 9; the pool is said to have 0 and 0"
    ):
        pool().load(tmp_path)
    assert pool(pool={**WBTC, "protocol0": 4, "protocol1": 6}).load(tmp_path)


def test_flash_loans_are_told_in_the_notes(tmp_path):
    flash = {"block_number": "300", "log_index": "9", "tx_type": "FLASH", "amount0": "4", "amount1": "6"}
    rows = (
        [row for row in ROWS if int(row["block_number"]) <= 300]
        + [flash]
        + [row for row in ROWS if int(row["block_number"]) > 300]
    )
    fetched(tmp_path, chain_of(rows=rows))
    assert "Fees of 1 flash loans" in pool().load(tmp_path).notes[1]


def test_loading_before_fetching_says_how_to_fetch(tmp_path):
    with pytest.raises(SourceError, match="wayfold data fetch"):
        pool().load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "0x12"}, "data.address"),
        ({"to_block": 5}, "to_block 5 is before from_block 100"),
        ({"bar": "1 moon"}, "bar length"),
    ],
)
def test_a_wrong_setting_is_refused(change, words):
    with pytest.raises(SpecError, match=words):
        pool(**change)


URL = "https://user:passcode@node.example/v3/0123abcd?token=4567ef&89%2Bkey"
KEYS = ("user", "passcode", "0123abcd", "4567ef", "89%2Bkey", "89+key")


def shows_no_key(text) -> bool:
    return not [key for key in KEYS if key in text]


def test_the_real_client_asks_the_machines_node_and_waits_as_it_is_told():
    waits = []
    client = pool().transport(Machine(waits.append, URL))
    client.pause(3.0)
    assert (waits, client.host, client.url) == ([3.0], "node.example", URL)


def test_what_is_given_by_the_machine_is_shown_by_nothing():
    machine = Machine(print, URL)
    source = pool()
    client = source.transport(machine)
    shown = (machine, source, client, source.identity(), source.origin(NOW), KINDS.describe(source))
    assert shows_no_key(" ".join(map(repr, shown)))
    assert "url" not in KINDS.describe(source)


def test_a_configuration_may_not_name_the_node():
    with pytest.raises(SpecError, match="unknown key 'data.url'") as caught:
        pool(url=URL)
    assert shows_no_key(str(caught.value))


def test_a_machine_without_a_node_says_what_to_set():
    with pytest.raises(SpecError, match=f"no Ethereum node is named; set {URL_VARIABLE}"):
        pool().transport(Machine(print, None))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "0123abcd",
        "node.example/0123abcd",
        "ftp://user:passcode@node.example",
        "https://",
        "https:///0123abcd",
        "https://node.example:passcode/",
        "https://ü..0123abcd",
        "https://node.example/0123abcd\x00",
        "https://node.example/0123abcd\udcff",
        "https://node.example/" + "0123abcd" * 10_000,
    ],
)
def test_what_is_no_address_is_refused_unseen(url):
    with pytest.raises(SpecError, match=f"^{URL_VARIABLE} is no address of a node") as caught:
        pool().transport(Machine(print, url))
    assert shows_no_key(str(caught.value))
    assert caught.value.__context__ is None


ANSWERS = {
    "a refusal that repeats the key": {"error": {"code": -1, "message": f"key 0123abcd of {URL} is unknown"}},
    "a refusal of credentials": {"error": {"code": -1, "message": "user with passcode may not use 4567ef"}},
    "a refusal without words": {"error": {"code": -1, "path": "/v3/0123abcd"}},
    "a refusal of many blocks": {"error": {"code": -32005, "message": "too many results for 89+key"}},
    "no answer": {"path": "/v3/0123abcd"},
}


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx.Response(200, json=answer) for answer in ANSWERS.values()),
        httpx.Response(401, text=URL),
        httpx.Response(302, headers={"location": URL}),
        httpx.ConnectError(URL),
        httpx.Response(503, text=URL),
    ],
    ids=[*ANSWERS, "no JSON", "a redirection", "no connection", "a busy node"],
)
def test_no_message_repeats_the_address_of_the_node(tmp_path, fault):
    chain = chain_of()
    chain.faults = [fault] * ATTEMPTS
    with pytest.raises(SourceError, match="node.example") as caught:
        pool().fetch(tmp_path, NOW, chain.client(RpcClient, URL))
    assert shows_no_key(str(caught.value))


def test_words_of_the_node_stay_readable_without_its_address():
    chain = chain_of()
    chain.faults = [httpx.Response(200, json=ANSWERS["a refusal that repeats the key"])]
    with pytest.raises(SourceError, match=r"refused eth_getBlockByNumber: key \*\*\* of \*\*\* is unknown"):
        pool().download(chain.client(RpcClient, URL))


def test_the_lake_keeps_nothing_of_the_node(tmp_path):
    pool().fetch(tmp_path, NOW, chain_of().client(RpcClient, URL))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept for key in ("node.example", *KEYS) if key.encode() in path.read_bytes()]
