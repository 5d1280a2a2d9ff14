frontend_reference() { echo "$REGISTRY/wheelwright/frontend:dev"; }
ensure_frontend() { :; }
