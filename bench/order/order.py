#!/usr/bin/env python3
"""Writes order.ld anew: bench/order/order.py TOLLGATE SIMULATOR > bench/order/order.ld

First comes what a start and plain calls run, then the modules that mostly run, then what less common calls run.

TOLLGATE is an optimised binary with symbols, built with TOLLGATE_UNORDERED=1 because valgrind names no function outside
of `.text`; SIMULATOR is the bench's. Needs valgrind. Names of functions stand in order.ld without their
hashes, so that it outlives other releases of the compiler and of libraries.
"""

import glob
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEY = "sk-order-6e0b1d94c2f7a358"
# A module of tollgate of which so much runs is kept together whole, so that what is added to it is at its place.
MOSTLY = 0.6
FEWEST = 1000
SAID = [{"role": "user", "content": "a"}]
MODELS = {
    "sim-ok": "openai/sim-ok",
    "sim-translated": "anthropic/sim-ok",
    "sim-status=500": "openai/sim-status=500",
}
HEAD = """/* Written by order.py: what runs when the gateway starts and serves lies together, so that the rest of the program is
   not loaded. A name that is not there does no harm. */
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def ask(port, path, body=None, key=KEY):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    method = "GET" if body is None else "POST"
    heads = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, heads)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def wait_for(port):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            return ask(port, "/health/liveliness")
        except OSError:
            time.sleep(0.3)
    sys.exit("the gateway does not start")


def call(port, bodies, key=KEY):
    for body in bodies:
        status, answer = ask(port, "/v1/chat/completions", {"messages": SAID, **body}, key)
        if status != 200:
            sys.exit(f"{body}: {answer}")


def plain(port):
    call(port, [{"model": "sim-ok"}, {"model": "sim-ok", "stream": True}] * 4)
    ask(port, "/metrics/")


def everything(port):
    plain(port)
    status, made = ask(port, "/key/generate", {"rpm_limit": 100000, "tpm_limit": 100000000, "max_budget": 10.0})
    if status != 200:
        sys.exit(f"no key: {made}")
    streams = [{}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}]
    for key in [KEY, json.loads(made)["key"]]:
        call(port, [{"model": model, **more} for model in ["sim-ok", "sim-translated"] for more in streams] * 3, key)
        for refused in ["nobody", "sim-status=500"]:
            ask(port, "/v1/chat/completions", {"model": refused, "messages": SAID}, key)
        ask(port, "/v1/models", None, key)
    ask(port, "/v1/models", None, "sk-unknown")
    ask(port, "/metrics/")
    ask(port, "/health/readiness")


def config(folder, upstream):
    models = ""
    for name, model in MODELS.items():
        base = f"http://127.0.0.1:{upstream}" + ("/v1" if model.startswith("openai") else "")
        models += f"  - model_name: {name}\n    litellm_params: {{model: {model}, api_base: '{base}', api_key: sk-up, "
        models += "input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}\n"
    path = os.path.join(folder, "config.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"model_list:\n{models}general_settings:\n  master_key: {KEY}\n")
        file.write(f"tollgate:\n  access_log: {folder}/access.log\n  workers: 2\n")
    return path


def traced(gateway, simulator, traffic):
    """The functions that a start and this traffic run, by their mangled names."""
    with tempfile.TemporaryDirectory() as folder:
        upstream, port = free_port(), free_port()
        backend = subprocess.Popen([simulator, "--listen", f"127.0.0.1:{upstream}", "--workers", "1"], stdout=subprocess.DEVNULL)
        tool = ["valgrind", "--tool=callgrind", "--demangle=no", "--compress-strings=no", f"--callgrind-out-file={folder}/trace.%p"]
        serve = [gateway, "serve", "--config", config(folder, upstream), "--data-dir", folder]
        serve += ["--host", "127.0.0.1", "--port", str(port)]
        with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
            proxy = subprocess.Popen(tool + serve, stdout=log, stderr=log)
        try:
            wait_for(port)
            traffic(port)
            time.sleep(5)
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(120)
        finally:
            proxy.kill()
            backend.kill()
        # A process that the gateway starts has a trace of its own.
        ran = set().union(*(functions(trace, gateway) for trace in glob.glob(f"{folder}/trace.*")))
        if len(ran) < FEWEST:
            sys.exit(f"only {len(ran)} functions ran: is the binary one of TOLLGATE_UNORDERED=1?")
        return ran


def functions(trace, gateway):
    found, ours = set(), False
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("ob="):
                ours = line.strip().endswith(os.path.basename(gateway))
            elif line.startswith("fn=") and ours:
                # A cycle's number follows the name.
                found.add(line[3:].strip().split("'")[0])
    return found


def symbols(gateway):
    """Functions of the binary and their sizes."""
    lines = subprocess.run(["nm", "-S", gateway], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (line.split() for line in lines)
    return [(row[3], int(row[1], 16)) for row in rows if len(row) == 4 and row[2] in "tT"]


def module(name):
    """The module of tollgate that a function is of, or that it is made for."""
    own = re.match(r"_ZN8tollgate\d+([a-z_]+)", name) or re.search(r"[$]tollgate\.\.([a-z_]+)\.\.", name)
    return own[1] if own else None


def pattern(name):
    name = re.sub(r"17h[0-9a-f]{16}E.*$", "17h*", re.sub(r"(\.llvm)?\.\d+$", "", name))
    return re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)


def main():
    gateway, simulator = sys.argv[1:]
    sizes = symbols(gateway)
    names = {name for name, _ in sizes}
    first = traced(gateway, simulator, plain) & names
    ran = traced(gateway, simulator, everything) & names
    total, used = {}, {}
    for name, size in sizes:
        if own := module(name):
            total[own] = total.get(own, 0) + size
            used[own] = used.get(own, 0) + (size if name in ran else 0)
    whole = sorted(own for own in total if used[own] >= MOSTLY * total[own])
    patterns = sorted({pattern(name) for name in first})
    patterns += [form for own in whole for form in (f"_ZN8tollgate{len(own)}{own}*", f"*$tollgate..{own}..*")]
    patterns += sorted({pattern(name) for name in ran - first if module(name) not in whole} - set(patterns))
    print(HEAD + "SECTIONS {\n  .text.used : {")
    for one in patterns:
        # `.text.unlikely.…` too: the compiler cannot know that a start runs it.
        print(f"    *(.text*.{one})")
    print("  }\n} INSERT BEFORE .text;")


if __name__ == "__main__":
    main()
