#!/bin/sh
# Makes the seed corpus of each target from the golden samples: a few option bytes, then the sample.
set -eu
cd "$(dirname "$0")"
golden=../../src/dialects/openai/golden
mkdir -p corpus/sse corpus/request corpus/answer
for flags in '\000' '\003'; do
    for f in "$golden"/stream/*; do
        { printf "$flags"'\021\121\006'; cat "$f"; } > "corpus/sse/$(basename "$f")-${flags#?}"
    done
done
for flags in '\004' '\017' '\030' '\042'; do
    for f in "$golden"/request/*; do
        { printf "$flags"; cat "$f"; } > "corpus/request/$(basename "$f")-${flags#?}"
    done
done
for f in "$golden"/answer/* "$golden"/error/*; do
    { printf '\001\220'; cat "$f"; } > "corpus/answer/$(basename "$f")"
done
mkdir -p corpus/config
cp ../../conf/*.yaml ../../conf/examples/*.yaml ../fixtures/seeds/*.yaml corpus/config/
