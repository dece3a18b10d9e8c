"""The official clients of Cohere, AWS and Ollama, against tollgate in front of scripted upstreams.

They reach their vendor's own API below the vendor's name, and OpenAI's client reaches the same upstreams translated.
TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key.
"""

import json
import os
import sys
import traceback
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import cohere
import ollama
import openai

URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
TEXT = "Hello from the vendor."
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOL = {"type": "function", "function": WEATHER}
ASK = [{"role": "user", "content": "Say something."}]
ARGUMENTS = {"city": "Rome"}
cases = []


def case(test):
    cases.append(test)
    return test


# === Cohere ===


def cohere_client(key=KEY):
    return cohere.ClientV2(api_key=key, base_url=f"{URL}/cohere", timeout=20)


@case
def cohere_chat():
    answer = cohere_client().chat(model="sim", messages=ASK, max_tokens=9)
    assert answer.message.content[0].text == TEXT and answer.finish_reason == "COMPLETE"
    assert answer.usage.billed_units.input_tokens == 9
    answer = cohere_client().chat(model="sim", messages=ASK, tools=[TOOL])
    call = answer.message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == ("get_weather", ARGUMENTS)


@case
def cohere_stream():
    events = list(cohere_client().chat_stream(model="sim", messages=ASK))
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    assert text == TEXT and events[-1].type == "message-end", [event.type for event in events]
    assert events[-1].delta.usage.tokens.output_tokens == 4
    events = list(cohere_client().chat_stream(model="sim", messages=ASK, tools=[TOOL]))
    pieces = [e.delta.message.tool_calls.function.arguments for e in events if e.type == "tool-call-delta"]
    assert json.loads("".join(pieces)) == ARGUMENTS


@case
def cohere_refuses_a_stranger():
    try:
        cohere_client("sk-wrong").chat(model="sim", messages=ASK)
    except cohere.UnauthorizedError:
        return
    raise AssertionError("a stranger was answered")


# === Bedrock ===


def bedrock_client(key=KEY):
    # The key stands where AWS has the name of its own: the secret is then of no account.
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{URL}/bedrock",
        aws_access_key_id=key,
        aws_secret_access_key="none",
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=20),
    )


CONVERSE = {
    "modelId": "eu.amazon.nova-lite-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Say something."}]}],
    "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
}
TOOLS = {
    "tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": WEATHER["parameters"]}}}],
}


@case
def bedrock_converse():
    answer = bedrock_client().converse(**CONVERSE)
    assert answer["output"]["message"]["content"][0]["text"] == TEXT and answer["stopReason"] == "end_turn"
    assert answer["usage"]["totalTokens"] == 13
    answer = bedrock_client().converse(**CONVERSE, toolConfig=TOOLS)
    assert answer["output"]["message"]["content"][0]["toolUse"]["input"] == ARGUMENTS


@case
def bedrock_stream():
    events = list(bedrock_client().converse_stream(**CONVERSE)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["text"] for delta in deltas) == TEXT, events
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 4
    events = list(bedrock_client().converse_stream(**CONVERSE, toolConfig=TOOLS)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == ARGUMENTS


@case
def bedrock_refuses_a_stranger():
    try:
        bedrock_client("sk-wrong").converse(**CONVERSE)
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 401, error.response
        return
    raise AssertionError("a stranger was answered")


# === Ollama ===


def ollama_client(key=KEY):
    return ollama.Client(host=f"{URL}/ollama", headers={"Authorization": f"Bearer {key}"}, timeout=20)


@case
def ollama_chat():
    answer = ollama_client().chat(model="sim", messages=ASK, options={"num_predict": 9})
    assert answer.message.content == TEXT and answer.done and answer.eval_count == 4
    answer = ollama_client().chat(model="sim", messages=ASK, tools=[TOOL])
    call = answer.message.tool_calls[0].function
    assert (call.name, call.arguments) == ("get_weather", ARGUMENTS)
    assert [model.model for model in ollama_client().list().models] == ["sim"]


@case
def ollama_stream():
    chunks = list(ollama_client().chat(model="sim", messages=ASK, stream=True))
    assert "".join(chunk.message.content or "" for chunk in chunks) == TEXT
    assert chunks[-1].done and chunks[-1].prompt_eval_count == 9


@case
def ollama_refuses_a_stranger():
    try:
        ollama_client("sk-wrong").chat(model="sim", messages=ASK)
    except ollama.ResponseError as error:
        assert error.status_code == 401, error
        return
    raise AssertionError("a stranger was answered")


# === The same upstreams, translated ===


@case
def openai_clients_reach_them_all():
    with openai.OpenAI(api_key=KEY, base_url=f"{URL}/v1", max_retries=0, timeout=20) as client:
        ask = client.chat.completions.create
        for model in ["vendor-cohere", "vendor-bedrock", "vendor-ollama"]:
            plain = {"model": model, "messages": ASK, "max_tokens": 9, "temperature": 0.5}
            answer = ask(**plain)
            assert answer.choices[0].message.content == TEXT, (model, answer)
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 4), (model, answer.usage)
            call = ask(**plain, tools=[TOOL]).choices[0].message.tool_calls[0].function
            assert (call.name, json.loads(call.arguments)) == ("get_weather", ARGUMENTS), model
            chunks = [chunk for chunk in ask(**plain, stream=True) if chunk.choices]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT, model
            chunks = [chunk for chunk in ask(**plain, stream=True, tools=[TOOL]) if chunk.choices]
            calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
            assert json.loads("".join(call.function.arguments for call in calls)) == ARGUMENTS, model
            assert chunks[-1].choices[0].finish_reason == "tool_calls", model


@case
def every_call_is_written_down():
    asked = urllib.request.Request(f"{URL}/spend/logs", headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        rows = json.load(answer)
    seen = {row["model"] for row in rows if row["total_tokens"] == 13}
    assert {"cohere/sim", "bedrock/eu.amazon.nova-lite-v1:0", "ollama/sim"} <= seen, seen


def main():
    failed = 0
    for test in cases:
        try:
            test()
        except Exception:
            failed += 1
            print(f"vendors: {test.__name__} FAILED")
            traceback.print_exc(file=sys.stdout)
    versions = f"cohere {cohere.__version__}, boto3 {boto3.__version__}"
    print(f"vendors-python ({versions}, ollama): {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
