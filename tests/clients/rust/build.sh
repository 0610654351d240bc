#!/usr/bin/env bash
# Builds the one program of the Rust clients and prints its path. Two builds at a time wait for each other, and an
# unchanged tree builds once: cargo sees to both. Needs Rust 1.89 and, the first time, a crates registry.
set -euo pipefail
cd "$(dirname "$0")"
root=$(git rev-parse --show-toplevel 2>/dev/null || (cd ../../.. && pwd))
export CARGO_TARGET_DIR=$root/.cache/clients-rust/target
cargo build --locked --quiet >&2
echo "$CARGO_TARGET_DIR/debug/clients"
