#!/usr/bin/env bash
# Installs what test/deploy checks deploy/ with, into node_modules/.cache/deploy-tools: helm, promtool, nginx, a reader of compose
# files, and the schemas of Kubernetes and of the operators whose objects the chart makes. What is on the PATH is not installed.
#
# It never fails: what cannot be had within the time (60 seconds, or as many as the first argument says) is named with its
# reason, and the tests that want it say that they are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."

HELM=helm.sh/helm/v3/cmd/helm@v3.22.0
COMPOSE=github.com/compose-spec/compose-go/v2/cmd@v2.10.2
GATEWAY_API=sigs.k8s.io/gateway-api@v1.5.1
PROMETHEUS_OPERATOR=github.com/prometheus-operator/prometheus-operator@v0.85.0
KUBERNETES=kubernetes-validate==1.37.0

into=$PWD/node_modules/.cache/deploy-tools
end=$((SECONDS + ${1:-60}))
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$into/bin" "$into/schemas"
export GOBIN=$scratch/bin CGO_ENABLED=0

# attempt NAME FUNCTION: does a part of the work within what is left of the time.
attempt() {
  local left=$((end - SECONDS))
  if ((left <= 0)); then
    echo "deploy-tools: no time left for $1"
  elif ! timeout "$left" bash -c "$2" >"$scratch/log" 2>&1; then
    echo "deploy-tools: no $1: $(tail -n 1 "$scratch/log" | cut -c 1-200)"
  else
    echo "deploy-tools: $1"
  fi
}

missing() { ! command -v "$1" >/dev/null && [[ ! -x $into/bin/$1 ]]; }

get_promtool() {
  set -e
  cd "$scratch"
  apt-get download prometheus || { apt-get update && apt-get download prometheus; }
  dpkg-deb -x prometheus_*.deb prometheus
  cp prometheus/usr/bin/promtool "$into/bin/"
}

get_nginx() {
  set -e
  cd "$scratch"
  apt-get download nginx || { apt-get update && apt-get download nginx; }
  dpkg-deb -x nginx_*.deb nginx
  nginx/usr/sbin/nginx -v
  cp nginx/usr/sbin/nginx "$into/bin/"
}

get_kubernetes() {
  set -e
  python3 -m pip download --quiet --no-deps --dest "$scratch" "$KUBERNETES"
  python3 - "$scratch"/kubernetes_validate-*.whl "$into/schemas" <<'PY'
import sys, zipfile, pathlib
wheel, into = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        parts = pathlib.PurePath(name).parts
        # The oldest that the chart takes, and the newest.
        if len(parts) == 4 and parts[2] in ("v1.30.0-local-strict", "v1.37.0-local-strict"):
            target = pathlib.Path(into, parts[2], parts[3])
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(archive.read(name))
PY
}

get_custom() {
  set -e
  cp "$(go mod download -json "$GATEWAY_API" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"/config/crd/standard/*_httproutes.yaml "$into/schemas/"
  local crds
  crds=$(go mod download -json "$PROMETHEUS_OPERATOR" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/example/prometheus-operator-crd
  cp "$crds"/*_prometheusrules.yaml "$crds"/*_servicemonitors.yaml "$into/schemas/"
  chmod 644 "$into"/schemas/*.yaml
}

get_compose() {
  set -e
  go install "$COMPOSE"
  mv "$GOBIN/cmd" "$into/bin/compose-go"
}

get_helm() {
  set -e
  nice go install "$HELM"
  mv "$GOBIN/helm" "$into/bin/"
}

export into scratch HELM COMPOSE GATEWAY_API PROMETHEUS_OPERATOR KUBERNETES
export -f get_promtool get_nginx get_kubernetes get_custom get_compose get_helm

if missing promtool; then attempt promtool get_promtool; fi
if missing nginx; then attempt nginx get_nginx; fi
if [[ ! -d $into/schemas/v1.37.0-local-strict ]]; then attempt "schemas of Kubernetes" get_kubernetes; fi
if [[ ! -e $(compgen -G "$into/schemas/*_httproutes.yaml") ]]; then attempt "schemas of operators" get_custom; fi
if missing compose-go; then attempt compose-go get_compose; fi
# The last, since it may take more than a minute to build.
if missing helm; then attempt helm get_helm; fi
