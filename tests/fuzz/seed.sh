#!/bin/sh
# Makes the seed corpus of each target from the golden samples: a few option bytes, then the sample.
set -eu
cd "$(dirname "$0")"
dialects=../../src/dialects
golden=$dialects/openai/golden
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
mkdir -p corpus/decoders
# A dialect's place in the table `dialects::ALL`.
place=0
for dialect in openai anthropic gemini ollama cohere converse; do
    at=$(printf '\\%03o' "$place")
    place=$((place + 1))
    for client in '\000' '\001'; do
        for f in "$dialects/$dialect/golden/stream"/* "$dialects/$dialect/golden/answer"/*; do
            { printf "$at$client"'\021\006'; cat "$f"; } > "corpus/decoders/$dialect-${client#?}-$(basename "$f")"
        done
    done
done
mkdir -p corpus/config
cp ../../conf/*.yaml ../../conf/examples/*.yaml ../fixtures/seeds/*.yaml corpus/config/
mkdir -p corpus/form
printf '\007--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nxy\r\n--b\r\ncontent-disposition: form-data; name=model\r\n\r\nm\r\n--b--\r\n' >corpus/form/two
mkdir -p corpus/http1
{ printf '\020HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'; } > corpus/http1/length
{ printf '\100HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n'; } > corpus/http1/chunked
{ printf '\010HTTP/1.1 429 \r\nretry-after: 3\r\nconnection: close\r\n\r\nto the end'; } > corpus/http1/close
{ printf '\005HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'; } > corpus/http1/interim
