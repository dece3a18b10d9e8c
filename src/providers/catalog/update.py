#!/usr/bin/env python3
"""Writes models.tsv anew from a price file in LiteLLM's format: update.py FILE > models.tsv

Facts only: names, limits and prices. Tokens are priced in US dollars per million, all else per unit.
"""

import json
import re
import sys
from decimal import Decimal

FAMILIES = {
    "bedrock_converse": "bedrock",
    "bedrock_mantle": "bedrock",
    "cohere_chat": "cohere",
    "text-completion-openai": "openai",
    "text-completion-codestral": "codestral",
    "azure_text": "azure",
    "chatgpt": "openai",
}
MODES = {
    "chat", "responses", "completion", "embedding", "rerank", "moderation", "realtime",
    "image_generation", "image_edit", "audio_speech", "audio_transcription",
}
PER_MILLION = [
    "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
    "cache_creation_input_token_cost", "output_cost_per_reasoning_token", "input_cost_per_audio_token",
    "output_cost_per_audio_token", "input_cost_per_token_batches", "output_cost_per_token_batches",
]
# Elsewhere nothing for nothing means that nobody knows.
FREE = {"ollama", "lemonade"}
PER_UNIT = [
    ("output_cost_per_image", "input_cost_per_image"),
    ("input_cost_per_second",),
    ("input_cost_per_character",),
    ("input_cost_per_query",),
]
IMAGE_TOKENS = ["input_cost_per_image_token", "output_cost_per_image_token"]
TIERS = [("128k", 128_000), ("200k", 200_000), ("256k", 256_000), ("272k", 272_000)]
TIERED = PER_MILLION[:4]
SIZE = re.compile(r"(?:^|/)(\d+)-x-(\d+)/")


def family(provider):
    provider = FAMILIES.get(provider, provider)
    for long in ("vertex_ai-", "fireworks_ai-"):
        if provider.startswith(long):
            return long[:-1]
    return provider


def amount(value, times):
    if value is None:
        return ""
    text = format((Decimal(repr(float(value))) * times).normalize(), "f")
    return text


def whole(value):
    try:
        return str(int(value)) if int(value) > 0 else ""
    except (TypeError, ValueError):
        return ""


def image(name, facts):
    """The price of an image, also where it is told by the pixel; vendors have whole cents or tenths of them."""
    for key in PER_UNIT[0]:
        if key in facts:
            return facts[key]
    pixel = sum(facts.get(f"{way}_cost_per_pixel", 0) or 0 for way in ("input", "output"))
    size = SIZE.search(name)
    return round(pixel * int(size[1]) * int(size[2]), 4) if pixel and size else None


def tier(facts):
    """The prices of long prompts: how long, and the four of them."""
    for word, above in TIERS:
        cells = [amount(facts.get(f"{key}_above_{word}_tokens"), 1_000_000) for key in TIERED]
        if any(cell not in ("", "0") for cell in cells):
            return [str(above), *cells]
    return [""] * 5


def line(name, facts):
    limits = [whole(facts.get("max_input_tokens") or facts.get("max_tokens")), whole(facts.get("max_output_tokens"))]
    free = family(facts["litellm_provider"]) in FREE or facts["mode"] == "moderation" or name.endswith(":free")
    million = [amount(facts.get(key), 1_000_000) for key in PER_MILLION]
    if not free and all(cell in ("", "0") for cell in million[:2]):
        million = [""] * len(million)
    # Parts of a whole that cost nothing are billed as the whole.
    million[2:] = ["" if cell == "0" and not free else cell for cell in million[2:]]
    unit = [amount(image(name, facts), 1)]
    unit += [amount(facts.get(keys[0], facts.get(keys[-1])), 1) for keys in PER_UNIT[1:]]
    unit.append(amount(facts.get("output_cost_per_second"), 1))
    unit = ["" if cell == "0" else cell for cell in unit]
    images = [amount(facts.get(key), 1_000_000) for key in IMAGE_TOKENS]
    cells = [name, family(facts["litellm_provider"]), facts["mode"], *limits, *million, *unit, *images, *tier(facts)]
    return "\t".join(cells).rstrip("\t")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        entries = json.load(file)
    lines = [
        line(name, facts)
        for name, facts in entries.items()
        if facts.get("mode") in MODES and facts.get("litellm_provider") and "\t" not in name
    ]
    print("\n".join(sorted(lines, key=lambda text: text.split("\t", 1)[0].encode())))


main()
