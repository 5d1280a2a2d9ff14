# Runs a command with certificates to trust besides the system's, where the build was given some.
set -eu
extra=/run/secrets/wheelwright-ca
if [ -s "$extra" ]; then
    bundle=/tmp/wheelwright-ca.pem
    : >"$bundle"
    for system in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
        if [ -s "$system" ]; then
            cat "$system" >>"$bundle"
            break
        fi
    done
    cat "$extra" >>"$bundle"
    export SSL_CERT_FILE="$bundle" REQUESTS_CA_BUNDLE="$bundle" PIP_CERT="$bundle" CURL_CA_BUNDLE="$bundle" \
        GIT_SSL_CAINFO="$bundle"
fi
exec "$@"
