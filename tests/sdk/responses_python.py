"""The official OpenAI client for Python asks for responses: of a model whose upstream has them and is relayed to, of
one that is asked by a chat, and of one of Anthropic's.

TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key.
"""

import json
import os
import sys
import traceback

import openai
import pydantic

URL = os.environ["TOLLGATE_URL"]
KEY = os.environ["TOLLGATE_KEY"]
ASK = "Say something in a few words."
SAID = "Every call pays its toll and goes on."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
# A name of each way, to which words for the simulator are added.
ALL = ["relay", "sim", "claude"]
TRANSLATED = ["sim", "claude"]

client = openai.OpenAI(api_key=KEY, base_url=f"{URL}/v1", max_retries=0, timeout=20)
cases = []


def for_names(names):
    def add(test):
        for name in names:
            cases.append((f"{test.__name__} of {name}", lambda name=name: test(name)))
        return test

    return add


def ask(model, **more):
    return client.responses.create(**{"model": model, "input": ASK, **more})


def valid(model):
    """A model of the client's own, held to its types: the client itself does not look."""
    return type(model).model_validate(model.model_dump(warnings=False))


@for_names(ALL)
def a_response(name):
    answer = valid(ask(name, instructions="Be brief.", max_output_tokens=64, metadata={"a": "b"}))
    assert answer.object == "response" and answer.status == "completed" and answer.model == name, answer
    assert answer.output_text == SAID and answer.error is None, answer
    assert [item.type for item in answer.output] == ["message"]
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (8, 8, 16), usage


@for_names(TRANSLATED)
def what_was_asked_is_repeated(name):
    answer = ask(name, instructions="Be brief.", max_output_tokens=64, metadata={"a": "b"}, tools=[WEATHER])
    assert answer.instructions == "Be brief." and answer.max_output_tokens == 64 and answer.metadata == {"a": "b"}
    assert answer.tools[0].name == "get_weather" and answer.tool_choice == "auto", answer


@for_names(ALL)
def a_stream(name):
    events = [valid(event) for event in ask(name, stream=True)]
    assert events[0].type == "response.created" and events[-1].type == "response.completed", events
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == SAID == events[-1].response.output_text, events
    assert events[-1].response.usage.output_tokens == 8
    assert [event.sequence_number for event in events] == list(range(len(events)))


@for_names(ALL)
def a_stream_by_the_helper(name):
    with client.responses.stream(model=f"{name}-tools", input=ASK, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    call = final.output[-1]
    assert call.type == "function_call" and json.loads(call.arguments)["city"] == "Paris", final


@for_names(ALL)
def tools_there_and_back(name):
    turns = [{"role": "user", "content": ASK}]
    answer = ask(f"{name}-tools", input=turns, tools=[WEATHER], tool_choice="required")
    call = answer.output[-1]
    assert call.type == "function_call" and call.name == "get_weather", answer
    turns += answer.output
    turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "18"})
    assert ask(f"{name}-tools", input=turns, tools=[WEATHER]).output_text == SAID


@for_names(ALL)
def thoughts(name):
    answer = valid(ask(f"{name}-reasoning", reasoning={"effort": "low", "summary": "auto"}))
    assert [item.type for item in answer.output] == ["reasoning", "message"], answer
    assert answer.output[0].summary[0].text == "Let me think first."
    # Kept by the client, they are taken back.
    turns = [{"role": "user", "content": ASK}, *answer.output, {"role": "user", "content": "And?"}]
    assert ask(name, input=turns).output_text == SAID
    deltas = [event.delta for event in ask(f"{name}-reasoning", stream=True) if event.type.endswith("summary_text.delta")]
    assert "".join(deltas) == "Let me think first."


@for_names(ALL)
def pictures_and_documents(name):
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw0="},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
    ]
    assert ask(name, input=[{"role": "user", "content": parts}]).output_text == SAID


@for_names(ALL)
def errors_are_of_their_class(name):
    for words, kind in [("429", openai.RateLimitError), ("500", openai.InternalServerError)]:
        try:
            ask(f"{name}-{words}")
        except openai.APIStatusError as error:
            assert type(error) is kind, error
        else:
            raise AssertionError(f"no {kind.__name__}")


@for_names(TRANSLATED)
def what_needs_a_memory_is_refused(name):
    for more in [{"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]}]:
        try:
            ask(name, **more)
        except openai.BadRequestError as error:
            assert next(iter(more)) in error.message, error
        else:
            raise AssertionError(f"{more} was taken")


@for_names(ALL)
def a_cut_stream_raises(name):
    seen = []
    try:
        for event in ask(f"{name}-cut=3", stream=True):
            seen.append(event.type)
    except openai.APIError:
        assert seen[-1] == "response.failed" and "response.completed" not in seen, seen
        return
    raise AssertionError(f"a cut is never dressed up as a finish: {seen}")


@for_names(ALL)
def single_responses_are_not_kept(name):
    answer = ask(name)
    for call in [client.responses.retrieve, client.responses.delete]:
        try:
            call(answer.id)
        except openai.NotFoundError as error:
            assert "not kept" in error.message, error
        else:
            raise AssertionError("something was found")


@for_names(TRANSLATED)
def an_answer_of_a_form(name):
    class Toll(pydantic.BaseModel):
        city: str
        unit: str

    # The simulator's arguments of a call are the only JSON that it says.
    body = {"text": {"format": {"type": "json_schema", "name": "toll", "schema": Toll.model_json_schema()}}}
    assert ask(name, extra_body=body).status == "completed"


def main():
    failed = 0
    for name, test in cases:
        try:
            test()
        except Exception:
            failed += 1
            print(f"responses-python {openai.__version__}: {name} FAILED")
            traceback.print_exc(file=sys.stdout)
    print(f"responses-python: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
