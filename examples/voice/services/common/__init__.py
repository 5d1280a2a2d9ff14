"""What all services share. A module that needs a heavy library is imported by the services that have it."""
