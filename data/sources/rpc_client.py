"""JSON-RPC client: the two questions put to an Ethereum node, with patience; it reads and can do nothing else."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx  # noqa: TID251 (this is the room of the network)

from data.amm.chain_logs import TOPICS, quantity
from data.errors import OfflineError, PoolError, SourceError

ATTEMPTS = 6
LONGEST_PAUSE = 60.0
HEADERS_A_CALL = 100

_BUSY = {429, 500, 502, 503, 504}
_RATE_WORDS = ("rate limit", "too many requests", "compute units")
_BUSY_WORDS = (*_RATE_WORDS, "try again", "timeout", "timed out")
_LARGE_CODES = {-32005, -32602, -32000, -32614}
_LARGE_WORDS = (
    "more than",
    "too many",
    "too large",
    "block range",
    "response size",
    "limit exceeded",
    "query returned",
)


class TooManyResultsError(SourceError):
    """A node refuses to answer about so many blocks at once."""


@dataclass(frozen=True)
class Header:
    """What is kept of a block: number, hash, parent's hash, and its time in seconds since 1970 (UTC)."""

    number: int
    hash: str
    parent: str
    time: int


@dataclass(frozen=True)
class RpcClient:
    """A node.

    Attributes:
        http: what sends the requests.
        url: where the node listens; it may hold a key, so no message shows more of it than the host, even where the node
            repeats it.
        pause: waits so many seconds; asked for between attempts only.
    """

    http: httpx.Client
    url: str = field(repr=False)
    pause: Callable[[float], None]

    @property
    def host(self) -> str:
        """The node in words."""
        return httpx.URL(self.url).host

    def logs(self, address: str, first: int, last: int) -> list[Mapping[str, Any]]:
        """Return every known log of a contract in blocks ``first`` to ``last``, as the node words them.

        Raises:
            TooManyResultsError: when the node wants fewer blocks at once.
            OfflineError: when it cannot be reached.
            SourceError: when it refuses or answers with something else.
        """
        asked = {
            "address": address,
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [list(TOPICS.values())],
        }
        found = self._one("eth_getLogs", [asked])
        if not isinstance(found, list):
            raise SourceError(
                f"{self.host} answered eth_getLogs with {type(found).__name__}; a list is needed"
            )
        return found

    def header(self, block: int | str) -> Header:
        """Return the header of a block by number, or by a name such as ``finalized``.

        Raises:
            OfflineError: when the node cannot be reached.
            SourceError: when it does not know the block.
        """
        name = block if isinstance(block, str) else hex(block)
        return self._header(self._one("eth_getBlockByNumber", [name, False]), block)

    def headers(self, blocks: Sequence[int]) -> dict[int, Header]:
        """Return the headers of many blocks, a hundred a request.

        Raises:
            OfflineError: when the node cannot be reached.
            SourceError: when it does not know a block or leaves one out.
        """
        found: dict[int, Header] = {}
        for start in range(0, len(blocks), HEADERS_A_CALL):
            part = blocks[start : start + HEADERS_A_CALL]
            calls = [_call("eth_getBlockByNumber", [hex(block), False], block) for block in part]
            answers = self._ask(calls)
            if not isinstance(answers, list):
                raise SourceError(
                    f"{self.host} does not answer {len(calls)} questions at once: {self._said(answers)}"
                )
            by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, Mapping)}
            for block in part:
                found[block] = self._header(self._result(by_id.get(block, {}), f"block {block}"), block)
        return found

    def _header(self, answer: Any, block: int | str) -> Header:
        if not isinstance(answer, Mapping):
            raise SourceError(f"{self.host} does not know block {block}")
        try:
            return Header(
                quantity(answer["number"]),
                str(answer["hash"]).lower(),
                str(answer["parentHash"]).lower(),
                quantity(answer["timestamp"]),
            )
        except (KeyError, PoolError) as error:
            raise SourceError(f"{self.host} answered about block {block} without {error}") from error

    def _one(self, method: str, params: list[Any]) -> Any:
        return self._result(self._ask(_call(method, params, 1)), method)

    def _result(self, answer: Any, what: str) -> Any:
        if isinstance(answer, Mapping) and "result" in answer:
            return answer["result"]
        error = answer.get("error") if isinstance(answer, Mapping) else None
        if isinstance(error, Mapping) and _is_large(error):
            raise TooManyResultsError(f"{self.host} wants fewer blocks at once: {self._said(answer)}")
        raise SourceError(f"{self.host} refused {what}: {self._said(answer)}")

    def _said(self, answer: Any) -> str:
        """Return the node's own words, without what it repeats of its address: many name the key they refuse."""
        error = answer.get("error") if isinstance(answer, Mapping) else None
        if not isinstance(error, Mapping):
            return "no result"
        said = str(error.get("message", error))
        for part in _secrets(httpx.URL(self.url)):
            said = said.replace(part, "***")
        return said

    def _ask(self, calls: Any) -> Any:
        """Send a request; ask again, later and later, while the node is busy or cannot be reached."""
        trouble: Exception | None = None
        said = ""
        for attempt in range(ATTEMPTS):
            wait = min(LONGEST_PAUSE, 2.0**attempt)
            try:
                response = self.http.post(self.url, json=calls)
            except httpx.TransportError as error:
                trouble, said = error, type(error).__name__
            else:
                trouble, said = None, f"status {response.status_code}"
                answer = self._answer(response)
                if answer is not None:
                    return answer
                wait = _asked_pause(response) or wait
            if attempt + 1 < ATTEMPTS:
                self.pause(wait)
        if trouble is not None:
            raise OfflineError(
                f"{self.host} could not be reached in {ATTEMPTS} attempts: {said}"
            ) from trouble
        raise SourceError(f"{self.host} was too busy to answer {ATTEMPTS} times: {said}")

    def _answer(self, response: httpx.Response) -> Any | None:
        """Return the node's answer, or None when it asks for patience."""
        if response.status_code in _BUSY:
            return None
        if response.status_code in (400, 413) and not _is_json(response):
            raise TooManyResultsError(f"{self.host} wants less at once: status {response.status_code}")
        if not _is_json(response):
            raise SourceError(f"{self.host} answered with status {response.status_code} and no JSON")
        answer = response.json()
        return None if _is_busy(answer) else answer


def _call(method: str, params: list[Any], number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def _secrets(url: httpx.URL) -> list[str]:
    """Return every part of an address that may be a key, longest first."""
    path = url.raw_path.decode("ascii")
    words = [word for text in (path, unquote(path)) for word in re.split("[/?&=]", text)]
    return sorted({str(url), url.username, url.password, path, *words} - {"", "/"}, key=len, reverse=True)


def _is_json(response: httpx.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _is_busy(answer: Any) -> bool:
    """Return whether any part of an answer is an error that passes with time."""
    parts = answer if isinstance(answer, list) else [answer]
    errors = [part.get("error") for part in parts if isinstance(part, Mapping)]
    return any(
        isinstance(error, Mapping)
        and any(word in str(error.get("message", "")).lower() for word in _BUSY_WORDS)
        and not _is_large(error)
        for error in errors
    )


def _is_large(error: Mapping[str, Any]) -> bool:
    """Return whether an error asks for fewer blocks; what asks for fewer questions passes with time."""
    words = str(error.get("message", "")).lower()
    is_rate = any(word in words for word in _RATE_WORDS)
    return not is_rate and error.get("code") in _LARGE_CODES and any(word in words for word in _LARGE_WORDS)


def _asked_pause(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return min(LONGEST_PAUSE, float(text)) if text.isdigit() else None
