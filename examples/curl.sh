#!/usr/bin/env bash
# Asks the gateway with nothing but curl: one answer, the same answer again for a retry, and a stream.
# The Idempotency-Key makes the retry safe: it gets the stored answer, byte for byte, and nobody is asked twice.
# Run: GATEWAY_KEY=gwk_… examples/curl.sh (the key that the first `npm start` prints; GATEWAY_URL for another address)
set -euo pipefail
url="${GATEWAY_URL:-http://127.0.0.1:8000}"

ask() {
  curl --silent --show-error --fail-with-body "$url/$1" \
    --header "X-API-Key: $GATEWAY_KEY" --header "Content-Type: application/json" "${@:2}"
  echo
}

order="order-$RANDOM-$RANDOM"
ask infer --header "Idempotency-Key: $order" --data '{"prompt":"Say hello","max_tokens":20}'
ask infer --header "Idempotency-Key: $order" --data '{"prompt":"Say hello","max_tokens":20}'
ask v1/chat/completions --no-buffer --data '{"messages":[{"role":"user","content":"Say hello"}],"model":"auto","stream":true}'
