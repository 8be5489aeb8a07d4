"""Kinds 3, 6 and 7: calls that vanish, ids that repeat, reasoning that belongs to a call."""

from __future__ import annotations

from dataclasses import replace

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
    stream,
)  # fmt: skip

NOW = ("now", {}, "it is noon")
CALLED = Expect("done", calls=[NOW])
ZONES = Expect("done", calls=[("clock", {"zone": "A"}, "noon in A"), ("clock", {"zone": "B"}, "noon in B")])


def zone(name: str, **where: object) -> dict[str, object]:
    return call("clock", f'{{"zone": "{name}"}}', **where)


VANISHED = [
    *(chat(f"no arguments and {word}", CALLED, data(chunk(call("now", "")), chunk(finish=word)), DONE)
      for word in ("tool_use", "end_turn", "STOP", "function_call", "TOOL_CALL", "eos", "COMPLETE", "stop", "tool_calls", "brand_new")),
    chat("no arguments and no finish", CALLED, data(chunk(call("now", ""))), DONE),
    chat("null arguments", CALLED, data(chunk(call("now", None)), chunk(finish="tool_use")), DONE),
    chat("no arguments at all", CALLED,
         data(chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "now"}}]}), chunk(finish="end_turn")), DONE),
    chat("arguments and end_turn", Expect("done", calls=[CLOCK]), data(chunk(call()), chunk(finish="end_turn")), DONE),
    chat("a call of the api before tools", Expect("done", calls=[CLOCK]),
         data(chunk({"function_call": {"name": "clock", "arguments": '{"zo'}}), chunk({"function_call": {"arguments": 'ne": "UTC"}'}}),
              chunk(finish="function_call")), DONE),
    chat("a whole call and a length", Expect("done", calls=[CLOCK]), data(chunk(call()), chunk(finish="MAX_TOKENS")), DONE),
    chat("nothing at all", Expect("", error="upstream_invalid"), data(chunk({"role": "assistant"}), chunk(finish="stop")), DONE),
    chat("nothing at all and end_turn", Expect("", error="upstream_invalid"), data(chunk({"content": ""}), chunk(finish="end_turn")), DONE),
    chat("only an end mark", Expect("", error="upstream_invalid"), DONE),
    chat("only half a call", Expect("", error="upstream_invalid"), data(chunk(call("clock", '{"zo')), chunk(finish="length")), DONE),
    responses("a call without arguments", CALLED, completed(function_call("now", ""))),
    responses("a call with null arguments", CALLED, completed(function_call("now", None))),
    responses("a call that the completed response forgets", CALLED,
              event("response.output_item.done", output_index=0, item=function_call("now", "{}")), completed()),
    responses("a call beside a message that is all the completed response has", Expect("hmdone", calls=[NOW]),
              event("response.output_item.added", output_index=1, item=function_call("now", "")),
              event("response.output_item.done", output_index=1, item=function_call("now", "{}")),
              completed({"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hm"}]})),
    responses("a call that is never done", Expect("done", calls=[CLOCK]),
              event("response.output_item.added", output_index=0, item=function_call("clock", "")),
              event("response.function_call_arguments.delta", item_id="fc_1", output_index=0, delta='{"zone": "UTC"}'), completed()),
    responses("nothing at all on responses", Expect("", error="upstream_invalid"), completed()),
    responses("an empty message", Expect("", error="upstream_invalid"),
              completed({"type": "message", "id": "m", "role": "assistant", "content": []})),
]  # fmt: skip

SAME_IDS = [
    chat("the id repeats in the next turn", ZONES, data(chunk(zone("A", id="call_0")), chunk(finish="tool_calls")), DONE,
         then=stream(data(chunk(zone("B", id="call_0")), chunk(finish="tool_calls")), DONE)),
    chat("kimi counts from zero in each turn", ZONES, data(chunk(zone("A", id="functions.clock:0")), chunk(finish="tool_calls")), DONE,
         then=stream(data(chunk(zone("B", id="functions.clock:0")), chunk(finish="tool_calls")), DONE)),
    chat("one id for two calls at two places", ZONES,
         data(chunk(zone("A", id="call_0")), chunk(zone("B", id="call_0", index=1)), chunk(finish="tool_calls")), DONE),
    chat("one id for two calls at one place", ZONES,
         data(chunk(zone("A", id="call_0")), chunk(zone("B", id="call_0")), chunk(finish="tool_calls")), DONE),
    chat("one id for two calls without a place", ZONES,
         data(chunk(zone("A", id="x", index=None)), chunk(zone("B", id="x", index=None)), chunk(finish="tool_calls")), DONE),
    chat("empty ids", ZONES, data(chunk(zone("A", id="")), chunk(zone("B", id="", index=1)), chunk(finish="tool_calls")), DONE),
    chat("ids that are numbers", ZONES, data(chunk(zone("A", id=7)), chunk(zone("B", id=7, index=1)), chunk(finish="tool_calls")), DONE),
    chat("an id and name with each piece", Expect("done", calls=[CLOCK]),
         data(*(chunk(call("clock", piece)) for piece in ('{"zo', 'ne": "U', 'TC"}')), chunk(finish="tool_calls")), DONE),
    chat("a call that is repeated whole at the end", Expect("done", calls=[CLOCK]),
         data(chunk(call("clock", "")), chunk(call("", '{"zone": "UTC"}')), chunk(call()), chunk(finish="tool_calls")), DONE),
    chat("arguments as an object", Expect("done", calls=[CLOCK]), data(chunk(call("clock", {"zone": "UTC"})), chunk(finish="tool_calls")), DONE),
    chat("two calls with objects", ZONES,
         data(chunk({"tool_calls": [{"function": {"name": "clock", "arguments": {"zone": z}}} for z in "AB"]}), chunk(finish="stop")), DONE),
    chat("a call without its envelope", Expect("done", calls=[CLOCK]),
         data(chunk({"tool_calls": [{"id": "a", "name": "clock", "arguments": {"zone": "UTC"}}]}), chunk(finish="tool_use")), DONE),
    responses("the id repeats in the next turn of responses", ZONES, completed(function_call("clock", '{"zone": "A"}', call_id="call_0")),
              then=stream(completed(function_call("clock", '{"zone": "B"}', call_id="call_0")))),
    responses("one id for two items", ZONES, completed(function_call("clock", '{"zone": "A"}'), function_call("clock", '{"zone": "B"}', id="fc_2"))),
    responses("an object on responses", Expect("done", calls=[CLOCK]), completed(function_call("clock", {"zone": "UTC"}))),
    responses("a call id that is a number", Expect("done", calls=[CLOCK]), completed(function_call(call_id=3))),
    responses("no call id but an item's", Expect("done", calls=[CLOCK]), completed(function_call(call_id=None))),
]  # fmt: skip

THOUGHT = Expect("done", reasoning="hm", calls=[CLOCK])


def thought(name: str, sends: dict[str, str], sent_back: dict[str, str], model: str) -> Replay:
    """Reasoning and its call; in the next request the call's message must have *sent_back*."""
    deltas = data(
        *(chunk({key: value}) for key, value in sends.items()), chunk(call()), chunk(finish="tool_calls")
    )
    return replace(chat(name, THOUGHT, deltas, DONE), model=model, sent_back=sent_back)


REASONED = [
    *(thought(f"{model} wants its reasoning back", {"reasoning_content": "hm"}, {"reasoning_content": "hm"}, model)
      for model in ("kimi-k2-thinking", "moonshotai/kimi-k2.5", "deepseek-reasoner", "glm-4.7", "mimo-v2-flash", "m")),
    thought("a server that calls it reasoning", {"reasoning": "hm"}, {"reasoning": "hm"}, "gpt-oss-120b"),
    thought("mistral wants nothing back", {"reasoning_content": "hm"}, {}, "magistral-medium"),
]  # fmt: skip

REPLAYS: list[Replay] = [*VANISHED, *SAME_IDS, *REASONED]
