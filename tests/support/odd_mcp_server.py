"""An MCP server that does what its argument says: a program in nothing but Python, so that it may be wrong."""

import json
import sys
from typing import Any

CANARY = "canary-7f3a-said-by-a-server"


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def listed(number: int, kind: str, params: dict[str, Any]) -> None:
    tool = {"name": "t", "inputSchema": {"type": "object"}}
    if kind == "endless list":
        page = int(params.get("cursor") or 0) + 1
        send(id=number, result={"tools": [{**tool, "name": f"t{page}"}], "nextCursor": str(page)})
    elif kind == "no list":
        send(id=number, error={"code": -32000, "message": CANARY})
    elif kind == "wrong list":
        send(id=number, result={"tools": [tool, {"name": CANARY}]})
    elif kind != "silent list":
        send(id=number, result={"tools": [tool]})


def called(number: int, kind: str) -> None:
    if kind == "structure alone":
        send(id=number, result={"content": [], "structuredContent": {"hour": 12}})
    elif kind == "wrong answer":
        send(id=number, result={"content": [{"type": "video", "data": CANARY}]})
    elif kind == "half":
        send(id=number, result={"content": [{"type": "text", "text": "a\ud800b"}]})
    elif kind == "no answer":
        send(id=number, text=CANARY)
    else:
        send(id=number, error={"code": -32001, "message": CANARY})


def main(kind: str) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        number, method = message.get("id"), message.get("method")
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            about = {"name": "odd", "version": "1"}
            send(
                id=number,
                result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about},
            )
        elif method == "tools/list":
            listed(number, kind, message.get("params") or {})
        elif method == "tools/call":
            called(number, kind)
        elif number is not None:
            send(id=number, result={})


if __name__ == "__main__":
    main(sys.argv[1])
