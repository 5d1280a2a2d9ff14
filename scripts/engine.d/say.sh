# shellcheck shell=bash
# Talking to people: progress and failures, all on stderr.

say() { printf 'engine: %s\n' "$*" >&2; }

# die WHAT [HELP]
die() {
    printf 'engine: error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'engine: help: %s\n' "$2" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "starting engines needs root" "run it with sudo"
}

# quietly LOGNAME COMMAND…: output goes to a log; a failure shows its end.
quietly() {
    local log="$LOG/$1.log"
    shift
    mkdir -p "$LOG"
    # shellcheck disable=SC2094 # only read once the command has ended
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        die "\`${1##*/} ${2:-}\` failed" "all of its output: $log"
    fi
}
