#!/usr/bin/env bash
# Installs Debian's Chromium, with which test/ui looks at the page, where there is none and apt may be used.
#
# It never fails: without a browser the tests that want one say that they are skipped.
set -uo pipefail

if command -v chromium chromium-browser google-chrome >/dev/null || [[ -n ${CHROMIUM_PATH:-} ]]; then exit 0; fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "chromium: not installed, which needs root and apt"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
install() { timeout 120 apt-get install -y --no-install-recommends chromium >/tmp/chromium.$$ 2>&1; }
install || { timeout 60 apt-get update >/tmp/chromium.$$ 2>&1 && install; } ||
  echo "chromium: $(tail -n 1 /tmp/chromium.$$ | cut -c 1-200)"
rm -f /tmp/chromium.$$
