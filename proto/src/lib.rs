//! BuildKit's wire API: the messages and services that a frontend and a client use.
