"""A streamed chat with a real engine, llama.cpp's server, through the gateway.

ENGINE_URL is the engine's origin, TOLLGATE_URL the gateway's and TOLLGATE_KEY its master key.
"""

import json
import os
import sys
import time
import traceback
import urllib.parse
import urllib.request

import openai

ENGINE = os.environ["ENGINE_URL"]
URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
# The likeliest token each time: the same request has the same answer.
ASK = {"messages": [{"role": "user", "content": "Say something."}], "max_tokens": 40, "temperature": 0}
COUNTED = {"stream_options": {"include_usage": True}}
PRICES = (0.000001, 0.000002)

direct = openai.OpenAI(api_key="none", base_url=f"{ENGINE}/v1", max_retries=0, timeout=30)
gateway = openai.OpenAI(api_key=KEY, base_url=f"{URL}/v1", max_retries=0, timeout=30)
cases = []


def case(test):
    cases.append(test)
    return test


def streamed(client, **more):
    """The text, the finish, the tokens and the id of a streamed answer."""
    chunks = list(client.chat.completions.create(model="engine", stream=True, **ASK, **more))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    finish = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    usage = [tokens(chunk.usage) for chunk in chunks if chunk.usage]
    return text, finish, usage, chunks[0].id


def tokens(usage):
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


def asked(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return json.load(answer)


def row_of(call):
    """What the gateway has written down of a call."""
    query = urllib.parse.urlencode({"request_id": call})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if rows := asked(f"{URL}/spend/logs?{query}", authorization=f"Bearer {KEY}"):
            return rows[0]
        time.sleep(0.1)
    raise AssertionError(f"no row of {call}")


def agrees(row, counted):
    prompt, completion, total = counted
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == counted, (row, counted)
    assert abs(row["spend"] - prompt * PRICES[0] - completion * PRICES[1]) < 1e-12, row


@case
def a_stream_says_and_counts_what_the_engine_does():
    text, finish, usage, _ = streamed(direct, **COUNTED)
    assert len(text) == 40 and finish == ["length"] and usage[0][1] == 40, (text, finish, usage)
    told = streamed(gateway, **COUNTED)
    assert told[:3] == (text, finish, usage), told
    agrees(row_of(told[3]), usage[0])


@case
def a_stream_is_counted_though_nobody_asks():
    usage = streamed(direct, **COUNTED)[2]
    told = streamed(gateway)
    assert told[2] == [], "the client did not ask for it"
    agrees(row_of(told[3]), usage[0])


@case
def a_whole_answer_says_and_counts_what_the_engine_does():
    own, told = (client.chat.completions.create(model="engine", **ASK) for client in [direct, gateway])
    assert own.choices[0].message.content == told.choices[0].message.content
    assert tokens(own.usage) == tokens(told.usage)
    agrees(row_of(told.id), tokens(own.usage))


@case
def the_engine_stops_when_the_client_leaves():
    endless = {**ASK, "max_tokens": 60000}
    with gateway.chat.completions.create(model="engine", stream=True, **endless) as stream:
        for _ in range(5):
            next(iter(stream))
        assert asked(f"{ENGINE}/slots")[0]["is_processing"], "it answers"
    deadline = time.monotonic() + 60
    while (slot := asked(f"{ENGINE}/slots")[0])["is_processing"]:
        assert time.monotonic() < deadline, slot
        time.sleep(0.05)
    made = slot["n_prompt_tokens"]
    assert made < 50000, f"it went on to the end: {made} tokens"


@case
def a_prompt_that_is_too_long_is_the_engines_to_refuse():
    long = {**ASK, "messages": [{"role": "user", "content": "a" * 70000}]}
    for more in [{}, {"stream": True}]:
        try:
            gateway.chat.completions.create(model="engine", **long, **more)
        except openai.BadRequestError as error:
            assert "ContextWindowExceededError" in str(error), error
        else:
            raise AssertionError("it was answered")


def main():
    failed = 0
    for test in cases:
        try:
            test()
        except Exception:
            failed += 1
            print(f"engine: {test.__name__} FAILED")
            traceback.print_exc(file=sys.stdout)
    print(f"engine: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
