"""A real engine for the tests: llama.cpp's own server, with a model of random weights that is written here.

    engine.py PORT      serves OpenAI's API on this port until it is ended
"""

import random
import signal
import struct
import sys
import tempfile
from pathlib import Path

# Sizes of the model: one small layer.
WIDTH, HIDDEN, HEADS, CONTEXT = 64, 128, 2, 65536
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "

# Types of GGUF values, tensors and tokens.
U32, I32, F32, TEXT, LIST = 4, 5, 6, 8, 9
PLAIN = 0
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
ALIGNED = 32


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, it):
    if kind == TEXT:
        return text(it)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f"}[kind], it)


def entry(key, kind, it):
    return text(key) + struct.pack("<I", kind) + value(kind, it)


def listed(key, kind, items):
    head = text(key) + struct.pack("<IIQ", LIST, kind, len(items))
    return head + b"".join(value(kind, it) for it in items)


def vocabulary():
    """Tokens, scores and types: marks, every byte, and letters that follow a space."""
    tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    tokens += [(letter, NORMAL) for letter in LETTERS + LETTERS.upper()]
    tokens += [("\u2581", NORMAL)]
    return tokens


def tensors(tokens):
    """Each tensor's name, shape (fastest first) and numbers."""
    draw = random.Random(7)

    def noise(*shape):
        count = 1
        for side in shape:
            count *= side
        return shape, [draw.gauss(0, 0.2) for _ in range(count)]

    ones = ((WIDTH,), [1.0] * WIDTH)
    # Only letters are ever the likeliest, so that each token is a character.
    rows = [draw.gauss(0, 1) if kind == NORMAL else 0.0 for _, kind in tokens for _ in range(WIDTH)]
    made = {"token_embd.weight": noise(WIDTH, len(tokens)), "output_norm.weight": ones}
    made["output.weight"] = ((WIDTH, len(tokens)), rows)
    for name in ["attn_norm", "ffn_norm"]:
        made[f"blk.0.{name}.weight"] = ones
    for name in ["attn_q", "attn_k", "attn_v", "attn_output"]:
        made[f"blk.0.{name}.weight"] = noise(WIDTH, WIDTH)
    for name, shape in [("gate", (WIDTH, HIDDEN)), ("up", (WIDTH, HIDDEN)), ("down", (HIDDEN, WIDTH))]:
        made[f"blk.0.ffn_{name}.weight"] = noise(*shape)
    return made


def write(path):
    tokens = vocabulary()
    facts = [
        entry("general.architecture", TEXT, "llama"),
        entry("llama.context_length", U32, CONTEXT),
        entry("llama.embedding_length", U32, WIDTH),
        entry("llama.block_count", U32, 1),
        entry("llama.feed_forward_length", U32, HIDDEN),
        entry("llama.attention.head_count", U32, HEADS),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.dimension_count", U32, WIDTH // HEADS),
        entry("tokenizer.ggml.model", TEXT, "llama"),
        listed("tokenizer.ggml.tokens", TEXT, [token for token, _ in tokens]),
        listed("tokenizer.ggml.scores", F32, [0.0] * len(tokens)),
        listed("tokenizer.ggml.token_type", I32, [kind for _, kind in tokens]),
        entry("tokenizer.ggml.unknown_token_id", U32, 0),
        entry("tokenizer.ggml.bos_token_id", U32, 1),
        entry("tokenizer.ggml.eos_token_id", U32, 2),
        entry("tokenizer.chat_template", TEXT, TEMPLATE),
    ]
    made = tensors(tokens)
    index, data = b"", b""
    for name, (shape, numbers) in made.items():
        index += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, PLAIN, len(data))
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        data += bytes(-len(data) % ALIGNED)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(made), len(facts)) + b"".join(facts) + index
    path.write_bytes(head + bytes(-len(head) % ALIGNED) + data)


def serve(port):
    import xllamacpp

    with tempfile.TemporaryDirectory(prefix="tollgate-engine.") as folder:
        path = Path(folder, "random.gguf")
        write(path)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.hostnames, params.port = ["127.0.0.1"], port
        params.n_ctx, params.n_parallel = CONTEXT, 1
        params.cpuparams.n_threads = 1
        params.n_threads_http = 4
        params.warmup = False
        server = xllamacpp.Server(params)
        print(f"llama.cpp in xllamacpp {xllamacpp.__version__} on {server.listening_address}", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    serve(int(sys.argv[1]))
