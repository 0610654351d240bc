#!/usr/bin/env bash
# Builds the one test binary of the Go clients and prints its path. The path holds a hash of the sources and of the
# Go version, so that an unchanged tree builds once; two builds at a time wait for each other.
# Needs Go 1.26 and, the first time, a Go module proxy.
set -euo pipefail
cd "$(dirname "$0")"
root=$(git rev-parse --show-toplevel 2>/dev/null || (cd ../../.. && pwd))
hash=$( (go version; cat build.sh go.mod go.sum ./*.go ./api/*/*) | sha256sum | cut -c1-16)
out=$root/.cache/clients-go/$hash/clients.test
mkdir -p "$(dirname "$out")"
exec 9>"$root/.cache/clients-go/lock"
flock 9
if [ ! -x "$out" ]; then
  GOFLAGS='-mod=readonly -buildvcs=false' go test -c -trimpath -ldflags='-s -w' -o "$out.new" . >&2
  mv "$out.new" "$out"
fi
echo "$out"
