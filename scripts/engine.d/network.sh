# shellcheck shell=bash
# The containers' network: one bridge for both dockerds, its way out, and nothing else of the host's rules.
#
# dockerd's own rules are off: two daemons would overwrite each other's chains. Where no bridge can be made, containers
# and steps run with `--network host` alone.

SUFFIX="${RUN##*-}"
BRIDGE="ww-$SUFFIX"
# A subnet of this checkout's own; the daemons take a half each.
SUBNET="10.213.$((16#${SUFFIX:0:2}))"

network_up() {
    [ -e "$RUN/network" ] && return
    cat /proc/sys/net/ipv4/ip_forward >"$RUN/ip_forward"
    if make_network >"$LOG/network.log" 2>&1; then
        echo "$BRIDGE" >"$RUN/network"
        return
    fi
    unmake_network
    echo none >"$RUN/network"
    say "no bridge network could be made (see $LOG/network.log): containers and steps need \`--network host\`"
}

make_network() {
    clear_network
    ip_tool link add "$BRIDGE" type bridge &&
        ip_tool addr add "$SUBNET.1/24" dev "$BRIDGE" &&
        ip_tool link set "$BRIDGE" up &&
        each_rule -I &&
        echo 1 >/proc/sys/net/ipv4/ip_forward
}

network_down() {
    [ -e "$RUN/network" ] || return 0
    unmake_network
    rm -f "$RUN/network"
}

unmake_network() {
    clear_network
    # Another checkout's engines may need it on.
    if ! compgen -G "/sys/class/net/ww-*" >/dev/null; then
        cat "$RUN/ip_forward" >/proc/sys/net/ipv4/ip_forward
    fi
}

# Also what an `up` that was killed left behind.
clear_network() {
    each_rule -D 2>/dev/null || true
    ip_tool link delete "$BRIDGE" 2>/dev/null || true
}

# each_rule -I|-D: what lets the bridge's containers out, and answers in.
each_rule() {
    local failed=0
    iptables_tool -t nat "$1" POSTROUTING -s "$SUBNET.0/24" ! -o "$BRIDGE" -j MASQUERADE || failed=1
    iptables_tool "$1" FORWARD -i "$BRIDGE" -j ACCEPT || failed=1
    iptables_tool "$1" FORWARD -o "$BRIDGE" -j ACCEPT || failed=1
    return "$failed"
}

ip_tool() { with_libraries "$PREFIX/bin/ip" "$@"; }

iptables_tool() { with_libraries "$PREFIX/usr/sbin/xtables-nft-multi" iptables "$@"; }

# dockerd_network NAME: its part of daemon.json.
dockerd_network() {
    local bridge half=0
    bridge="$(cat "$RUN/network")"
    [ "$1" = graph-driver ] && half=128
    [ "$bridge" = none ] || printf '  "fixed-cidr": "%s.%s/25",\n' "$SUBNET" "$half"
    printf '  "bridge": "%s",\n' "$bridge"
}
