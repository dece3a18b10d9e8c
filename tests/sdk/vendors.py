"""Scripted upstreams for the clients of Cohere, Bedrock and Ollama: each wants its requests as the vendor's
documentation has them, and its credentials right.

    vendors.py PORT     serves all of them on this port until it is ended
"""

import binascii
import json
import struct
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = "sk-upstream"
ACCESS, SECRET, REGION = "AKIDUPSTREAM", "upstream-secret", "eu-west-1"
WORDS = ["Hello", " from", " the", " vendor."]
CALL = {"name": "get_weather", "arguments": {"city": "Rome"}}


class Wrong(Exception):
    """What is wrong with a request."""


def need(fits, what):
    if not fits:
        raise Wrong(what)


def typed(value, kind, what):
    need(isinstance(value, kind), f"{what} is no {kind.__name__}")
    return value


# === Cohere ===


def cohere(handler, body):
    need(handler.headers["authorization"] == f"Bearer {KEY}", "the key is wrong")
    typed(body.get("model"), str, "model")
    for message in typed(body.get("messages"), list, "messages"):
        need(message["role"] in ("system", "user", "assistant", "tool"), "a role is unknown")
    need(not set(body) & {"max_completion_tokens", "top_p", "stop"}, "words of another dialect")
    usage = {"billed_units": {"input_tokens": 9, "output_tokens": 4}, "tokens": {"input_tokens": 9, "output_tokens": 4}}
    calls = [{"id": "c0", "type": "function", "function": {"name": CALL["name"], "arguments": json.dumps(CALL["arguments"])}}]
    tools = typed(body.get("tools", []), list, "tools")
    finish = "TOOL_CALL" if tools else "COMPLETE"
    if not body.get("stream"):
        message = {"role": "assistant"}
        message |= {"tool_calls": calls} if tools else {"content": [{"type": "text", "text": "".join(WORDS)}]}
        return handler.json({"id": "1", "finish_reason": finish, "message": message, "usage": usage})
    delta = lambda message: {"delta": {"message": message}}
    events = [{"type": "message-start", "id": "1", **delta({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []})}]
    if tools:
        call = {"id": "c0", "type": "function", "function": {"name": CALL["name"], "arguments": ""}}
        events += [{"type": "tool-call-start", "index": 0, **delta({"tool_calls": call})}]
        for piece in ['{"city":', ' "Rome"}']:
            events += [{"type": "tool-call-delta", "index": 0, **delta({"tool_calls": {"function": {"arguments": piece}}})}]
        events += [{"type": "tool-call-end", "index": 0}]
    else:
        events += [{"type": "content-start", "index": 0, **delta({"content": {"type": "text", "text": ""}})}]
        events += [{"type": "content-delta", "index": 0, **delta({"content": {"text": word}})} for word in WORDS]
        events += [{"type": "content-end", "index": 0}]
    events += [{"type": "message-end", "delta": {"finish_reason": finish, "usage": usage}}]
    handler.stream("text/event-stream", [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events])


# === Bedrock ===


def signed(handler, raw):
    """The signature that AWS's own library makes of this request must be the one that came."""
    came = handler.headers["authorization"] or ""
    need(f"Credential={ACCESS}/" in came and f"/{REGION}/bedrock/aws4_request" in came, f"not signed: {came[:40]}")
    names = came.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: handler.headers[name] for name in names}
    request = AWSRequest("POST", f"http://{handler.headers['host']}{handler.path}", data=raw, headers=headers)
    request.context["timestamp"] = handler.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS, SECRET), "bedrock", REGION)
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    need(came.endswith(f"Signature={expected}"), "the signature is wrong")


def frame(kind, payload):
    """A message of an event stream, as AWS frames it."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack(">I", binascii.crc32(message))


def bedrock(handler, body, raw):
    signed(handler, raw)
    known = {"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"}
    need(set(body) <= known, f"members that Converse does not have: {set(body) - known}")
    for message in typed(body.get("messages"), list, "messages"):
        need(message["role"] in ("user", "assistant"), "a role is unknown")
        typed(message["content"], list, "content")
    need(set(body.get("inferenceConfig", {})) <= {"maxTokens", "temperature", "topP", "stopSequences"}, "settings")
    usage = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}
    tools = "toolConfig" in body
    stop = "tool_use" if tools else "end_turn"
    use = {"toolUseId": "t0", "name": CALL["name"]}
    if handler.path.endswith("/converse"):
        content = [{"toolUse": {**use, "input": CALL["arguments"]}}] if tools else [{"text": "".join(WORDS)}]
        message = {"role": "assistant", "content": content}
        return handler.json({"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}})
    need(handler.path.endswith("/converse-stream"), "no such path")
    events = [("messageStart", {"role": "assistant"})]
    if tools:
        events += [("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}})]
        pieces = [{"toolUse": {"input": piece}} for piece in ['{"city":', ' "Rome"}']]
    else:
        pieces = [{"text": word} for word in WORDS]
    events += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": piece}) for piece in pieces]
    events += [("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": stop})]
    events += [("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    handler.stream("application/vnd.amazon.eventstream", [frame(*event) for event in events])


# === Ollama ===


def ollama(handler, body):
    typed(body.get("model"), str, "model")
    for message in typed(body.get("messages"), list, "messages"):
        typed(message["content"], str, "content")
    need(not set(body) & {"max_tokens", "temperature", "response_format"}, "words of another dialect")
    base = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
    ending = {"done": True, "done_reason": "stop", "total_duration": 5, "prompt_eval_count": 9, "eval_count": 4}
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": CALL}]}
    if not body.get("stream", True):
        message = call if body.get("tools") else {"role": "assistant", "content": "".join(WORDS)}
        return handler.json({**base, "message": message, **ending})
    said = [call] if body.get("tools") else [{"role": "assistant", "content": word} for word in WORDS]
    lines = [{**base, "message": message, "done": False} for message in said]
    lines += [{**base, "message": {"role": "assistant", "content": ""}, **ending}]
    handler.stream("application/x-ndjson", [json.dumps(line).encode() + b"\n" for line in lines])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/api/tags":
            return self.json({"models": [{"model": "sim", "name": "sim"}]})
        return self.json({"message": "no such path"}, 200 if self.path == "/health" else 404)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        try:
            body = json.loads(raw)
            if self.path == "/v2/chat":
                cohere(self, body)
            elif self.path.startswith("/model/"):
                bedrock(self, body, raw)
            elif self.path == "/api/chat":
                ollama(self, body)
            else:
                self.json({"message": "no such path"}, 404)
        except (Wrong, KeyError, ValueError) as error:
            print(f"{urllib.parse.unquote(self.path)}: {error!r}", file=sys.stderr, flush=True)
            self.json({"message": f"scripted refusal: {error}"}, 400)

    def json(self, body, status=200):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, kind, pieces):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in [*pieces, b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
