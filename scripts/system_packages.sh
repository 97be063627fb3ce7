#!/usr/bin/env bash
# Installs the Debian packages that building and the demo need, or prints the exact line where it may not.
set -euo pipefail

packages=(
  g++ make git ca-certificates ccache python3-venv
  libfaiss-dev libopenblas-dev libdnnl-dev libhwy-dev libxxhash-dev nlohmann-json3-dev libgtest-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libgif-dev
  libjpeg62-turbo-dev libpng-dev
  tuxpaint-stamps-default wordnet-base
)

if ! command -v apt-get >/dev/null; then
  echo "Not a Debian system: see 'Other systems' in README.md for the libraries to have." >&2
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
  sudo=
elif sudo --non-interactive true 2>/dev/null; then
  sudo=sudo
else
  echo "These Debian packages are missing, and installing them needs root. Run:" >&2
  echo "  sudo apt-get update && sudo $install" >&2
  exit 1
fi
$sudo apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive $sudo $install --quiet=2 >/dev/null
