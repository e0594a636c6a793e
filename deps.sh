#!/usr/bin/env bash
# What Weir needs from Debian 12 and PyPI. Run again it does nothing; what it installs it says. Usage: deps.sh VENV
set -euo pipefail
venv=$1

libraries=(libbpf-dev libelf-dev zlib1g-dev librdkafka-dev libyaml-dev libmicrohttpd-dev libsimdjson-dev libpcap-dev libssl-dev linux-libc-dev pkg-config bpftool)
people=(iproute2 ethtool openssl python3 python3-venv procps)                      # the demonstration's
tests=(curl gnutls-bin tcpdump tshark clang-19 libclang-rt-19-dev prometheus)      # real clients, oracles, the fuzzer
wheels=(curl_cffi jsonschema noida-db)                                             # a browser's hello; schemas; a broker with offsets by time

missing=()
for package in "${libraries[@]}" "${people[@]}" "${tests[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "make deps: these packages are missing, and only root installs: apt-get install ${missing[*]}" >&2; exit 3; }
  echo "make deps: installing from Debian: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  # Some of these bring a service; nothing is started on anybody's machine.
  printf '#!/bin/sh\nexit 101\n' > /tmp/weir-policy.$$ && chmod 755 /tmp/weir-policy.$$
  [ -e /usr/sbin/policy-rc.d ] || { mv /tmp/weir-policy.$$ /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
  rm -f /tmp/weir-policy.$$
  apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
fi

command -v swift >/dev/null || { echo "make deps: Swift 6.3 is needed (swift.org/install/linux) and not in PATH" >&2; exit 3; }

[ -x "$venv/bin/python3" ] || { echo "make deps: a Python environment in $venv"; /usr/bin/python3 -m venv "$venv"; }
wanted="${wheels[*]}"
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
  echo "make deps: installing from PyPI: $wanted"
  "$venv/bin/python3" -m pip install -q --disable-pip-version-check "${wheels[@]}"
  echo "$wanted" > "$venv/installed"
fi
