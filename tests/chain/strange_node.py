"""A node on loopback that says what it is told to, or asks a real one for the rest."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.guard import GUARD_S

CHAIN = {"eth_chainId": "0x7a69", "eth_blockNumber": "0x5", "web3_clientVersion": "strange/1"}


def result(value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def error(code: int, message: str, **more: Any) -> bytes:
    said = {"code": code, "message": message, **more}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "error": said}).encode()


class StrangeNode:
    """`answers`: by method, raw bodies in turn, the last for ever; a number is an HTTP status.

    most_blocks: of a range of logs; a wider one is refused with -32005.
    """

    def __init__(self, behind: str | None = None) -> None:
        self.answers: dict[str, list[bytes | int]] = {m: [result(r)] for m, r in CHAIN.items()}
        self.behind = behind
        if behind is not None:
            self.answers = {}
        self.most_blocks: int | None = None
        self.asked: list[str] = []
        self.paths: list[str] = []
        self.url = ""

    def answer(self, body: bytes) -> bytes | int:
        question = json.loads(body)
        method = question["method"]
        self.asked.append(method)
        if method == "eth_getLogs" and self.most_blocks is not None:
            start, end = (int(question["params"][0][key], 16) for key in ("fromBlock", "toBlock"))
            if end - start + 1 > self.most_blocks:
                return error(-32005, f"query exceeds max block range {self.most_blocks}")
        planned = self.answers.get(method)
        if planned:
            return planned.pop(0) if len(planned) > 1 else planned[0]
        if self.behind is not None:
            kind = {"Content-Type": "application/json"}
            return requests.post(self.behind, data=body, headers=kind, timeout=GUARD_S).content
        return error(-32601, f"the method {method} does not exist")


@contextmanager
def strange_node(behind: str | None = None) -> Iterator[StrangeNode]:
    node = StrangeNode(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            node.paths.append(self.path)
            answer = node.answer(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = (answer, b"") if isinstance(answer, int) else (200, answer)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    node.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
