"""The kinds of what real servers and apps do, and the variants of each that the tests have: replays, or whole tests.

A kind stands for all answers of its sort, so one example proves little: `test_kinds.py` counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.parametrised import parameters_of

from . import (
    calls,
    ends,
    faults,
    more_errors,
    more_odd,
    more_texts,
    more_vendors,
    odd,
    texts,
    vendor_calls,
    vendor_ends,
    vendor_errors,
    vendor_files,
    vendor_texts,
)
from .wire import Api, Replay


@dataclass(frozen=True)
class Kind:
    """One kind and its variants.

    Attributes:
        replays: Recorded answers. apis: On which of the two APIs it can occur, if it is one of answers.
        tests: Test functions, as `module:function` below this folder's parent; each set of parameters counts.
    """

    name: str
    replays: Sequence[Replay] = ()
    apis: Sequence[Api] = ("chat_completions", "responses")
    tests: Sequence[str] = ()

    def variants(self) -> int:
        places = (test.partition(":") for test in self.tests)
        sets = (parameters_of(f"tests.backends.openai.{module}", name) for module, _, name in places)
        return len(self.replays) + sum(map(len, sets))


KINDS: dict[int, Kind] = {
    1: Kind("said twice", [*texts.SAID_TWICE, *more_texts.SAID_TWICE, *more_vendors.SAID_TWICE, *vendor_texts.SAID_TWICE]),
    2: Kind("text lost", [*texts.TEXT_LOST, *more_texts.TEXT_LOST, *vendor_texts.LOST, *vendor_files.DRAWN]),
    3: Kind("a call that vanishes", [*calls.VANISHED, *more_texts.VANISHED, *vendor_calls.VANISHED]),
    4: Kind("whole answers", [*ends.WHOLE, *more_odd.ENDS, *more_odd.USAGE, *vendor_ends.WHOLE]),
    5: Kind("finish words", [*ends.WORDS, *more_odd.WORDS, *vendor_ends.WORDS]),
    6: Kind("ids of calls", [*calls.SAME_IDS, *more_texts.IDS, *vendor_calls.APART]),
    7: Kind("reasoning goes back", [*calls.REASONED, *more_texts.DETAILS], apis=("chat_completions",)),
    8: Kind("signs of life", [*ends.LIFE, *more_odd.LIFE, *vendor_ends.LIFE]),
    9: Kind("tolerance", [*odd.HEADERS, *odd.FIELDS, *more_odd.HEADERS, *more_odd.VALUES, *more_vendors.HEADS]),
    10: Kind("invented or missing events", tests=(
        "test_tool_events:test_a_hosted_call_is_told_with_what_it_was_given",
        "test_tool_events:test_a_call_that_the_sdk_runs_here_is_told_once",
        "test_tool_events:test_a_call_that_a_guardrail_rejects_is_told")),
    11: Kind("errors", [*faults.STREAMS, *faults.STATUSES, *more_errors.STREAMS, *more_errors.STATUSES, *vendor_errors.STREAMS]),
    12: Kind("redirects", more_errors.REDIRECTS, tests=(
        "test_redirects:test_a_provider_cannot_send_the_prompt_on",
        "test_redirects:test_a_client_of_the_users_own_does_not_either",
        "test_redirects:test_any_llm_does_not_either",
        "test_redirects:test_letta_does_not_either",
        "test_mcp:test_a_redirect_to_another_origin_is_refused")),
    13: Kind("as in the app", tests=(
        "test_apps:test_a_default_client_is_used",
        "test_apps:test_the_environments_address_and_the_default_key_and_api_hold",
        "test_apps:test_an_agent_without_a_model_asks_for_the_default_one",
        "test_apps:test_prefixes_go_where_the_sdk_would_send_them")),
    14: Kind("what the runner takes", tests=(
        "test_apps:test_a_context_of_the_users_own",
        "test_apps:test_a_session_remembers_instead_of_our_conversation",
        "test_apps:test_hooks_of_the_users_own_are_called_beside_ours",
        "test_apps:test_a_run_config_of_the_users_own_holds",
        "test_apps:test_an_agent_may_come_from_a_factory")),
    15: Kind("mcp", tests=(
        "test_mcp:test_a_program_that_died_is_started_again",
        "test_mcp:test_without_a_prefix_the_second_gets_its_number",
        "test_mcp:test_the_model_hears_which_argument_is_missing",
        "test_mcp:test_servers_over_http",
        "test_mcp:test_a_call_has_a_limit_and_the_server_lives_on")),
    16: Kind("secrets of tools", tests=(
        "test_canaries:test_a_secret_is_found_nowhere",
        "test_mcp:test_what_a_server_says_of_a_failure_is_told_only_if_it_is_trusted")),
    17: Kind("the SDK's traps", tests=(
        "test_sdk_traps:test_the_queue_of_events_grows_without_a_bound",
        "test_sdk_traps:test_events_are_lost_when_the_run_fails",
        "test_sdk_traps:test_leaving_the_loop_does_not_stop_the_run",
        "test_sdk_traps:test_faults_of_the_upstream_arrive_raw",
        "test_sdk_traps:test_a_run_is_traced_unless_it_is_told_not_to")),
}  # fmt: skip
FIRST = (texts, calls, ends, odd, faults)
FURTHER = (more_texts, more_odd, more_errors, more_vendors)
VENDORS = (vendor_texts, vendor_calls, vendor_ends, vendor_errors, vendor_files)
"""The tables of replays, by the file that plays them."""


def replays_of(tables: Sequence[Any]) -> list[Replay]:
    return [replay for table in tables for replay in table.REPLAYS]
