#!/usr/bin/env bash
# Builds the program for release so that the same sources, toolchain and C compiler give the same bytes in whatever
# folder (without spaces), and prints its SHA-256 and place. `tests/reproducible` looks whether they do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
[[ $target == /* ]] || target=$PWD/$target
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Messages of failed assertions name their files. The last mapping that fits counts: target is mostly within the sources.
remap=() c_remap=()
for pair in "$cargo_home=/cargo" "$PWD=/tollgate" "$target=/target"; do
    remap+=("--remap-path-prefix=$pair")
    c_remap+=("-ffile-prefix-map=$pair")
done
# A separator that no path has.
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${remap[*]}")
export CARGO_ENCODED_RUSTFLAGS CFLAGS="${CFLAGS:-} ${c_remap[*]}" CXXFLAGS="${CXXFLAGS:-} ${c_remap[*]}"
export CARGO_TARGET_DIR=$target SOURCE_DATE_EPOCH=0
cargo build --release --locked --bin tollgate
sha256sum "$target/release/tollgate"
