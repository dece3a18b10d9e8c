"""The official OpenAI client for Python, against tollgate in front of its simulator.

TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key. With SDK_DIRECT=1 the URL is the
simulator's own, and the cases that need a gateway are skipped: a check of this script.
"""

import asyncio
import base64
import json
import os
import struct
import sys
import time
import traceback
import urllib.request

import openai

URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
DIRECT = os.environ.get("SDK_DIRECT") == "1"
OPTIONS = {"api_key": KEY, "base_url": f"{URL}/v1", "max_retries": 0, "timeout": 20}
ASK = [{"role": "user", "content": "Say something in a few words."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

client = openai.OpenAI(**OPTIONS)
cases = []


def case(test):
    cases.append((test, False))
    return test


def gateway_case(test):
    cases.append((test, True))
    return test


def chat(model="sim", **more):
    return client.chat.completions.create(model=model, messages=ASK, **more)


def raises(kind, call, status=None, says=""):
    """The error that the call raises; it must be of this very class."""
    try:
        call()
    except openai.OpenAIError as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
        assert status is None or error.status_code == status, error.status_code
        assert says in str(error), f"{says!r} is not in {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


# === Answers ===


@case
def chat_completion():
    answer = chat()
    assert answer.object == "chat.completion" and answer.model == "sim", answer
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@case
def base_url_without_v1():
    with openai.OpenAI(**{**OPTIONS, "base_url": URL}) as bare:
        assert bare.chat.completions.create(model="sim", messages=ASK).choices[0].message.content


@case
def stream_arrives_delta_by_delta():
    arrivals, text, finish, model = [], "", [], set()
    for chunk in chat("sim-gap=60", stream=True):
        assert chunk.object == "chat.completion.chunk"
        assert not chunk.usage, "usage was not asked for"
        model.add(chunk.model)
        assert not finish, "nothing follows the finish reason"
        if chunk.choices[0].delta.content:
            arrivals.append(time.monotonic())
            text += chunk.choices[0].delta.content
        if chunk.choices[0].finish_reason:
            finish.append(chunk.choices[0].finish_reason)
    assert finish == ["stop"] and model == {"sim-gap=60"}, (finish, model)
    assert len(arrivals) >= 4, "several deltas"
    gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[1:])]
    assert sum(gap > 0.02 for gap in gaps) >= len(gaps) // 2, f"deltas came together: {gaps}"
    assert text == chat("sim-gap=60").choices[0].message.content, "the order of the deltas"


@case
def stream_with_usage():
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    plain = chat().usage
    assert chunks[-1].usage.completion_tokens == plain.completion_tokens
    assert chunks[-1].usage.prompt_tokens == plain.prompt_tokens
    assert not chunks[-1].choices, "the usage chunk has no choice"


@gateway_case
def stream_without_usage_though_the_upstream_sends_it():
    assert not any(chunk.usage for chunk in chat("sim-usage", stream=True))


@case
def stream_is_closed_early():
    with chat("sim-gap=60", stream=True) as stream:
        next(iter(stream))
    assert chat().choices[0].message.content, "the client goes on"


@case
def tool_call():
    choice = chat("sim-tools", tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    call = choice.message.tool_calls[0]
    assert call.type == "function" and call.id and call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments), dict)


@case
def tool_call_streamed_in_fragments():
    calls, finish, fragments = {}, None, 0
    for chunk in chat("sim-tools", tools=[WEATHER], stream=True):
        finish = chunk.choices[0].finish_reason or finish
        for part in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
            call["arguments"] += part.function.arguments or ""
            fragments += bool(part.function.arguments)
    plain = chat("sim-tools", tools=[WEATHER]).choices[0].message.tool_calls[0].function
    assert finish == "tool_calls" and fragments > 1 and list(calls) == [0], (finish, fragments, calls)
    assert calls[0]["id"] and calls[0]["name"] == plain.name
    assert json.loads(calls[0]["arguments"]) == json.loads(plain.arguments)


@case
def tool_result_is_answered():
    call = chat("sim-tools", tools=[WEATHER]).choices[0].message
    turns = [*ASK, call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "21 C"}]
    answer = client.chat.completions.create(model="sim-tools", messages=turns, tools=[WEATHER])
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"


@case
def embeddings_in_each_encoding():
    numbers = client.embeddings.create(model="sim", input=["one", "two"], encoding_format="float")
    default = client.embeddings.create(model="sim", input=["one", "two"])
    packed = client.embeddings.create(model="sim", input=["one", "two"], encoding_format="base64")
    assert [item.index for item in numbers.data] == [0, 1] and numbers.usage.prompt_tokens > 0
    for plain, decoded, raw in zip(numbers.data, default.data, packed.data):
        vector = struct.unpack(f"<{len(plain.embedding)}f", base64.b64decode(raw.embedding))
        for a, b, c in zip(plain.embedding, decoded.embedding, vector, strict=True):
            assert abs(a - b) < 1e-6 and abs(a - c) < 1e-6


@case
def text_completion():
    answer = client.completions.create(model="sim", prompt="Once upon a time")
    assert answer.object == "text_completion" and answer.choices[0].text
    chunks = list(client.completions.create(model="sim", prompt="Once upon a time", stream=True))
    streamed = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert streamed == answer.choices[0].text


@case
def extra_body_reaches_the_upstream():
    plain = int(chat("sim-echo").choices[0].message.content.split()[0])
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 7}
    longer = int(chat("sim-echo", extra_body=extra).choices[0].message.content.split()[0])
    assert longer - plain == len(json.dumps(extra, separators=(",", ":"))) - 1, (plain, longer)


@gateway_case
def gateway_fields_stay_here():
    plain = chat("sim-echo").choices[0].message.content
    extra = {"tags": ["a"], "metadata": {"team": "b"}, "user": "c"}
    assert chat("sim-echo", extra_body=extra).choices[0].message.content == plain


@gateway_case
def models():
    names = [model.id for model in client.models.list()]
    assert "sim" in names and "sim-tools" in names and len(names) == len(set(names)), names
    assert client.models.retrieve("sim").id == "sim"
    raises(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"), 404)


@gateway_case
def response_headers():
    raw = client.chat.completions.with_raw_response.create(model="sim", messages=ASK)
    usage = raw.parse().usage
    for name in ["x-litellm-call-id", "x-litellm-model-id", "x-litellm-version"]:
        assert raw.headers.get(name), f"no {name}"
    cost = usage.prompt_tokens * 0.000001 + usage.completion_tokens * 0.000002
    assert abs(float(raw.headers["x-litellm-response-cost"]) - cost) < 1e-12, raw.headers
    mine = {"x-litellm-call-id": "my-own-id"}
    echoed = client.chat.completions.with_raw_response.create(model="sim", messages=ASK, extra_headers=mine)
    assert echoed.headers["x-litellm-call-id"] == "my-own-id"


@gateway_case
def response_headers_of_a_stream():
    raw = client.chat.completions.with_raw_response.create(model="sim", messages=ASK, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers.get("x-litellm-call-id") and raw.headers.get("x-litellm-model-id")
    assert list(raw.parse())


@gateway_case
def azure_client():
    options = {"api_key": KEY, "azure_endpoint": URL, "api_version": "2024-10-21", "max_retries": 0}
    with openai.AzureOpenAI(**options) as azure:
        assert azure.chat.completions.create(model="sim", messages=ASK).choices[0].message.content
        assert list(azure.chat.completions.create(model="sim", messages=ASK, stream=True))
        assert azure.embeddings.create(model="sim", input="one").data[0].embedding


@case
def async_client():
    async def several():
        async with openai.AsyncOpenAI(**OPTIONS) as client:
            async def text(stream):
                answer = await client.chat.completions.create(model="sim", messages=ASK, stream=stream)
                if not stream:
                    return answer.choices[0].message.content
                return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

            answers = await asyncio.gather(*(text(n % 2 == 0) for n in range(20)))
            assert len(set(answers)) == 1 and answers[0], set(answers)
            try:
                await client.chat.completions.create(model="sim-429", messages=ASK)
            except openai.RateLimitError:
                return
            raise AssertionError("no RateLimitError")

    asyncio.run(several())


# === Audio, images, files ===


SOUND = bytes(range(256)) * 40


@case
def speech_in_bytes():
    said = client.audio.speech.create(model="sim", voice="alloy", input="hello")
    assert said.read().startswith(b"sim:alloy:hello:"), "bytes as they are"
    ask = client.audio.speech.with_streaming_response.create
    with ask(model="sim", voice="alloy", input="hello", response_format="wav") as answer:
        assert answer.headers["content-type"] == "audio/wav", answer.headers
        assert sum(len(piece) for piece in answer.iter_bytes()) > 0


@case
def transcriptions_in_each_format():
    ask = lambda **more: client.audio.transcriptions.create(model="sim", file=("a.mp3", SOUND), **more)
    assert ask().text == "Every call pays its toll."
    assert ask(response_format="text") == "Every call pays its toll.\n"
    assert "-->" in ask(response_format="srt") and ask(response_format="vtt").startswith("WEBVTT")
    verbose = ask(response_format="verbose_json", timestamp_granularities=["segment"])
    assert verbose.duration == 2.5 and verbose.segments[0].text, verbose
    events = list(ask(stream=True))
    assert [event.type for event in events][-1] == "transcript.text.done", events
    assert client.audio.translations.create(model="sim", file=("a.mp3", SOUND)).text


@case
def a_long_transcription():
    answer = client.audio.transcriptions.create(model="sim", file=("a.mp3", SOUND * 800))
    assert answer.sim["files"][0]["bytes"] == len(SOUND) * 800, answer


@case
def images():
    made = client.images.generate(model="sim", prompt="a toll house", n=2)
    assert len(made.data) == 2 and base64.b64decode(made.data[0].b64_json) == b"an image"
    assert client.images.edit(model="sim", image=("a.png", SOUND), prompt="a hat").data
    assert client.images.create_variation(model="sim", image=("a.png", SOUND)).data


@case
def moderations():
    found = client.moderations.create(model="sim", input=["violence", "peace"]).results
    assert [result.flagged for result in found] == [True, False]


@case
def files_and_batches():
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "sim", "messages": ASK}}
    lines = json.dumps(line).encode() + b"\n"
    file = client.files.create(file=("in.jsonl", lines), purpose="batch")
    assert client.files.retrieve(file.id).filename == "in.jsonl" and file.bytes == len(lines)
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.input_file_id == file.id and batch.metadata == {"a": "b"}, batch
    assert client.files.content(batch.output_file_id).read() == lines
    assert file.id in [listed.id for listed in client.files.list()] and len(list(client.batches.list())) > 0
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.files.delete(file.id).deleted
    raises(openai.NotFoundError, lambda: client.files.retrieve(file.id), 404)


@gateway_case
def files_of_others_are_not_there():
    file = client.files.create(file=("a.txt", b"a"), purpose="user_data", extra_body={"model": "sim"})
    with minted() as user:
        raises(openai.NotFoundError, lambda: user.files.content(file.id), 404)
        raises(openai.PermissionDeniedError, lambda: user.files.list(), 403, "master key")
        own = user.files.create(file=("b.txt", b"b"), purpose="user_data")
        assert user.files.content(own.id).read() == b"b"


# === Failures ===


@gateway_case
def wrong_key():
    for key in ["sk-wrong", "no-sk-prefix"]:
        with openai.OpenAI(**{**OPTIONS, "api_key": key}) as stranger:
            ask = stranger.chat.completions.create
            error = raises(openai.AuthenticationError, lambda: ask(model="sim", messages=ASK), 401)
            assert error.code == "401", error.code


# === Virtual keys ===


def admin(path, body):
    asked = urllib.request.Request(f"{URL}{path}", json.dumps(body).encode(), method="POST")
    asked.add_header("authorization", f"Bearer {KEY}")
    asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


def minted(**fields):
    """A client with a new key."""
    key = admin("/key/generate", fields)["key"]
    return openai.OpenAI(**{**OPTIONS, "api_key": key})


def ask(client, **more):
    return client.chat.completions.create(**{"model": "sim", "messages": ASK, **more})


@gateway_case
def a_key_does_what_it_may():
    with minted(models=["sim", "sim-tools"], max_budget=1, rpm_limit=100, user_id="sdk") as user:
        assert ask(user).choices[0].message.content
        text = "".join(chunk.choices[0].delta.content or "" for chunk in ask(user, stream=True) if chunk.choices)
        assert text == ask(user).choices[0].message.content
        assert user.embeddings.create(model="sim", input="one").data[0].embedding
        assert [model.id for model in user.models.list()] == ["sim", "sim-tools"]
        raises(openai.NotFoundError, lambda: user.models.retrieve("sim-echo"), 404)
        raw = user.chat.completions.with_raw_response.create(model="sim", messages=ASK)
        assert raw.headers["x-ratelimit-api_key-limit-requests"] == "100"
        assert raw.headers["x-ratelimit-api_key-remaining-requests"] == "95", raw.headers
        assert float(raw.headers["x-litellm-key-spend"]) > 0, raw.headers


@gateway_case
def a_key_that_ended():
    for path, field in [("/key/block", "key"), ("/key/delete", "keys")]:
        with minted() as user:
            assert ask(user).choices
            admin(path, {field: user.api_key if field == "key" else [user.api_key]})
            error = raises(openai.AuthenticationError, lambda: ask(user), 401)
            assert error.type == ("auth_error" if field == "key" else "token_not_found_in_db"), error.type
    with minted(duration="1s") as user:
        time.sleep(1.1)
        error = raises(openai.BadRequestError, lambda: ask(user), 400, "Expired Key")
        assert error.type == "expired_key" and error.code == "400", error.body


@gateway_case
def a_model_that_is_denied():
    with minted(models=["sim-tools"]) as user:
        for more in [{}, {"stream": True}]:
            error = raises(openai.AuthenticationError, lambda: ask(user, **more), 401, "Tried to access sim")
            assert error.type == "key_model_access_denied" and error.param == "model", error.body


@gateway_case
def a_budget_that_is_spent():
    with minted(max_budget=0.0005) as user:
        before = 0
        while before < 100:
            try:
                ask(user, max_tokens=100)
            except openai.BadRequestError as error:
                assert error.type == "budget_exceeded" and error.code == "400", error.body
                assert "Budget has been exceeded!" in str(error)
                break
            before += 1
        assert 0 < before < 100, before
    team = admin("/team/new", {"max_budget": 0})["team_id"]
    with minted(team_id=team) as user:
        error = raises(openai.BadRequestError, lambda: ask(user), 400, team)
        assert error.type == "budget_exceeded", error.body


@gateway_case
def limits_of_speed():
    with minted(rpm_limit=1) as user:
        assert ask(user).choices
        error = raises(openai.RateLimitError, lambda: ask(user), 429, "Limit type: requests")
        assert 1 <= int(error.response.headers["retry-after"]) <= 60, error.response.headers
        assert error.response.headers["rate_limit_type"] == "requests"
    with minted(tpm_limit=20) as user:
        assert ask(user, max_tokens=14).usage.total_tokens == 14
        error = raises(openai.RateLimitError, lambda: ask(user, max_tokens=50), 429, "Limit type: tokens")
        assert int(error.response.headers["retry-after"]) >= 1
    with minted(max_parallel_requests=1) as user:
        with ask(user, model="sim-gap=60", stream=True) as stream:
            next(iter(stream))
            error = raises(openai.RateLimitError, lambda: ask(user), 429)
            assert error.response.headers["rate_limit_type"] == "max_parallel_requests"
            list(stream)
        assert ask(user).choices, "the slot is back"


@gateway_case
def a_key_is_no_admin():
    with minted() as user:
        body = {"max_budget": 1000}
        raises(openai.AuthenticationError, lambda: user.post(f"{URL}/key/generate", cast_to=object, body=body), 401)


# === Upstream failures ===


@gateway_case
def no_such_model():
    error = raises(openai.BadRequestError, lambda: chat("no-such-model"), 400)
    assert error.code == "400" and "no-such-model" in str(error)


UPSTREAM = [
    ("sim-400", openai.BadRequestError, 400, "litellm.BadRequestError"),
    ("sim-401", openai.AuthenticationError, 401, "litellm.AuthenticationError"),
    ("sim-404", openai.NotFoundError, 404, "litellm.NotFoundError"),
    ("sim-429", openai.RateLimitError, 429, "litellm.RateLimitError"),
    ("sim-500", openai.InternalServerError, 500, "litellm.InternalServerError"),
    ("sim-context", openai.BadRequestError, 400, "ContextWindowExceededError"),
]


@case
def upstream_failures():
    for model, kind, status, word in UPSTREAM:
        raises(kind, lambda: chat(model), status, "" if DIRECT else word)
        raises(kind, lambda: chat(model, stream=True), status)


@gateway_case
def timeout_is_408():
    began = time.monotonic()
    raises(openai.APIStatusError, lambda: chat("sim-hang"), 408, "litellm.Timeout")
    assert 0.9 < time.monotonic() - began < 5


@gateway_case
def cut_stream_raises():
    seen = []

    def read():
        for chunk in chat("sim-cut=3", stream=True):
            seen.extend(choice.finish_reason for choice in chunk.choices)

    raises(openai.APIError, read)
    assert seen and not any(seen), f"a cut is never dressed up as a finish: {seen}"


def main():
    passed = failed = 0
    for test, needs_gateway in cases:
        if needs_gateway and DIRECT:
            continue
        try:
            test()
            passed += 1
        except Exception:
            failed += 1
            print(f"openai-python {openai.__version__}: {test.__name__} FAILED")
            traceback.print_exc(file=sys.stdout)
    print(f"openai-python: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
