#!/usr/bin/env bash
# Renders the chart with each file of its `ci` folder, and holds what comes out against Kubernetes' own schemas. Not a part of CI: it
# builds Helm with Go (some three minutes, once a machine) and takes the schemas from the Python package kubernetes-validate.
set -euo pipefail
cd "$(dirname "$0")"

helm_version=v3.19.0
# The oldest that the chart takes, and newer ones.
kubernetes_versions=(1.25 1.30 1.34)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fleetwave/chart"
helm="$(command -v helm || true)"
if [ -z "$helm" ]; then
  helm="$cache/bin/helm"
  [ -x "$helm" ] || GOBIN="$cache/bin" go install "helm.sh/helm/v3/cmd/helm@$helm_version"
fi
validate="$cache/python/bin/kubernetes-validate"
if [ ! -x "$validate" ]; then
  python3 -m venv "$cache/python"
  "$cache/python/bin/pip" install --quiet kubernetes-validate==1.37.0
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for values in helm/fleetwave/ci/*.yaml; do
  name="$(basename "$values" .yaml)"
  "$helm" lint helm/fleetwave --strict --quiet --values "$values"
  for version in "${kubernetes_versions[@]}"; do
    "$helm" template fleetwave helm/fleetwave --namespace fleet --kube-version "$version" --values "$values" >"$work/$name.yaml"
    "$validate" --strict --quiet --kubernetes-version "$version" "$work/$name.yaml"
    echo "$name: $(grep -c '^kind:' "$work/$name.yaml") resources are right for Kubernetes $version"
  done
done
# What must not be left out, and what does not exist, is refused.
for wrong in --set=config.TEMPORAL_ADDRESS= --set=config.FLEETWAVE_TYPO=1 --set=secrets.DATABASE_URL.name=; do
  if "$helm" template fleetwave helm/fleetwave --kube-version 1.34 --values helm/fleetwave/ci/least-values.yaml "$wrong" >/dev/null 2>&1; then
    echo "The chart takes $wrong" >&2
    exit 1
  fi
done
echo 'Three wrong values are refused.'
