"""Kinds 3 and 6 by vendor: calls whose pieces, ids, names and arguments come otherwise than OpenAI sends them."""

from __future__ import annotations

from typing import Any

from .calls import CALLED, ZONES, zone
from .more_texts import added, assistant, choices, done
from .wire import (
    CLOCK,
    DONE,
    Expect,
    Replay,
    call,
    chat,
    chunk,
    completed,
    data,
    event,
    function_call,
    responses,
)

CALLS = Expect("done", calls=[CLOCK])
STOP, CALL_ENDS = chunk(finish="stop"), chunk(finish="tool_calls")
UTC = '{"zone": "UTC"}'
FENCED = f"```json\n{UTC}\n```"
SO_FAR = ('{"zo', '{"zone": "U', UTC)


def piece(arguments: str | None = None, **more: Any) -> dict[str, Any]:
    """A delta that goes on with the arguments of the call at the first place."""
    return chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments}, **more}]})


def bare(name: str = "clock", arguments: Any = UTC, **more: Any) -> dict[str, Any]:
    """A call without a place."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calls(*made: Any, finish: str | None = None) -> dict[str, Any]:
    return chunk({"tool_calls": list(made)}, finish)


def pieces(delta: str, **where: Any) -> bytes:
    return event(
        "response.function_call_arguments.delta",
        **{"item_id": "fc_1", "output_index": 0, "delta": delta, **where},
    )


ONE = {"index": 0, "id": "a"}
VANISHED = [
    chat("a call that is named alone", CALLS, data(chunk({"tool_call": bare(id="x")}), CALL_ENDS), DONE),
    chat("a call beside its delta", CALLS, data(choices({"index": 0, "delta": {}, "tool_calls": [bare(id="x")], "finish_reason": "tool_calls"})), DONE),
    chat("sglang finishes twice", CALLS, data(chunk(call(), "stop"), CALL_ENDS), DONE),
    chat("the call comes after the finish", CALLS, data(chunk({"content": ""}, "tool_calls"), chunk(call())), DONE),
    chat("vllm-mlx has no finish for a call", CALLED, data(chunk(call("now", ""))), b"data: [DONE]"),
    chat("anthropic's form of a call", CALLS, data(calls({**ONE, "type": "tool_use", "name": "clock", "input": {"zone": "UTC"}}, finish="tool_use")), DONE),
    *(chat(f"arguments that are called {key}", CALLS, data(calls({**ONE, "type": "function", "function": {"name": "clock", key: {"zone": "UTC"}}}), CALL_ENDS), DONE)
      for key in ("parameters", "input", "args")),
    chat("arguments that are a line break", CALLED, data(chunk(call("now", "\n")), chunk(finish="tool_use")), DONE),
    chat("arguments that are a list of an empty object", CALLED, data(chunk(call("now", [{}])), CALL_ENDS), DONE),
    chat("arguments that are a list of the object", CALLS, data(chunk(call("clock", [{"zone": "UTC"}])), CALL_ENDS), DONE),
    chat("a whole message with a call and no pieces", CALLS, data(choices({"index": 0, "message": assistant("", **call()), "finish_reason": "tool_calls"})), DONE),
    responses("only the done arguments name the call", CALLS,
              event("response.function_call_arguments.done", item_id="fc_1", output_index=0, name="clock", call_id="c", arguments=UTC), completed()),
    responses("done arguments and nothing more", CALLS, added(function_call("clock", "")),
              event("response.function_call_arguments.done", item_id="fc_1", output_index=0, arguments=UTC), completed()),
    *(responses(f"{kind} is a call", CALLS, completed({"type": kind, "id": "x", "call_id": "c", "name": "clock", key: arguments}))
      for kind, key, arguments in [("tool_call", "arguments", UTC), ("tool_use", "input", {"zone": "UTC"})]),
    responses("chat's form of a call", CALLS, completed({"type": "function_call", "id": "x", "call_id": "c", "function": {"name": "clock", "arguments": UTC}})),
    responses("the completed call lost its arguments", CALLS, added(function_call("clock", "")), pieces(UTC), completed(function_call("clock", ""))),
    responses("the done call lost its arguments", CALLS, added(function_call("clock", "")), pieces('{"zone": '), pieces('"UTC"}'),
              done(function_call("clock", "")), completed()),
    responses("the done call has an empty object", CALLS, added(function_call("clock", "")), pieces(UTC), done(function_call("clock", "{}")), completed()),
    responses("a call that is completed in progress", CALLS, completed(function_call(status="in_progress"))),
]  # fmt: skip

APART = [
    chat("gemini's pieces without a place", CALLS, data(calls(bare(arguments='{"zo', id="f")), calls({"function": {"arguments": 'ne": "UTC"}'}}), STOP), DONE),
    chat("gemini's signature in a piece of its own", CALLS,
         data(calls(bare(id="f")), calls({"extra_content": {"google": {"thought_signature": "c2ln"}}}), STOP), DONE),
    chat("gemini's two calls at one place", ZONES, data(calls(*({"index": 0, **bare(arguments=f'{{"zone": "{z}"}}', id=z)} for z in "AB")), STOP), DONE),
    chat("gemini's two calls without an id or a place", ZONES, data(*(calls(bare(arguments=f'{{"zone": "{z}"}}')) for z in "AB"), STOP), DONE),
    chat("two calls at one place with empty ids", ZONES, data(*(calls({"index": 0, **bare(arguments=f'{{"zone": "{z}"}}', id="")}) for z in "AB"), STOP), DONE),
    *(chat(f"heads and arguments of two calls at one place, {name}", ZONES,
           data(*(part for n, z in enumerate("AB") for part in (chunk(call("clock", "", id=ids[n])), piece(f'{{"zone": "{z}"}}'))), CALL_ENDS), DONE)
      for name, ids in {"each with its id": "ab", "under one id": "aa", "without ids": (None, None)}.items()),
    chat("places that count from one and leave one out", ZONES, data(chunk(zone("A", id="a", index=1)), chunk(zone("B", id="b", index=3)), CALL_ENDS), DONE),
    chat("a name in pieces", CALLS, data(chunk(call("clo", "")), calls({"index": 0, "function": {"name": "ck", "arguments": UTC}}), CALL_ENDS), DONE),
    chat("a name that grows", CALLS, data(chunk(call("clo", "")), calls({"index": 0, "function": {"name": "clock", "arguments": UTC}}), CALL_ENDS), DONE),
    chat("the head again without arguments", CALLS, data(chunk(call()), chunk(call("clock", "")), CALL_ENDS), DONE),
    chat("nulls after the call", CALLS, data(chunk(call()), piece(None, id=None, type=None), CALL_ENDS), DONE),
    chat("arguments so far with each head", CALLS, data(*(chunk(call("clock", each)) for each in SO_FAR), CALL_ENDS), DONE),
    chat("arguments so far", CALLS, data(chunk(call("clock", SO_FAR[0])), *map(piece, SO_FAR[1:]), CALL_ENDS), DONE),
    chat("an empty object before the arguments", CALLS, data(chunk(call("clock", "{}")), piece(UTC), CALL_ENDS), DONE),
    chat("an empty object before arguments in pieces", CALLS, data(chunk(call("clock", {})), piece('{"zone": '), piece('"UTC"}'), CALL_ENDS), DONE),
    chat("an empty object in the head and the arguments in the next", CALLS, data(chunk(call("clock", "{}")), chunk(call()), CALL_ENDS), DONE),
    chat("an empty object after the arguments", CALLS, data(chunk(call()), piece("{}"), CALL_ENDS), DONE),
    chat("arguments in a fence", CALLS, data(chunk(call("clock", FENCED)), CALL_ENDS), DONE),
    *(chat(f"a tool that is called {name}", CALLS, data(chunk(call(name)), CALL_ENDS), DONE)
      for name in ("functions.clock", " clock ", "clock<|channel|>commentary", "default_api:clock")),
    responses("a tool that is called functions.clock on responses", CALLS, completed(function_call("functions.clock"))),
    responses("arguments in a fence on responses", CALLS, completed(function_call("clock", FENCED))),
    responses("arguments so far on responses", CALLS, added(function_call("clock", "")), *map(pieces, SO_FAR), completed()),
    responses("arguments in the head and again in pieces", CALLS, added(function_call()), pieces(UTC), completed()),
    responses("pieces under the id of the call", CALLS, added(function_call("clock", "")), pieces(UTC, item_id="call_a", output_index=1), completed()),
    responses("pieces under the id of another item", CALLS, added(function_call("clock", "")), pieces(UTC, item_id="msg_z"), completed()),
    responses("two calls at one place without item ids", ZONES,
              *(part for z in "AB" for part in (added(function_call("clock", "", id=None, call_id=z)), pieces(f'{{"zone": "{z}"}}', item_id=""),
                                                done(function_call("clock", f'{{"zone": "{z}"}}', id=None, call_id=z)))), completed()),
]  # fmt: skip

REPLAYS: list[Replay] = [*VANISHED, *APART]
