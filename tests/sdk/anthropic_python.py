"""The official Anthropic client for Python, against tollgate: models of Anthropic's dialect, whose bytes are
relayed, and of OpenAI's, to which it is translated. OpenAI's client asks Anthropic's models, too.

TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key.
"""

import os
import sys
import traceback

import anthropic
import openai

URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
OPTIONS = {"api_key": KEY, "max_retries": 0, "timeout": 20}
ASK = [{"role": "user", "content": "Say something in a few words."}]
SAID = "Every call pays its toll and goes on."
WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
# A name of each dialect, to which words for the simulator are added.
BOTH = ["sim", "claude"]

client = anthropic.Anthropic(base_url=URL, **OPTIONS)
other = openai.OpenAI(base_url=f"{URL}/v1", **OPTIONS)
cases = []


def case(test):
    cases.append((test.__name__, test))
    return test


def for_both(test):
    for name in BOTH:
        cases.append((f"{test.__name__} of {name}", lambda name=name: test(name)))
    return test


def message(model, **more):
    return client.messages.create(**{"model": model, "max_tokens": 64, "messages": ASK, **more})


def raises(kind, call, says=""):
    try:
        call()
    except anthropic.AnthropicError as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
        assert says in str(error), f"{says!r} is not in {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


# === Answers ===


@for_both
def a_message(name):
    more = {"stop_sequences": ["x"], "metadata": {"user_id": "u"}, "extra_body": {"temperature": 0.5}}
    answer = message(name, system="Be brief.", **more)
    assert answer.type == "message" and answer.role == "assistant" and answer.model == name, answer
    assert [block.type for block in answer.content] == ["text"] and answer.content[0].text == SAID, answer
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert answer.usage.input_tokens == 8 and answer.usage.output_tokens == 8, answer.usage
    assert answer.usage.cache_read_input_tokens == 0


@for_both
def a_bearer_token(name):
    with_token = anthropic.Anthropic(base_url=URL, auth_token=KEY, api_key=None, max_retries=0, timeout=20)
    answer = with_token.messages.create(model=name, max_tokens=64, messages=ASK)
    assert answer.content[0].text == SAID


@for_both
def a_stream(name):
    with client.messages.stream(model=name, max_tokens=64, messages=ASK) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == SAID and final.content[0].text == SAID, final
    assert final.stop_reason == "end_turn"
    assert final.usage.input_tokens == 6 and final.usage.output_tokens == 8, final.usage


@for_both
def a_stream_of_events(name):
    events = [event.type for event in message(name, stream=True)]
    assert events[0] == "message_start" and events[-1] == "message_stop", events
    assert events.count("content_block_start") == events.count("content_block_stop") == 1
    assert events[-2] == "message_delta"


@for_both
def thoughts(name):
    answer = message(f"{name}-reasoning", thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4000)
    assert [block.type for block in answer.content] == ["thinking", "text"], answer
    assert answer.content[0].thinking == "Let me think first."
    with client.messages.stream(model=f"{name}-reasoning", max_tokens=64, messages=ASK) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"], final
    assert final.content[0].thinking == "Let me think first."


@for_both
def tools_there_and_back(name):
    ask = {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    answer = message(f"{name}-tools", **ask)
    assert answer.stop_reason == "tool_use"
    call = answer.content[-1]
    assert call.type == "tool_use" and call.name == "get_weather" and call.input["city"] == "Paris", call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "18"}]}
    turns = ASK + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = message(f"{name}-tools", messages=turns, tools=[WEATHER])
    assert answer.content[0].text == SAID, answer


@for_both
def tools_in_a_stream(name):
    with client.messages.stream(model=f"{name}-tools", max_tokens=64, messages=ASK, tools=[WEATHER]) as stream:
        final = stream.get_final_message()
    call = final.content[-1]
    assert call.type == "tool_use" and call.input == {"city": "Paris", "unit": "celsius"}, call
    assert final.stop_reason == "tool_use"


@for_both
def pictures_and_documents(name):
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    assert message(name, messages=[{"role": "user", "content": content}]).content[0].text == SAID


@for_both
def tokens_are_counted(name):
    counted = client.messages.count_tokens(model=name, messages=ASK, system="Be brief.")
    assert 4 <= counted.input_tokens <= 60, counted


# === Faults ===


@for_both
def errors_are_of_their_class(name):
    raises(anthropic.AuthenticationError, lambda: message(f"{name}-401"))
    raises(anthropic.NotFoundError, lambda: message(f"{name}-404"))
    raises(anthropic.RateLimitError, lambda: message(f"{name}-429"), says="RateLimitError")
    raises(anthropic.InternalServerError, lambda: message(f"{name}-500"))


@case
def a_wrong_key():
    wrong = anthropic.Anthropic(base_url=URL, api_key="sk-wrong", max_retries=0)
    error = raises(anthropic.AuthenticationError, lambda: wrong.messages.create(model="sim", max_tokens=1, messages=ASK))
    assert error.body["type"] == "error" and error.body["error"]["type"] == "authentication_error", error.body


@case
def an_unknown_model():
    error = raises(anthropic.BadRequestError, lambda: message("nobody"))
    assert error.body["error"]["type"] == "invalid_request_error", error.body


@for_both
def a_cut_stream_raises(name):
    seen = []

    def read():
        seen.extend(event.type for event in message(f"{name}-cut=3", stream=True))

    try:
        read()
    except anthropic.APIError:
        assert "message_start" in seen and "message_stop" not in seen, seen
        return
    raise AssertionError(f"a cut is never dressed up as a finish: {seen}")


# === OpenAI's client, Anthropic's models ===


@case
def a_chat_with_anthropics_model():
    answer = other.chat.completions.create(model="claude", messages=[{"role": "system", "content": "Be brief."}] + ASK)
    assert answer.choices[0].message.content == SAID and answer.model == "claude", answer
    assert answer.usage.prompt_tokens == 8 and answer.usage.total_tokens == 16, answer.usage


@case
def a_streamed_chat_with_anthropics_model():
    options = {"include_usage": True}
    chunks = list(other.chat.completions.create(model="claude", messages=ASK, stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == SAID and chunks[-1].usage.completion_tokens == 8, chunks[-1]


@case
def functions_of_anthropics_model():
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER["input_schema"]}}
    ask = {"model": "claude-tools", "tools": [tool]}
    said = other.chat.completions.create(messages=ASK, **ask).choices[0]
    assert said.finish_reason == "tool_calls", said
    call = said.message.tool_calls[0]
    turns = ASK + [said.message, {"role": "tool", "tool_call_id": call.id, "content": "18"}]
    assert other.chat.completions.create(messages=turns, **ask).choices[0].message.content == SAID


def main():
    failed = 0
    for name, test in cases:
        try:
            test()
        except Exception:
            failed += 1
            print(f"anthropic-python {anthropic.__version__}: {name} FAILED")
            traceback.print_exc(file=sys.stdout)
    print(f"anthropic-python: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
