"""Google's official client for Python, against tollgate: a model of Google's own API, whose bytes are relayed, one of
OpenAI's and one of Anthropic's, to which it is translated.

TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key.
"""

import asyncio
import os
import sys
import traceback

from google import genai
from google.genai import errors, types

URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
ASK = "Say something in a few words."
SAID = "Every call pays its toll and goes on."
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Tells the weather.",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}),
        )
    ]
)
# A name of each way, to which words for the simulator are added.
ALL = ["gemini", "sim", "claude"]

client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL, timeout=20_000))
cases = []


def for_all(test):
    for name in ALL:
        cases.append((f"{test.__name__} of {name}", lambda name=name: test(name)))
    return test


def ask(model, contents=ASK, **config):
    return client.models.generate_content(
        model=model, contents=contents, config=types.GenerateContentConfig(**config) if config else None
    )


def stream(model, contents=ASK, **config):
    return client.models.generate_content_stream(
        model=model, contents=contents, config=types.GenerateContentConfig(**config) if config else None
    )


@for_all
def an_answer(name):
    answer = ask(name, system_instruction="Be brief.", temperature=0.5, max_output_tokens=64)
    assert answer.text == SAID, answer
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (8, 8, 16), usage


@for_all
def a_stream(name):
    chunks = list(stream(name))
    assert "".join(chunk.text or "" for chunk in chunks) == SAID, chunks
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.candidates_token_count == 8, chunks[-1]


@for_all
def a_stream_read_asynchronously(name):
    async def read():
        chunks = await client.aio.models.generate_content_stream(model=name, contents=ASK)
        return "".join([chunk.text or "" async for chunk in chunks])

    assert asyncio.run(read()) == SAID


@for_all
def functions_there_and_back(name):
    config = {"tools": [WEATHER], "automatic_function_calling": {"disable": True}}
    answer = ask(f"{name}-tools", **config)
    (call,) = answer.function_calls
    assert call.name == "get_weather" and call.args["city"] == "Paris", answer
    result = types.Part.from_function_response(name=call.name, response={"result": "18"})
    turns = [
        types.UserContent(ASK),
        answer.candidates[0].content,
        types.Content(role="user", parts=[result]),
    ]
    assert ask(f"{name}-tools", turns, **config).text == SAID


@for_all
def functions_in_a_stream(name):
    config = {"tools": [WEATHER], "automatic_function_calling": {"disable": True}}
    calls = [call for chunk in stream(f"{name}-tools", **config) for call in chunk.function_calls or []]
    assert [call.args for call in calls] == [{"city": "Paris", "unit": "celsius"}], calls


@for_all
def functions_that_the_client_calls_itself(name):
    asked = []

    def get_weather(city: str, unit: str) -> str:
        """Tells the weather."""
        asked.append(city)
        return "18"

    assert ask(f"{name}-tools", tools=[get_weather]).text == SAID
    assert asked == ["Paris"]


@for_all
def thoughts(name):
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    answer = ask(f"{name}-reasoning", thinking_config=thinking)
    thought, said = answer.candidates[0].content.parts[0], answer.candidates[0].content.parts[-1]
    assert thought.thought and thought.text == "Let me think first." and said.text == SAID, answer
    # Kept by the client, they are taken back.
    turns = [types.UserContent(ASK), answer.candidates[0].content, types.UserContent("And?")]
    assert ask(name, turns).text == SAID


@for_all
def pictures_and_documents(name):
    picture = types.Part.from_bytes(data=b"\x89PNG\xfb\xff", mime_type="image/png")
    document = types.Part.from_bytes(data=b"%PDF-", mime_type="application/pdf")
    assert ask(name, [picture, document, "What is this?"]).text == SAID


@for_all
def an_answer_of_a_form(name):
    schema = types.Schema(type="OBJECT", properties={"a": types.Schema(type="INTEGER", nullable=True)})
    answer = ask(name, response_mime_type="application/json", response_schema=schema)
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP


@for_all
def a_conversation(name):
    chat = client.chats.create(model=name)
    assert chat.send_message(ASK).text == SAID
    assert chat.send_message("And?").text == SAID
    assert len(chat.get_history()) == 4


@for_all
def tokens_are_counted(name):
    counted = client.models.count_tokens(model=name, contents=ASK)
    assert 4 <= counted.total_tokens <= 60, counted


@for_all
def errors_are_of_their_class(name):
    for words, kind, status in [("429", errors.ClientError, "RESOURCE_EXHAUSTED"), ("500", errors.ServerError, "INTERNAL")]:
        try:
            ask(f"{name}-{words}")
        except errors.APIError as error:
            assert type(error) is kind and error.status == status and error.code == int(words), error
        else:
            raise AssertionError(f"no {kind.__name__}")


@for_all
def a_wrong_key(name):
    wrong = genai.Client(api_key="sk-wrong", http_options=types.HttpOptions(base_url=URL))
    try:
        wrong.models.generate_content(model=name, contents=ASK)
    except errors.ClientError as error:
        assert error.code == 401 and error.status == "UNAUTHENTICATED", error
    else:
        raise AssertionError("a wrong key was taken")


@for_all
def a_cut_stream_has_no_reason_to_stop(name):
    chunks = []
    try:
        for chunk in stream(f"{name}-cut=3"):
            chunks.append(chunk)
    except errors.APIError as error:
        assert error.code >= 500, error
    assert chunks and all(chunk.candidates is None or chunk.candidates[0].finish_reason is None for chunk in chunks)


def main():
    failed = 0
    for name, test in cases:
        try:
            test()
        except Exception:
            failed += 1
            print(f"google-python {genai.__version__}: {name} FAILED")
            traceback.print_exc(file=sys.stdout)
    print(f"google-python: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
