//! Use cases over the ports: no SQL, no HTTP, no clock of their own.
