# shellcheck shell=bash
# The processes: a registry, buildkitd, and dockerd twice (containerd store, graph driver).
# Each has a pid file, a log and a data directory of its own name.

DAEMONS="registry buildkitd containerd-store graph-driver"

start_daemons() {
    start registry registry_command registry_answers
    start buildkitd buildkitd_command buildkitd_answers
    network_up
    start containerd-store dockerd_command dockerd_answers
    start graph-driver dockerd_command dockerd_answers
}

# start NAME COMMAND ANSWERS: COMMAND sets the array `command`; ANSWERS says whether NAME is ready.
start() {
    local name="$1" make_command="$2" answers="$3" command=()
    if is_ours "$name"; then
        "$answers" "$name" && return
        die "\`$name\` runs but does not answer" "see $LOG/$name.log, then \`make engine-down\` and again"
    fi
    mkdir -p "$DATA/$name"
    "$make_command" "$name"
    say "starting $name"
    PATH="$BIN:$PATH" setsid nohup "${command[@]}" >"$LOG/$name.log" 2>&1 </dev/null 9>&- &
    echo $! >"$RUN/$name.pid"
    wait_for "$name" "$answers"
}

wait_for() {
    local name="$1" answers="$2" pid
    pid="$(cat "$RUN/$name.pid")"
    for _ in $(seq 300); do
        [ -e "/proc/$pid" ] || break
        if "$answers" "$name"; then return; fi
        sleep 0.1
    done
    tail -n 30 "$LOG/$name.log" >&2
    die "\`$name\` did not come up" "all of its log: $LOG/$name.log"
}

# A pid file alone is no proof: pids are used again. Every command line names its own data directory or socket.
is_ours() {
    local pid
    pid="$(cat "$RUN/$1.pid" 2>/dev/null)" || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -e "$DATA/$1/" -e "$RUN/$1."
}

registry_command() {
    if port_is_open; then
        die "port ${REGISTRY#*:} is taken" "set WHEELWRIGHT_REGISTRY_PORT to a free one"
    fi
    cat >"$DATA/registry/config.yml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $DATA/registry/blobs}
  delete: {enabled: true}
http: {addr: "$REGISTRY"}
YAML
    command=("$BIN/docker-registry" serve "$DATA/registry/config.yml")
}

registry_answers() { port_is_open; }

port_is_open() { (exec 3<>"/dev/tcp/${REGISTRY%:*}/${REGISTRY#*:}") 2>/dev/null; }

# Without CNI plugins, steps run in the host's network, as buildkitd decides by itself; said here all the same.
buildkitd_command() {
    cat >"$DATA/buildkitd/buildkitd.toml" <<TOML
root = "$DATA/buildkitd/root"
insecure-entitlements = ["network.host", "security.insecure"]
[cdi]
  disabled = true
[grpc]
  address = ["unix://$RUN/buildkitd.sock"]
[worker.oci]
  networkMode = "host"
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = ["$REGISTRY"]
[registry."$REGISTRY"]
  http = true
TOML
    command=("$BIN/buildkitd" --config "$DATA/buildkitd/buildkitd.toml")
}

buildkitd_answers() { "$BIN/buildctl" --addr "unix://$RUN/buildkitd.sock" debug workers >/dev/null 2>&1; }

dockerd_command() {
    local containerd_store=false
    [ "$1" = containerd-store ] && containerd_store=true
    # dockerd removes its own pid file only on an orderly end.
    rm -f "$RUN/$1.dockerd.pid"
    cat >"$DATA/$1/daemon.json" <<JSON
{
  "data-root": "$DATA/$1/root",
  "exec-root": "$RUN/$1.exec",
  "pidfile": "$RUN/$1.dockerd.pid",
  "hosts": ["unix://$RUN/$1.sock"],
  "features": {"containerd-snapshotter": $containerd_store},
  "registry-mirrors": ["http://$REGISTRY"],
  "insecure-registries": ["$REGISTRY"],
  "builder": {"Entitlements": {"network-host": true}},
$(dockerd_network "$1")
  "iptables": false,
  "ip6tables": false,
  "ip-forward": false,
  "group": "root"
}
JSON
    command=("$BIN/dockerd" --config-file "$DATA/$1/daemon.json")
}

dockerd_answers() { "$BIN/docker" --host "unix://$RUN/$1.sock" version >/dev/null 2>&1; }

daemons_answer() {
    local name
    for name in $DAEMONS; do is_ours "$name" || return 1; done
}

stop_daemons() {
    local name
    for name in graph-driver containerd-store buildkitd registry; do stop "$name"; done
    network_down
    unmount_below "$RUN"
    unmount_below "$DATA"
    rm -rf "$RUN"
}

stop() {
    is_ours "$1" || return 0
    local pid
    pid="$(cat "$RUN/$1.pid")"
    say "stopping $1"
    kill "$pid"
    for _ in $(seq 300); do
        is_ours "$1" || return 0
        sleep 0.1
    done
    say "\`$1\` (pid $pid) did not end in 30 s, killing it"
    kill -KILL "$pid"
}

# Deepest first. What is mounted below our own directories was mounted by our daemons.
unmount_below() {
    local target
    awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r target; do umount -l "$(printf '%b' "$target")"; done
}

status() {
    local name
    for name in $DAEMONS; do
        if is_ours "$name"; then
            printf '%-18s running, pid %s, log %s\n' "$name" "$(cat "$RUN/$name.pid")" "$LOG/$name.log"
        else
            printf '%-18s not running\n' "$name"
        fi
    done
    printf '%-18s %s\n' "registry at" "$REGISTRY" frontend "$(frontend_reference)"
    daemons_answer
}
